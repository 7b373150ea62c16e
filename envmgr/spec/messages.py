"""Plain sentences for what pydantic found: what was expected, and how to write it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from envmgr.spec.places import Keys, dotted
from envmgr.spec.suggest import did_you_mean

_SECRET = re.compile(r"pass|secret|token|key|credential|dsn|auth|salt|pin$", re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?[0-9][0-9_]*(\.[0-9]+)?")
_QUOTED = re.compile(r"'([^']*)'")
_SHORT = 60


@dataclass(frozen=True, slots=True)
class Wrong:
    """One value that was refused."""

    keys: Keys
    value: Any
    written: str
    """Its text in the file, empty unless it is a single value that may be shown."""
    context: Mapping[str, Any]
    """What pydantic adds: bounds, choices."""


def may_be_secret(keys: Keys) -> bool:
    """Tell whether the value at `keys` must not be repeated in a message."""
    names = [key for key in keys if isinstance(key, str)]
    return "variables" in names or any(_SECRET.search(name) for name in names[-1:])


def sentence(kind: str, raw: str, wrong: Wrong) -> str:
    """Say what was expected; `kind` is pydantic's error type, `raw` its own words for one that is not known here."""
    if kind in _SENTENCES:
        return _SENTENCES[kind](wrong)
    if kind in _BOUNDS:
        name, words = _BOUNDS[kind]
        return words.format(_number(wrong.context.get(name)))
    return raw.replace("Input should be", "expected").removeprefix("Value error, ")


def choice_hint(wrong: Wrong) -> str:
    """Suggest the choice that was probably meant."""
    return did_you_mean(wrong.value, _choices(wrong)) if isinstance(wrong.value, str) else ""


def _text(wrong: Wrong) -> str:
    if isinstance(wrong.value, list):
        return "expected text, not a list"
    if isinstance(wrong.value, dict):
        return "expected text, not a table"
    if wrong.written and len(wrong.written) < _SHORT:
        return f'expected text, written "{wrong.written}" in quotes'
    return "expected text, in quotes"


def _whole(wrong: Wrong) -> str:
    return _unquoted(wrong, "expected a whole number")


def _decimal(wrong: Wrong) -> str:
    return _unquoted(wrong, "expected a number")


def _unquoted(wrong: Wrong, expected: str) -> str:
    if isinstance(wrong.value, str):
        is_shown = _NUMBER.fullmatch(wrong.value) and not may_be_secret(wrong.keys) and len(wrong.value) < _SHORT
        return f"{expected}, written {wrong.value} without quotes" if is_shown else f"{expected}, without quotes"
    return f"{expected}, not {wrong.written}" if wrong.written else expected


def _truth(wrong: Wrong) -> str:
    return "expected true or false, without quotes" if isinstance(wrong.value, str) else "expected true or false"


def _list(wrong: Wrong) -> str:
    if isinstance(wrong.value, str) and not may_be_secret(wrong.keys) and len(wrong.value) < _SHORT:
        return f'expected a list, written ["{wrong.value}"]'
    return 'expected a list, such as ["one", "two"]'


def _table(wrong: Wrong) -> str:
    return f"expected a table, opened with [{dotted(wrong.keys)}]"


def _one_of(wrong: Wrong) -> str:
    choices = _choices(wrong)
    if wrong.written in choices:
        return _text(wrong)
    quoted = [f'"{choice}"' for choice in choices] or ["another value"]
    head = ", ".join(quoted[:-1])
    words = f"expected {head} or {quoted[-1]}" if head else f"expected {quoted[-1]}"
    return words if isinstance(wrong.value, str) else f"{words}, in quotes"


def _choices(wrong: Wrong) -> list[str]:
    return _QUOTED.findall(str(wrong.context.get("expected", "")))


def _said(wrong: Wrong) -> str:
    """Pass on the words of a validator of ours."""
    return str(wrong.context.get("error", "")) or "expected another value"


def _missing(wrong: Wrong) -> str:
    table = dotted(wrong.keys[:-1])
    return f'[{table}] needs the key "{wrong.keys[-1]}"' if table else f"[{wrong.keys[-1]}] is missing"


def _number(value: object) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


_SENTENCES: dict[str, Callable[[Wrong], str]] = {
    "string_type": _text,
    "string_sub_type": _text,
    "int_type": _whole,
    "int_from_float": _whole,
    "int_parsing": _whole,
    "float_type": _decimal,
    "float_parsing": _decimal,
    "bool_type": _truth,
    "bool_parsing": _truth,
    "tuple_type": _list,
    "list_type": _list,
    "set_type": _list,
    "frozen_set_type": _list,
    "dict_type": _table,
    "mapping_type": _table,
    "model_type": _table,
    "model_attributes_type": _table,
    "literal_error": _one_of,
    "enum": _one_of,
    "value_error": _said,
    "assertion_error": _said,
    "missing": _missing,
}

_BOUNDS = {
    "greater_than": ("gt", "expected more than {}"),
    "greater_than_equal": ("ge", "expected at least {}"),
    "less_than": ("lt", "expected less than {}"),
    "less_than_equal": ("le", "expected at most {}"),
    "multiple_of": ("multiple_of", "expected a multiple of {}"),
    "string_too_short": ("min_length", "expected at least {} characters"),
    "string_too_long": ("max_length", "expected at most {} characters"),
    "string_pattern_mismatch": ("pattern", "expected text of the form {}"),
    "too_short": ("min_length", "expected at least {} entries"),
    "too_long": ("max_length", "expected at most {} entries"),
}
