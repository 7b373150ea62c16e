"""The rule that a file is what the Compose Specification's schema allows; no value of the file is repeated."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from envmgr.rules.document import Document
from envmgr.rules.rule import HIGH, Rule, Said, of_document
from envmgr.rules.tree import Keys
from envmgr.spec.compose_schema import compose_schema


def _schema(document: Document) -> Iterator[Said]:
    seen: set[Keys] = set()
    for error in _validator().iter_errors(dict(document.data)):
        keys: Keys = tuple(error.absolute_path)
        if keys not in seen:
            seen.add(keys)
            yield keys, f"{'.'.join(map(str, keys)) or 'the file'}: {_why(error)}"


@cache
def _validator() -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(compose_schema())


def _why(error: Any) -> str:
    if error.validator in ("additionalProperties", "unevaluatedProperties"):
        known = error.schema.get("properties", {})
        unknown = [key for key in error.instance if key not in known and not str(key).startswith("x-")]
        named = [key for key in unknown if f"'{key}'" in error.message]
        return f"Compose knows no {', '.join(named or unknown)} here"
    if error.validator == "type":
        expected = error.validator_value
        return f"Compose expects {' or '.join(expected) if isinstance(expected, list) else expected} here"
    if error.validator == "enum":
        return f"Compose expects one of {', '.join(map(str, error.validator_value))}"
    return "Compose does not take this"


RULES = (
    Rule(
        "EM-S01-schema",
        HIGH,
        "A Compose file is what the Compose Specification allows",
        "what `docker compose config` accepts",
        of_document(_schema),
    ),
)
