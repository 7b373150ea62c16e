"""Places in the spec: keys, their dotted form, and what was found wrong at one."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

Keys = tuple[str | int, ...]
"""From the top of the file down; a number is an index in an array, from 0."""

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_PART = re.compile(r'\.?(?:\[(\d+)\]|("(?:\\.|[^"\\])*")|([^.\["]+))')


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong at a place, not yet located in the file."""

    keys: Keys
    message: str
    hint: str = ""


def dotted(keys: Keys) -> str:
    """Write keys as an operator would: `services.app.uses[0]`, odd ones in quotes."""
    text = "".join(_part(key) for key in keys)
    return text.removeprefix(".")


def undotted(path: str) -> Keys:
    """Read back what `dotted` wrote."""
    return tuple(_key(match) for match in _PART.finditer(path))


def _part(key: str | int) -> str:
    if isinstance(key, int):
        return f"[{key}]"
    return f".{key}" if _BARE.fullmatch(key) else "." + json.dumps(key, ensure_ascii=False)


def _key(match: re.Match[str]) -> str | int:
    index, quoted, bare = match.groups()
    if index is not None:
        return int(index)
    return str(json.loads(quoted)) if quoted is not None else str(bare)
