"""Reads what a first spec is proposed from: the small text files of a repository, never a value of a `.env` file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from envmgr.starting.variables import EXAMPLES

_FILES = 4000
_BYTES = 256 * 1024
_DEPTH = 6
"""More than these, and a guess is good enough without."""
_NAMES = (
    *("*.py", "*.js", "*.mjs", "*.cjs", "*.ts", "package.json", "pyproject.toml", "Pipfile", "setup.cfg"),
    *("requirements*.txt", "requirements*.in", "alembic.ini", "Dockerfile", "Dockerfile.*", "*.Dockerfile"),
    *("compose*.yml", "compose*.yaml", "docker-compose*.yml", "docker-compose*.yaml"),
    *("Makefile", "makefile", "GNUmakefile", ".gitignore", *EXAMPLES),
)
_SKIPPED = {"node_modules", "venv", "env", "site-packages", "dist", "build", "vendor", "target", "__pycache__"}


def survey(folder: Path) -> dict[str, str]:
    """Return path → content; what cannot be read is left out, and no link is followed."""
    found: dict[str, str] = {}
    for path in _candidates(folder):
        if len(found) == _FILES:
            break
        text = _text(path)
        if text is not None:
            found[path.relative_to(folder).as_posix()] = text
    return found


def _candidates(folder: Path) -> Iterator[Path]:
    """Yield files from the top down, so that a limit cuts off what lies deepest."""
    level = [folder]
    for _ in range(_DEPTH + 1):
        folders: list[Path] = []
        for one in level:
            files, below = _listed(one)
            yield from files
            folders += below
        level = folders


def _listed(folder: Path) -> tuple[list[Path], list[Path]]:
    try:
        with os.scandir(folder) as entries:
            inside = sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return [], []
    files = [Path(one.path) for one in inside if one.is_file(follow_symlinks=False) and _is_wanted(one.name)]
    folders = [one for one in inside if one.is_dir(follow_symlinks=False) and not one.name.startswith(".")]
    if folder.name == "requirements":
        files = [Path(one.path) for one in inside if one.is_file(follow_symlinks=False) and one.name.endswith(".txt")]
    return files, [Path(one.path) for one in folders if one.name not in _SKIPPED]


def _is_wanted(name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in _NAMES)


def _text(path: Path) -> str | None:
    try:
        if path.stat().st_size > _BYTES:
            return None
        return path.read_bytes().decode("utf-8", errors="replace")
    except OSError:
        return None
