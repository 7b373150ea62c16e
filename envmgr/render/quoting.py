"""Strings in YAML and Compose: always quoted, so that `1e3`, `08`, `no` and `$HOME` stay what they are."""

from __future__ import annotations

import json
import math
import re

_PLAIN_KEY = re.compile(r"[a-z][a-z0-9_.-]*")
_YAML_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
# Line breaks and control characters of YAML 1.1 and 1.2 that JSON leaves as they are.
_BARE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def scalar(value: object) -> str:
    """Write a string, number or boolean; a string is quoted, and `$` doubled for Compose.

    Raises: `TypeError` for anything else.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float) and math.isfinite(value):
        return _float(value)
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} has no place in a Compose document")
    return _quoted(value.replace("$", "$$"))


def key(text: str) -> str:
    """Write a mapping's key, bare where no reader can take it for anything but text."""
    if _PLAIN_KEY.fullmatch(text) and text not in _YAML_WORDS:
        return text
    # Compose interpolates values only.
    return _quoted(text)


def _float(value: float) -> str:
    # Without a point, `1e+22` is text to a reader of YAML 1.1.
    text = repr(value)
    return text if "." in text else text.replace("e", ".0e")


def _quoted(text: str) -> str:
    return _BARE.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(text, ensure_ascii=False))
