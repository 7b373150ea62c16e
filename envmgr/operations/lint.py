"""Hold Compose files against the rules: those that are named, or those that are rendered for this project."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from envmgr import layout
from envmgr.errors import UsageError
from envmgr.model.lint import LintResult
from envmgr.rules.document import Document, Modes, document, table
from envmgr.rules.joining import extended, joined
from envmgr.rules.judge import judge
from envmgr.rules.source import parse
from envmgr.rules.tree import Node, plain

_LARGEST = 8 * 1024**2
"""Bytes; no Compose file is near it."""


def lint(files: tuple[Path, ...], spec: Path) -> LintResult:
    """Return what is wrong with some files; with those rendered beside a spec when none is named.

    Raises: `UsageError` for what is no Compose file.
    """
    chosen = tuple(dict.fromkeys(map(str, files or _rendered(spec.parent))))
    trees = {file: extended(parse(_text(Path(file)), file), file, _read_beside) for file in chosen}
    return judge([_document(chain, root) for chain, root in joined(trees)])


def _rendered(folder: Path) -> Iterable[Path]:
    found = sorted((folder / layout.COMPOSE).glob("docker-compose.*.yml"))
    if not found:
        raise UsageError(f"nothing is rendered in {folder / layout.COMPOSE}", help="envmgr render, or envmgr lint FILE")
    return found


def _text(file: Path) -> str:
    try:
        if not file.is_file():
            raise UsageError(f"{file} is no file", help="envmgr lint --help")
        if file.stat().st_size > _LARGEST:
            raise UsageError(f"{file} is too large for a Compose file")
        return file.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is no text in UTF-8") from error
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from error


def _read_beside(file: str, other: str) -> Node | None:
    """Read a file that another one extends; one that cannot be read extends nothing."""
    path = Path(file).parent / other
    try:
        return parse(_text(path), str(path))
    except UsageError:
        return None


def _document(chain: tuple[str, ...], root: Node) -> Document:
    return document(root, chain, dict(_modes(plain(root), Path(chain[0]).parent)))


def _modes(data: Any, folder: Path) -> Iterator[tuple[str, Modes]]:
    """Yield the permissions of the secrets' files that are there."""
    for secret in table(table(data).get("secrets")).values():
        name = table(secret).get("file")
        path = folder / str(name)
        try:
            file, parent = path.stat(), path.parent.stat()
        except (OSError, ValueError):
            continue
        yield str(name), Modes(stat.S_IMODE(file.st_mode), stat.S_IMODE(parent.st_mode))
