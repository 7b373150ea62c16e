"""Findings of `envmgr lint`: for people, as JSON, and as SARIF; and the rules themselves."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

from envmgr.model.lint import Finding, LintResult, References, Severity
from envmgr.report.machine import write_json
from envmgr.report.rule_reference import rule_table
from envmgr.report.sarif import write_sarif
from envmgr.report.screen import paint, printable, width, wrapped

_STYLES = {Severity.HIGH: "31;1", Severity.MEDIUM: "33;1", Severity.LOW: "36", Severity.INFO: "2"}


def write_lint(result: LintResult, form: str) -> None:
    """Print findings, what to write instead of each kind, and what is accepted."""
    if form == "json":
        _write_fields(result)
    elif form == "sarif":
        write_sarif(result)
    else:
        _write_text(result)


def write_rules() -> None:
    """Print the table of rules that docs/lint.md holds."""
    sys.stdout.write(rule_table())


def _write_fields(result: LintResult) -> None:
    counts = Counter(one.severity for one in result.findings)
    write_json(
        files=list(result.files),
        findings=[_fields(one) for one in result.findings],
        accepted=[_fields(one) | {"reason": one.reason} for one in result.accepted],
        counts={severity.value: counts[severity] for severity in Severity},
    )


def _fields(found: Finding) -> dict[str, Any]:
    return {
        "rule": found.rule,
        "severity": found.severity.value,
        "file": found.file,
        "line": found.line,
        "column": found.column,
        "path": found.path,
        "message": found.message,
        "instead": found.instead,
        "kics": list(found.references.kics),
        "cis": list(found.references.cis),
        "owasp": list(found.references.owasp),
    }


# ---- for people


def _write_text(result: LintResult) -> None:
    for found in result.findings:
        _write_finding(found)
    _write_instead(result)
    for found in result.accepted:
        place = f"{found.file}:{found.line}:{found.column}"
        _write_wrapped(f"accepted: {place} {found.rule} {found.path}: {found.reason}")
    sys.stdout.write(_summary(result) + "\n")


def _write_finding(found: Finding) -> None:
    head = f"{found.file}:{found.line}:{found.column}: "
    text = f"{found.severity.value} {found.rule} {printable(found.message)}"
    first, *others = wrapped(head + text, width(sys.stdout), "    ")
    severity = found.severity.value
    before, _, after = first.removeprefix(printable(head)).partition(severity)
    coloured = paint(severity, _STYLES[found.severity], sys.stdout)
    sys.stdout.write("\n".join([f"{printable(head)}{before}{coloured}{after}", *others]) + "\n")


def _write_instead(result: LintResult) -> None:
    """Say once for each rule what to write instead: the worst first."""
    broken = {one.rule: one for one in sorted(result.findings, key=lambda one: (one.severity.rank, one.rule))}
    if not broken:
        return
    sys.stdout.write("\n" + paint("Write instead", "1", sys.stdout) + "\n")
    for rule, found in broken.items():
        sys.stdout.write(f"  {paint(rule, _STYLES[found.severity], sys.stdout)}\n")
        _write_wrapped(f"    {found.instead}", "    ")
        known = "; ".join(reference_words(found.references))
        if known:
            _write_wrapped(f"    ({known})", "    ")
    sys.stdout.write("\n")


def reference_words(references: References) -> Iterator[str]:
    """Yield a rule's references in words."""
    if references.kics:
        yield "KICS " + ", ".join(references.kics)
    if references.cis:
        yield "CIS " + ", ".join(references.cis)
    if references.owasp:
        yield "OWASP " + ", ".join(f"#{one}" for one in references.owasp)


def _write_wrapped(text: str, indent: str = "  ") -> None:
    sys.stdout.write("\n".join(wrapped(printable(text), width(sys.stdout), indent)) + "\n")


def _summary(result: LintResult) -> str:
    files = f"{len(result.files)} file{'' if len(result.files) == 1 else 's'}"
    accepted = f", {len(result.accepted)} accepted" if result.accepted else ""
    if not result.findings:
        return paint("nothing found", "32;1", sys.stdout) + f" in {files}{accepted}"
    counts = Counter(one.severity for one in result.findings)
    each = ", ".join(f"{counts[severity]} {severity.value}" for severity in Severity if counts[severity])
    number = len(result.findings)
    return f"{number} finding{'' if number == 1 else 's'} in {files}: {each}{accepted}"
