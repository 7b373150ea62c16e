"""The text of a Compose file becomes a tree: merge keys followed, defaults of variables put in place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from functools import reduce
from typing import Any

from envmgr.errors import UsageError
from envmgr.rules.tree import Node, Place, laid_over

_MOST_NODES = 50_000
"""An alias within an alias can make a small file endless."""
_DEEPEST = 100
_DEFAULT = re.compile(r"(?<!\$)((?:\$\$)*)\$\{[A-Za-z_][A-Za-z0-9_]*:?-([^${}]*)\}")
_COMPOSE = ("services", "include", "networks", "volumes", "configs", "secrets", "models")
"""Keys of which a Compose file has one at least."""


def parse(text: str, file: str) -> Node:
    """Return the tree of a file; several documents in it are laid over each other, as Compose does.

    Raises: `UsageError` when it is no YAML, or no Compose file.
    """
    roots = [_Reader(file).tree(node) for node in _composed(text, file) if not _is_empty(node)]
    if not roots:
        raise UsageError(f"{file} is empty", help="envmgr lint --help")
    root = reduce(laid_over, roots)
    _expect_compose(root, file)
    return root


def filled(text: str) -> str:
    """Put each variable's default in its place; one without stays as it is."""
    while (changed := _DEFAULT.sub(r"\1\2", text)) != text:
        text = changed
    return text


def _composed(text: str, file: str) -> list[Any]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        return list(YAML(typ="safe", pure=True).compose_all(text))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{file}:{mark.line + 1}:{mark.column + 1}" if mark else file
        raise UsageError(f"{place} is no YAML: {error.problem or error.context}") from error
    except (YAMLError, ValueError, RecursionError) as error:
        what = "nested too deeply" if isinstance(error, RecursionError) else str(error).splitlines()[0]
        raise UsageError(f"{file} is no YAML: {what}") from error


def _is_empty(node: Any) -> bool:
    return node is None or (node.id == "scalar" and node.value == "")


def _expect_compose(root: Node, file: str) -> None:
    if not isinstance(root.value, dict) or not any(key in root.value for key in _COMPOSE):
        raise UsageError(f"{file} is no Compose file: it has no services", help="envmgr lint --help")
    for section in _COMPOSE:
        node = root.child(section)
        if node is not None and section != "include" and not isinstance(node.value, (dict, type(None))):
            raise UsageError(f"{file}:{node.place.line} is no Compose file: {section} is no table")
    services = root.child("services")
    for name, service in (services.value or {} if services else {}).items():
        if not isinstance(service.value, dict) and not service.resets:
            raise UsageError(f"{file}:{service.place.line} is no Compose file: services.{name} is no table")


class _Reader:
    """Makes a tree of YAML nodes, and counts them."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._count = 0
        self._above: list[int] = []

    def tree(self, node: Any, key: Any = None) -> Node:
        """Return a node with all that is below it."""
        self._count += 1
        if self._count > _MOST_NODES or id(node) in self._above:
            raise UsageError(f"{self._file} has no end: an alias repeats itself")
        mark = (key or node).start_mark
        place = Place(self._file, mark.line + 1, mark.column + 1)
        if len(self._above) > _DEEPEST:
            raise UsageError(f"{self._file} is no Compose file: it is nested too deeply")
        self._above.append(id(node))
        made = self._made(node, place)
        self._above.pop()
        return made

    def _made(self, node: Any, place: Place) -> Node:
        tag = str(node.tag or "")
        if tag == "!reset":
            return Node(None, place, resets=True)
        if node.id == "mapping":
            value: Any = dict(self._entries(node))
        elif node.id == "sequence":
            value = [self.tree(child) for child in node.value]
        else:
            value = _scalar(node, tag)
        return Node(value, place, replaces=tag == "!override")

    def _entries(self, node: Any) -> Iterator[tuple[str, Node]]:
        """Yield what is merged in first, for what stands in the table itself wins."""
        own = [(key, value) for key, value in node.value if key.value != "<<"]
        for key, value in node.value:
            if key.value == "<<":
                for merged in reversed(value.value if value.id == "sequence" else [value]):
                    tree = self.tree(merged)
                    yield from tree.value.items() if isinstance(tree.value, dict) else ()
        for key, value in own:
            name = key.value if isinstance(key.value, str) else "?"
            yield name, self.tree(value, key)


def _scalar(node: Any, tag: str) -> Any:
    text = str(node.value)
    if tag.endswith(":null"):
        return None
    if tag.endswith(":bool"):
        return text.lower() in ("true", "yes", "on")
    if tag.endswith((":int", ":float")):
        return _number(text)
    return filled(text)


def _number(text: str) -> int | float | str:
    text = text.replace("_", "")
    with suppress(ValueError):
        return int(text, 0)
    with suppress(ValueError):
        return int(text)
    with suppress(ValueError):
        return float(text)
    return text
