"""The shapes that `docs/json.md` describes, read from its tables, and what does not fit one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_ROW = re.compile(r"^\| (?P<key>`[^|]+?) \| (?P<type>[^|]+?) \|", re.MULTILINE)
_COMMAND = re.compile(r"^\| `(?P<command>[a-z ]+)` \| (?P<before>[^|]*)\| (?P<after>`[^|]+`) \|$", re.MULTILINE)
_PRIMITIVES = {
    "text": (str,),
    "number": (int, float),
    "whole number": (int,),
    "boolean": (bool,),
    "null": (type(None),),
    "any value": (str, int, float, bool, list, dict, type(None)),
}


@dataclass(frozen=True)
class Commands:
    """Lines that a command prints: while it works, and at the end."""

    before: frozenset[str]
    after: frozenset[str]


class Shapes:
    """The page, read."""

    def __init__(self, page: Path) -> None:
        text = page.read_text()
        head, _, lines = text.partition("\n## Lines\n")
        self.commands = {
            found["command"]: Commands(_names(found["before"]), _names(found["after"]))
            for found in _COMMAND.finditer(head)
        }
        lines, _, parts = lines.partition("\n## Parts\n")
        self.lines = _sections(lines)
        self.parts = _sections(parts)

    def faults(self, line: dict[str, Any], names: frozenset[str]) -> list[str]:
        """Say why an object is none of some lines; nothing when it is one."""
        if line.get("format") != 1:
            return ["format is not 1"]
        body = {key: value for key, value in line.items() if key != "format"}
        tried = {name: list(self._object(body, self.lines[name], name)) for name in sorted(names)}
        return (
            [] if any(not found for found in tried.values()) else [fault for found in tried.values() for fault in found]
        )

    def _object(self, value: Any, section: str, place: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"{place} is {json.dumps(value)}, not an object"
            return
        rows = {found["key"].split("`")[1]: found for found in _ROW.finditer(section)}
        yield from (f"{place}.{key} is not described" for key in value.keys() - rows.keys())
        for key, found in rows.items():
            if key in value:
                yield from self._value(value[key], found["type"], f"{place}.{key}")
            elif "may be absent" not in found["key"]:
                yield f"{place}.{key} is missing"

    def _value(self, value: Any, kind: str, place: str) -> Iterator[str]:
        tried = [list(self._one(value, one.strip(), place)) for one in kind.split(" or ")]
        if all(tried):
            yield from tried[0]

    def _one(self, value: Any, kind: str, place: str) -> Iterator[str]:
        if kind.startswith("list of "):
            if not isinstance(value, list):
                yield f"{place} is no list"
                return
            for index, item in enumerate(value):
                yield from self._one(item, kind.removeprefix("list of "), f"{place}[{index}]")
        elif kind in _PRIMITIVES:
            if type(value) not in _PRIMITIVES[kind]:
                yield f"{place} is {json.dumps(value)}, not {kind}"
        elif kind.startswith('`"'):
            if value != json.loads(kind.strip("`")):
                yield f"{place} is {json.dumps(value)}, which is not described"
        else:
            section = self.parts[kind.strip("`")]
            yield from self._object(value, section, place) if "|" in section else self._value(value, section, place)


def _names(cell: str) -> frozenset[str]:
    return frozenset(re.findall(r"`([^`]+)`", cell))


def _sections(text: str) -> dict[str, str]:
    _, *found = re.split(r"^### (.+)\n", text, flags=re.MULTILINE)
    return {name: body.strip() for name, body in zip(found[::2], found[1::2], strict=True)}
