"""What a rule is: a name, how bad a breach is, what to write instead, and a check that yields places."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from envmgr.model.lint import References, Severity
from envmgr.rules.document import Document, Service
from envmgr.rules.tree import Keys

HIGH, MEDIUM, LOW, INFO = Severity
Said = tuple[Keys, str]
"""A place in a document, and what is wrong there."""
Breach = tuple[Document, Keys, str]
Check = Callable[[tuple[Document, ...]], Iterator[Breach]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; its id is `EM-S04-user`: a row of the security table, and what of it."""

    id: str
    severity: Severity
    title: str
    instead: str
    check: Check
    references: References = field(default_factory=References)

    @property
    def family(self) -> str:
        """Return the row, `EM-S04`."""
        return self.id[:6]


def refs(kics: tuple[str, ...] | str = (), cis: str = "", owasp: str = "") -> References:
    """Write references: numbers separated by blanks."""
    return References((kics,) if isinstance(kics, str) else kics, tuple(cis.split()), tuple(owasp.split()))


def of_document(check: Callable[[Document], Iterator[Said]]) -> Check:
    """Make a check of each document."""

    def run(documents: tuple[Document, ...]) -> Iterator[Breach]:
        for one in documents:
            for keys, message in check(one):
                yield one, keys, message

    return run


def of_service(check: Callable[[Service], Iterator[Said]], *, only_whole: bool = False) -> Check:
    """Make a check of each service, whose places are below it; `only_whole` spares pieces that others complete."""

    def run(documents: tuple[Document, ...]) -> Iterator[Breach]:
        for one in documents:
            for service in one.services:
                if service.is_whole or not only_whole:
                    for keys, message in check(service):
                        yield one, (*service.keys, *keys), f"{service.name}: {message}"

    return run
