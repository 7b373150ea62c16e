"""Findings as SARIF 2.1.0, which code hosts and editors read."""

from __future__ import annotations

import json
import sys
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from envmgr import __version__
from envmgr.model.lint import Finding, LintResult, References, Severity
from envmgr.rules.judge import every_rule
from envmgr.rules.rule import Rule

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {Severity.HIGH: "error", Severity.MEDIUM: "warning", Severity.LOW: "note", Severity.INFO: "note"}
_SCORES = {Severity.HIGH: "8.0", Severity.MEDIUM: "5.0", Severity.LOW: "3.0", Severity.INFO: "1.0"}
"""What code hosts sort by, from 0 to 10."""


def write_sarif(result: LintResult) -> None:
    """Print one log with one run."""
    sys.stdout.write(json.dumps(sarif(result), indent=1, ensure_ascii=False) + "\n")


def sarif(result: LintResult) -> dict[str, Any]:
    """Return the log; what is accepted is in it too, as suppressed."""
    rules = every_rule()
    numbers = {rule.id: number for number, rule in enumerate(rules)}
    driver = {"name": "envmgr", "version": __version__, "rules": [_rule(rule) for rule in rules]}
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": driver},
                "columnKind": "unicodeCodePoints",
                "artifacts": [{"location": {"uri": _uri(file)}} for file in result.files],
                "results": [_result(one, numbers[one.rule]) for one in (*result.findings, *result.accepted)],
            }
        ],
    }


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "name": "".join(word.capitalize() for word in rule.id.split("-")[2:]),
        "shortDescription": {"text": rule.title},
        "help": {"text": f"Write instead: {rule.instead}"},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
        "properties": {"tags": _tags(rule.references), "security-severity": _SCORES[rule.severity]},
    }


def _tags(references: References) -> list[str]:
    return [
        "security",
        *(f"KICS {name}" for name in references.kics),
        *(f"CIS {number}" for number in references.cis),
        *(f"OWASP #{number}" for number in references.owasp),
    ]


def _result(found: Finding, number: int) -> dict[str, Any]:
    location = {
        "physicalLocation": {
            "artifactLocation": {"uri": _uri(found.file)},
            "region": {"startLine": found.line, "startColumn": found.column},
        },
        "logicalLocations": [{"fullyQualifiedName": found.path}],
    }
    result: dict[str, Any] = {
        "ruleId": found.rule,
        "ruleIndex": number,
        "level": _LEVELS[found.severity],
        "message": {"text": f"{found.message}. Write instead: {found.instead}"},
        "locations": [location],
    }
    if found.reason:
        result["suppressions"] = [{"kind": "inSource", "justification": found.reason}]
    return result


def _uri(file: str) -> str:
    path = PurePath(file)
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())
