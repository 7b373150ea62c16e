"""Resolved values as JSON and back: frozen dataclasses, enumerations, tuples, lists and mappings, and nothing else.

What reads it can make no object of any other class, whatever the text says.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

from envmgr.model import desk, needed, recipe, resolved, secret, stack

_LIST, _MAPPING = "list", "map"
"""A JSON array is a tuple, of which there are most; an object has one key, which says what its value is."""
_CLASSES: Mapping[str, type] = {
    name: one
    for room in (desk, needed, recipe, resolved, secret, stack)
    for name, one in vars(room).items()
    if isinstance(one, type) and one.__module__ == room.__name__ and (is_dataclass(one) or issubclass(one, Enum))
}


def encode(value: object) -> str:
    """Return a text.

    Raises: `TypeError` for a value of any other kind.
    """
    return json.dumps(_plain(value), separators=(",", ":"), ensure_ascii=False)


def decode(text: str) -> Any:
    """Return the value.

    Raises: `ValueError`, `TypeError`, `KeyError` or `RecursionError` for what `encode` does not write.
    """
    return _value(json.loads(text))


def _plain(value: Any) -> Any:
    kind = type(value)
    if kind in (str, int, float, bool) or value is None:
        return value
    if kind is tuple:
        return [_plain(one) for one in value]
    if kind is list:
        return {_LIST: [_plain(one) for one in value]}
    if kind is dict and all(type(key) is str for key in value):
        return {_MAPPING: {key: _plain(one) for key, one in value.items()}}
    if _CLASSES.get(kind.__name__) is not kind:
        raise TypeError(f"a {kind.__name__} is not kept")
    if isinstance(value, Enum):
        return {kind.__name__: value.value}
    return {kind.__name__: [_plain(getattr(value, field.name)) for field in fields(value)]}


def _value(plain: Any) -> Any:
    if type(plain) is list:
        return tuple([_value(one) for one in plain])
    if type(plain) is not dict:
        return plain
    ((kind, content),) = plain.items()
    if kind == _MAPPING:
        return {key: _value(one) for key, one in content.items()}
    if kind == _LIST:
        return [_value(one) for one in content]
    make: Callable[..., Any] = _CLASSES[kind]
    return make(*map(_value, content)) if type(content) is list else make(content)
