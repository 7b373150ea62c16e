"""Splits a repository into the folders that have programs of their own."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from envmgr.starting.found import Component, Files

_MANIFESTS = (
    *("requirements*.txt", "requirements*.in", "pyproject.toml", "Pipfile", "setup.py", "setup.cfg"),
    *("package.json", "manage.py", "alembic.ini"),
)
_DOCKERFILES = ("Dockerfile", "docker/Dockerfile", "Dockerfile.*", "*.Dockerfile")
"""The likeliest first."""
_BESIDE = {"tests", "test", "docs", "doc", "examples", "scripts", "fixtures", "docker", "requirements"}
"""Folders that hold no program of the application."""
_DEPTH = 2
"""`services/api` is a component, `services/api/vendor/x` is none."""


def components(files: Files) -> tuple[Component, ...]:
    """Return every component, the top first; a file belongs to the deepest one around it."""
    dockerfiles = {folder: name for folder in _folders(files) if (name := _dockerfile(files, folder))}
    manifested = {folder for folder in _folders(files) if _has_manifest(files, folder)}
    folders = sorted(manifested | dockerfiles.keys(), key=lambda folder: (folder.count("/"), folder))
    contexts = {folder: _context(folder, dockerfiles, manifested) for folder in folders}
    lending = {context for folder, context in contexts.items() if context != folder}
    own = [folder for folder in folders if folder in manifested or folder not in lending]
    return tuple(_component(files, folder, contexts[folder], dockerfiles, own) for folder in own)


def _folders(files: Files) -> Iterator[str]:
    found = {""}
    for path in files:
        parts = path.split("/")[:-1]
        found |= {"/".join(parts[:depth]) for depth in range(1, min(len(parts), _DEPTH) + 1)}
    return (folder for folder in sorted(found) if not _BESIDE & set(folder.split("/")))


def _dockerfile(files: Files, folder: str) -> str:
    inside = sorted(_inside(files, folder))
    for pattern in _DOCKERFILES:
        for path in inside:
            is_here = path.count("/") == pattern.count("/")
            if is_here and fnmatchcase(path, pattern) and not path.endswith(".dockerignore"):
                return path
    return ""


def _has_manifest(files: Files, folder: str) -> bool:
    names = [path for path in _inside(files, folder) if "/" not in path]
    return any(fnmatchcase(name, pattern) for name in names for pattern in _MANIFESTS)


def _inside(files: Iterable[str], folder: str) -> Iterator[str]:
    start = f"{folder}/" if folder else ""
    return (path.removeprefix(start) for path in files if path.startswith(start))


def _context(folder: str, dockerfiles: dict[str, str], manifested: set[str]) -> str:
    """Return the folder whose Dockerfile builds this one: its own, or one above that has no program itself."""
    above = folder
    while folder not in dockerfiles and above:
        above = posixpath.dirname(above)
        if above in dockerfiles and above not in manifested:
            return above
    return folder


def _component(
    files: Files, folder: str, context: str, dockerfiles: dict[str, str], components: list[str]
) -> Component:
    deeper = [f"{other}/" for other in components if other != folder and _is_below(other, folder)]
    start = f"{folder}/" if folder else ""
    mine = {
        path.removeprefix(start): text
        for path, text in files.items()
        if path.startswith(start) and not any(path.startswith(other) for other in deeper)
    }
    name = dockerfiles.get(context, "")
    text = files[posixpath.join(context, name)] if name else None
    return Component(folder, mine, context or ".", name or "Dockerfile", text)


def _is_below(folder: str, above: str) -> bool:
    return not above or folder.startswith(f"{above}/")
