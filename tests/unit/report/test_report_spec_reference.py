"""The reference of the spec: made from the schema, and the committed one is current."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from envmgr.operations.schema import schema
from envmgr.report.spec_reference import spec_reference, takes


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    return schema()


def test_the_committed_reference_is_current(repository: Path, found: dict[str, Any]):
    committed = (repository / "docs" / "spec.md").read_text()
    assert spec_reference(found) == committed, "stale: envmgr schema --markdown > docs/spec.md"


def test_it_has_a_table_for_every_section_and_every_kind(found: dict[str, Any]):
    text = spec_reference(found)
    for name in ("[project]", "[variables.NAME]", "[infra.NAME]", "[services.NAME]", "[environments.NAME]"):
        assert f"\n## `{name}`\n" in text
    assert '\n### A server of `kind = "postgres"`\n' in text
    assert '\n### A service of `kind = "celery-worker"`\n' in text
    assert "| `app` | text" in text.partition('kind = "asgi"')[2]
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.replace(r"\|", "").count("|") for line in rows} == {5}


def test_a_kind_without_keys_says_so():
    kinds = {"a": {"properties": {"kind": {"const": "a"}, "x": {"type": "integer"}}}}
    kinds["b"] = {"properties": {"kind": {"const": "b"}, "x": {"type": "integer"}}}
    one = {
        "properties": {"infra": {"description": "`[infra.NAME]`: servers.", "properties": {"a": {}, "b": {}}}},
        "definitions": {f"infra-{name}": table for name, table in kinds.items()},
    }
    text = spec_reference(one)
    assert text.count("It adds no key.") == 2
    assert "\nServers.\n" in text
    assert '| `kind` | `"a"`, `"b"` |' in text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"type": "boolean"}, "`true` or `false`"),
        ({"type": "integer", "minimum": 1, "maximum": 9}, "whole number, from 1 to 9"),
        ({"type": "integer", "minimum": 1}, "whole number, from 1"),
        ({"type": "number", "exclusiveMinimum": 0, "maximum": 2.5}, "number, above 0 to 2.5"),
        ({"type": "number"}, "number"),
        ({"type": "array", "items": {"type": "string"}}, "list of text"),
        ({"type": "array"}, "list of anything"),
        ({"type": "string", "pattern": "^a|b$"}, "text `^a|b$`"),
        ({"type": "object"}, "table"),
        ({"type": "object", "additionalProperties": True}, "table"),
        ({"type": "object", "additionalProperties": {"type": "string"}}, "table of name = text"),
        ({"type": "object", "patternProperties": {"^a$": {"type": "integer"}}}, "table of name = whole number"),
        ({"type": "object", "properties": {"a": {"type": "boolean"}}}, "table of `a`: `true` or `false`"),
        ({"anyOf": [{"type": "integer"}, {"const": "all"}]}, 'whole number or `"all"`'),
        ({"enum": ["a", 1]}, '`"a"`, `1`'),
        ({"$ref": "#/definitions/Inner"}, "text"),
        ({"$ref": "#/definitions/infra-override"}, "keys of `[infra.NAME]`"),
        ({}, "anything"),
    ],
)
def test_what_a_key_takes(value: dict[str, Any], text: str):
    assert takes(value, {"definitions": {"Inner": {"type": "string"}}}) == text
