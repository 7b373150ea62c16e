"""Files that belong together become one: overlays are laid over what they change, `extends` is followed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import PurePath

from envmgr.rules.tree import Node, laid_over, plain

Read = Callable[[str, str], Node | None]
"""Asks for a file that another one names; None when it cannot be read."""


def joined(trees: Mapping[str, Node]) -> list[tuple[tuple[str, ...], Node]]:
    """Return the projects that some files make, each with its files.

    `compose.prod.yml` is an overlay of `compose.yml` in the same folder, if both are there and name one project.
    """
    found = []
    for file in trees:
        chain = _chain(file, trees)
        if not any(file in _chain(other, trees) for other in trees if other != file):
            root = trees[chain[0]]
            for above in chain[1:]:
                root = laid_over(root, trees[above])
            found.append((chain, root))
    return found


def _chain(file: str, trees: Mapping[str, Node]) -> tuple[str, ...]:
    """Return the files below one, and itself at last."""
    below = [other for other in trees if _is_below(other, file) and _is_same_project(trees[other], trees[file])]
    return (*sorted(below, key=len), file)


def _is_below(other: str, file: str) -> bool:
    one, two = PurePath(other), PurePath(file)
    return one.parent == two.parent and two.name.startswith(f"{one.stem}.") and one.stem != two.stem


def _is_same_project(one: Node, two: Node) -> bool:
    names = {str(name.value) for name in (one.child("name"), two.child("name")) if name is not None}
    return len(names) < 2


def extended(root: Node, file: str, read: Read) -> Node:
    """Return a document whose services hold what they extend; a service that extends the unknown keeps its key."""
    services = root.child("services")
    if services is None or not isinstance(services.value, dict):
        return root
    made = {name: _extended(name, services, file, read, ()) for name in services.value}
    return replace(root, value={**root.value, "services": replace(services, value=made)})


def _extended(name: str, services: Node, file: str, read: Read, above: tuple[tuple[str, str], ...]) -> Node:
    service: Node = services.value[name]
    said = plain(service).get("extends") if isinstance(service.value, dict) else None
    if not said or (file, name) in above:
        return service
    asked = said if isinstance(said, dict) else {"service": said}
    other, where = str(asked.get("service", "")), services
    place = file
    if asked.get("file"):
        tree = read(file, str(asked["file"]))
        found = tree.child("services") if tree else None
        where, place = found or Node({}, service.place), str(asked["file"])
    if not isinstance(where.value, dict) or other not in where.value:
        return service
    below = _extended(other, where, place, read, (*above, (file, name)))
    rest = replace(service, value={key: value for key, value in service.value.items() if key != "extends"})
    return laid_over(below, rest)
