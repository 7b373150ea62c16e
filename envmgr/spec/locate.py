"""Where in the file a key stands; parsed a second time, with positions, only when something has to be located."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from envmgr.errors import Problem
from envmgr.spec.places import Keys, dotted, undotted

if TYPE_CHECKING:
    from tree_sitter import Node

_DEPTH = 64
"""What nests deeper is located at this depth: the walk must not exhaust the stack."""
_SCALARS = {"string", "integer", "float", "boolean", "offset_date_time", "local_date_time", "local_date", "local_time"}


@dataclass(frozen=True, slots=True)
class Place:
    """A key in the file, both numbers 1-based, and how its value is written when it is a single one."""

    line: int
    column: int
    written: str = ""


class Locator:
    """Finds the line and column of a dotted path, or of its nearest parent that is in the file."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self._text = text
        self._places: dict[Keys, Place] | None = None

    def __call__(self, path: str) -> tuple[int, int]:
        """Return line and column of `services.app.memory`."""
        place = self.place(undotted(path))
        return place.line, place.column

    def place(self, keys: Keys) -> Place:
        """Return where keys stand; a parent's place never tells how a value is written."""
        if self._places is None:
            self._places = _index(self._text)
        if keys in self._places:
            return self._places[keys]
        parents = (self._places.get(keys[:length]) for length in range(len(keys) - 1, 0, -1))
        found = next((place for place in parents if place), Place(1, 1))
        return Place(found.line, found.column)

    def problem(self, path: str | Keys, message: str, hint: str = "") -> Problem:
        """Return a problem at a path, located."""
        keys = undotted(path) if isinstance(path, str) else path
        place = self.place(keys)
        return Problem(message, dotted(keys), self.file, place.line, place.column, hint)


def _index(text: str) -> dict[Keys, Place]:
    import tree_sitter_toml
    from tree_sitter import Language, Parser

    source = text.encode()
    tree = Parser(Language(tree_sitter_toml.language())).parse(source)
    return _Index(source).read(tree.root_node)


class _Index:
    """Walks one syntax tree; dotted headers and keys also make the tables above them known."""

    def __init__(self, source: bytes) -> None:
        self._lines = source.split(b"\n")
        self._places: dict[Keys, Place] = {}
        self._sizes: dict[Keys, int] = {}
        """Array of tables → how many of its tables have been met."""

    def read(self, root: Node) -> dict[Keys, Place]:
        for node in root.named_children:
            if node.type == "pair":
                self._pair((), node)
            elif node.type in ("table", "table_array_element"):
                self._table(node)
        return self._places

    def _table(self, node: Node) -> None:
        segments = _segments(node.named_children[0])
        keys = self._header(segments, is_array=node.type == "table_array_element")
        for child in node.named_children[1:]:
            if child.type == "pair":
                self._pair(keys, child)

    def _header(self, segments: list[Node], *, is_array: bool) -> Keys:
        keys: Keys = ()
        for segment in segments[:-1]:
            keys = self._inside((*keys, _name(segment)))
            self._places.setdefault(keys, self._place(segment))
        last = segments[-1]
        keys = (*keys, _name(last))
        if not is_array:
            self._places[keys] = self._place(last)
            return keys
        self._places.setdefault(keys, self._place(last))
        self._sizes[keys] = self._sizes.get(keys, 0) + 1
        keys = self._inside(keys)
        self._places[keys] = self._place(last)
        return keys

    def _inside(self, keys: Keys) -> Keys:
        """Step into the newest table when keys name an array of tables."""
        return (*keys, self._sizes[keys] - 1) if keys in self._sizes else keys

    def _pair(self, keys: Keys, node: Node) -> None:
        key, value = node.named_children[0], node.named_children[-1]
        for segment in _segments(key):
            keys = (*keys, _name(segment))
            self._places.setdefault(keys, self._place(segment))
        self._value(keys, segment, value)

    def _value(self, keys: Keys, key: Node, value: Node) -> None:
        if value.type in _SCALARS:
            self._places[keys] = self._place(key, _text(value))
        if len(keys) > _DEPTH:
            return
        if value.type == "inline_table":
            for pair in value.named_children:
                if pair.type == "pair":
                    self._pair(keys, pair)
        elif value.type == "array":
            items = [item for item in value.named_children if item.type != "comment"]
            for index, item in enumerate(items):
                self._places[(*keys, index)] = self._place(item)
                self._value((*keys, index), item, item)

    def _place(self, node: Node, written: str = "") -> Place:
        row, column = node.start_point
        before = self._lines[row][:column].decode(errors="replace")  # the tree counts bytes, an editor characters
        return Place(row + 1, len(before) + 1, written)


def _segments(key: Node) -> list[Node]:
    """Flatten `a.b.c`, which the grammar nests to the left."""
    segments: list[Node] = []
    while key.type == "dotted_key":
        children = key.named_children
        segments.append(children[-1])
        key = children[0]
    return [key, *reversed(segments)]


def _name(key: Node) -> str:
    text = _text(key)
    if key.type != "quoted_key":
        return text
    try:
        return next(iter(tomllib.loads(f"{text} = 0")))
    except tomllib.TOMLDecodeError:
        return text


def _text(node: Node) -> str:
    return (node.text or b"").decode(errors="replace")
