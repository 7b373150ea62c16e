"""What the rules say of Compose files."""

from __future__ import annotations

from enum import StrEnum

from envmgr.model.value import dataclass


class Severity(StrEnum):
    """How bad a finding is, the worst first."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"

    @property
    def rank(self) -> int:
        """Return 0 for the worst."""
        return list(Severity).index(self)


@dataclass(frozen=True, slots=True)
class References:
    """Where else a rule is written down."""

    kics: tuple[str, ...] = ()
    """Names of KICS queries for Docker Compose."""
    cis: tuple[str, ...] = ()
    """Numbers of the CIS Docker Benchmark."""
    owasp: tuple[str, ...] = ()
    """Numbers of the rules of OWASP's Docker cheat sheet."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One breach of one rule at one place."""

    rule: str
    severity: Severity
    title: str
    message: str
    instead: str
    references: References
    file: str
    line: int
    column: int
    path: str
    """Dotted place in the document, `services.web.user`."""
    reason: str = ""
    """Why it is accepted, in the words of the file; empty: it is not."""


@dataclass(frozen=True, slots=True)
class LintResult:
    """All findings, in the order of their places."""

    files: tuple[str, ...]
    findings: tuple[Finding, ...]
    accepted: tuple[Finding, ...]
    """Those that the files themselves suppress, each with its reason."""

    def at_least(self, severity: Severity) -> tuple[Finding, ...]:
        """Return the findings that are as bad as this, or worse."""
        return tuple(one for one in self.findings if one.severity.rank <= severity.rank)
