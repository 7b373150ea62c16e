"""A Compose file as a tree whose every value knows where it stands, and how two of them are laid over each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

Keys = tuple[str | int, ...]
_WHOLE = ("command", "entrypoint", "test")
"""Lists that a later file replaces; all others are appended to."""
_PAIRS = ("environment", "labels", "args", "sysctls", "extra_hosts", "annotations")
"""Tables that may be written as a list of `NAME=value`."""
_NAMED = ("networks", "depends_on")
"""Tables that may be written as a list of names."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is written; 1-based."""

    file: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Node:
    """A table, a list or a single value, and the place of its key."""

    value: Any
    """`dict[str, Node]`, `list[Node]`, or a plain value."""
    place: Place
    replaces: bool = False
    """`!override`: what it is laid over counts no more."""
    resets: bool = False
    """`!reset`: it takes away what it is laid over."""

    def child(self, key: str) -> Node | None:
        """Return what a table has under a key."""
        return self.value.get(key) if isinstance(self.value, dict) else None


def plain(node: Node) -> Any:
    """Return the tree without its places."""
    if isinstance(node.value, dict):
        return {key: plain(child) for key, child in node.value.items() if not child.resets}
    if isinstance(node.value, list):
        return [plain(child) for child in node.value]
    return node.value


def places(node: Node, keys: Keys = ()) -> Iterator[tuple[Keys, Place]]:
    """Yield every place below a node, its own first."""
    yield keys, node.place
    if isinstance(node.value, dict):
        for key, child in node.value.items():
            yield from places(child, (*keys, key))
    if isinstance(node.value, list):
        for index, child in enumerate(node.value):
            yield from places(child, (*keys, index))


def laid_over(below: Node, above: Node, key: str = "") -> Node:
    """Lay one tree over another, as Compose lays a later file over an earlier one."""
    if above.resets or above.replaces:
        return above
    if key in (*_PAIRS, *_NAMED):
        below, above = _as_table(below, key), _as_table(above, key)
    if isinstance(below.value, dict) and isinstance(above.value, dict):
        return replace(above, value=_tables(below.value, above.value))
    if isinstance(below.value, list) and isinstance(above.value, list) and key not in _WHOLE:
        return replace(above, value=_lists(below.value, above.value))
    return above


def _tables(below: dict[str, Node], above: dict[str, Node]) -> dict[str, Node]:
    both = dict(below)
    for key, child in above.items():
        both[key] = laid_over(below[key], child, key) if key in below else child
    return both


def _lists(below: list[Node], above: list[Node]) -> list[Node]:
    """Append; a mount at the same path takes the other's place."""
    taken = {target for one in above if (target := _target(plain(one)))}
    fresh = [plain(one) for one in above]
    return [*(one for one in below if plain(one) not in fresh and _target(plain(one)) not in taken), *above]


def _target(entry: Any) -> str:
    if isinstance(entry, dict):
        target = entry.get("target")
        return target if isinstance(target, str) and target.startswith("/") else ""
    parts = str(entry).split(":")
    return parts[1] if len(parts) > 1 and parts[1].startswith("/") else ""


def _as_table(node: Node, key: str) -> Node:
    if not isinstance(node.value, list):
        return node
    found: dict[str, Node] = {}
    for item in node.value:
        name, equals, value = str(item.value).partition("=")
        found[name] = replace(item, value=value if equals and key in _PAIRS else None)
    return replace(node, value=found)
