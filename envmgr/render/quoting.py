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
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return str(value)
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} has no place in a Compose document")
    quoted = json.dumps(value.replace("$", "$$"), ensure_ascii=False)
    return _BARE.sub(lambda match: f"\\u{ord(match[0]):04x}", quoted)


def key(text: str) -> str:
    """Write a mapping's key, bare where no reader can take it for anything but text."""
    if _PLAIN_KEY.fullmatch(text) and text not in _YAML_WORDS:
        return text
    return scalar(text)
