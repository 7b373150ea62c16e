"""Findings for people, as JSON and as SARIF; the table of rules is current."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import jsonschema
import pytest

from envmgr.model.lint import LintResult, Severity
from envmgr.report.lint import write_lint, write_rules
from envmgr.report.rule_reference import rule_table
from envmgr.report.sarif import sarif
from envmgr.rules.judge import every_rule
from tests.unit.rules.judging import judged, web

TEXT = web("user: root", 'x-envmgr-lint: {EM-S05: "it opens port 80"}', "ports: ['1000:1000']")

SARIF = {
    "type": "object",
    "required": ["version", "runs"],
    "properties": {
        "$schema": {"type": "string", "format": "uri"},
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["tool", "results"],
                "additionalProperties": False,
                "properties": {
                    "tool": {
                        "type": "object",
                        "required": ["driver"],
                        "properties": {
                            "driver": {
                                "type": "object",
                                "required": ["name"],
                                "properties": {
                                    "name": {"type": "string"},
                                    "version": {"type": "string"},
                                    "rules": {
                                        "type": "array",
                                        "uniqueItems": True,
                                        "items": {"$ref": "#/$defs/descriptor"},
                                    },
                                },
                                "additionalProperties": False,
                            }
                        },
                    },
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "artifacts": {"type": "array", "uniqueItems": True, "items": {"required": ["location"]}},
                    "results": {"type": "array", "items": {"$ref": "#/$defs/result"}},
                },
            },
        },
    },
    "additionalProperties": False,
    "$defs": {
        "message": {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}},
        "level": {"enum": ["none", "note", "warning", "error"]},
        "descriptor": {
            "type": "object",
            "required": ["id"],
            "additionalProperties": False,
            "properties": {
                "id": {"type": "string"},
                "name": {"type": "string"},
                "shortDescription": {"$ref": "#/$defs/message"},
                "help": {"$ref": "#/$defs/message"},
                "defaultConfiguration": {"properties": {"level": {"$ref": "#/$defs/level"}}},
                "properties": {"type": "object"},
            },
        },
        "result": {
            "type": "object",
            "required": ["message"],
            "additionalProperties": False,
            "properties": {
                "ruleId": {"type": "string"},
                "ruleIndex": {"type": "integer", "minimum": 0},
                "level": {"$ref": "#/$defs/level"},
                "message": {"$ref": "#/$defs/message"},
                "locations": {"type": "array", "items": {"$ref": "#/$defs/location"}},
                "suppressions": {
                    "type": "array",
                    "items": {"required": ["kind"], "properties": {"kind": {"enum": ["inSource", "external"]}}},
                },
            },
        },
        "location": {
            "type": "object",
            "properties": {
                "physicalLocation": {
                    "type": "object",
                    "required": ["artifactLocation"],
                    "properties": {
                        "artifactLocation": {"properties": {"uri": {"type": "string", "pattern": "^[!-~]+$"}}},
                        "region": {
                            "type": "object",
                            "required": ["startLine"],
                            "properties": {
                                "startLine": {"type": "integer", "minimum": 1},
                                "startColumn": {"type": "integer", "minimum": 1},
                            },
                        },
                    },
                },
                "logicalLocations": {"type": "array"},
            },
        },
    },
}
"""What SARIF 2.1.0 demands of the parts that are written here."""


@pytest.fixture
def result() -> LintResult:
    return judged(compose=TEXT)


def test_the_log_is_sarif(result: LintResult):
    log = sarif(result)
    jsonschema.validate(log, SARIF)
    (run,) = log["runs"]
    assert len(run["results"]) == len(result.findings) + len(result.accepted)
    for one in run["results"]:
        assert run["tool"]["driver"]["rules"][one["ruleIndex"]]["id"] == one["ruleId"]
    kept = [one["suppressions"] for one in run["results"] if "suppressions" in one]
    assert kept == [[{"kind": "inSource", "justification": "it opens port 80"}]] * len(result.accepted)
    assert len(kept) == 2


def test_a_log_that_lacks_something_would_be_seen(result: LintResult):
    log = sarif(result)
    del log["runs"][0]["results"][0]["message"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(log, SARIF)


def test_places_of_a_log_are_uris():
    log = sarif(judged(**{"my file": web()}))
    jsonschema.validate(log, SARIF)
    assert log["runs"][0]["artifacts"] == [{"location": {"uri": "my%20file.yml"}}]


def test_people_read_places_reasons_and_what_to_write(result: LintResult, capsys: pytest.CaptureFixture[str]):
    write_lint(result, "text")
    text = capsys.readouterr().out
    assert "compose.yml:4:5: medium EM-S04-root web: it runs as root\n" in text
    assert '\n  EM-S04-root\n    user: "10001:10001"\n    (CIS 4.1; OWASP #2)\n' in text
    assert "\naccepted: compose.yml:6:13 EM-S05-privileged-port services.web.ports.0: it opens port 80\n" in text
    assert text.splitlines()[-1].startswith(f"{len(result.findings)} findings in 1 file: 1 high, ")
    assert text.splitlines()[-1].endswith(", 2 accepted")
    assert text.count('user: "10001:10001"') == 1


def test_nothing_found_is_one_line(capsys: pytest.CaptureFixture[str]):
    write_lint(LintResult(("a.yml",), (), ()), "text")
    assert capsys.readouterr().out == "nothing found in 1 file\n"


def test_a_narrow_terminal_breaks_lines_between_words(result: LintResult, monkeypatch: pytest.MonkeyPatch):
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("NO_COLOR", "1")
    write_lint(result, "text")
    assert max(len(line) for line in stream.getvalue().splitlines()) <= 78, "a word is never broken"
    assert "compose.yml:4:5: medium EM-S04-root web: it runs as root\n" in stream.getvalue()


def test_control_characters_of_a_file_do_not_reach_the_terminal(capsys: pytest.CaptureFixture[str]):
    write_lint(judged(compose='services: {"a\\e[2J": {image: "b\\e[31m"}}'), "text")
    assert "\x1b" not in capsys.readouterr().out


def test_json_counts_what_it_lists(result: LintResult, capsys: pytest.CaptureFixture[str]):
    write_lint(result, "json")
    found = json.loads(capsys.readouterr().out)
    assert sum(found["counts"].values()) == len(found["findings"])
    assert {one["reason"] for one in found["accepted"]} == {"it opens port 80"}


def test_a_threshold_takes_what_is_worse_too(result: LintResult):
    assert {one.severity for one in result.at_least(Severity.MEDIUM)} == {Severity.HIGH, Severity.MEDIUM}
    assert result.at_least(Severity.INFO) == result.findings


def test_the_committed_table_is_current(repository: Path, capsys: pytest.CaptureFixture[str]):
    write_rules()
    assert capsys.readouterr().out == rule_table()
    page = (repository / "docs" / "lint.md").read_text()
    assert page.endswith(f"\n\n{rule_table()}"), (
        "stale: put what `envmgr lint --rules` prints at the end of docs/lint.md"
    )
    assert all(f"| `{rule.id}` | {rule.severity} |" in page for rule in every_rule())
