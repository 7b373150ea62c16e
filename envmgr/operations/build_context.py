"""What an image is built from, as one hash: to know whether it is current, and to name a release by its content."""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

_Rule = tuple[re.Pattern[str], bool]
_ALWAYS_IGNORED: _Rule = (re.compile(r"(?:.*/)?__pycache__"), False)
"""Bytecode comes and goes by itself."""


def tree_hash(folder: Path) -> str:
    """Hash the files of a build context that `.dockerignore` leaves in: names, contents and the executable bit."""
    total = hashlib.sha256()
    for path in _context_files(folder):
        total.update(f"{path.relative_to(folder).as_posix()}\0{path.stat().st_mode & 0o111:o}\0".encode())
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()[:12]


def source_hash(folder: Path, arguments: Mapping[str, str]) -> str:
    """Hash everything that decides what a build makes: the files, and the build arguments."""
    tree = tree_hash(folder)
    if not arguments:
        return tree
    return hashlib.sha256(f"{tree}{sorted(arguments.items())}".encode()).hexdigest()[:12]


def _context_files(folder: Path) -> list[Path]:
    ignore = folder / ".dockerignore"
    lines = ignore.read_text(encoding="utf-8", errors="replace").splitlines() if ignore.is_file() else []
    rules = [*(rule for line in lines if (rule := _rule(line))), _ALWAYS_IGNORED]
    # The builder gets these two whatever the file says.
    kept = {"Dockerfile", ".dockerignore"}
    files = ((path, path.relative_to(folder).as_posix()) for path in folder.rglob("*") if path.is_file())
    return sorted(path for path, name in files if name in kept or not _is_ignored(name, rules))


def _rule(line: str) -> _Rule | None:
    """Read a line of `.dockerignore` as Docker does: anchored at the context, and the last match wins."""
    text = line.strip()
    if not text or text.startswith("#"):
        return None
    is_exception = text.startswith("!")
    pattern = posixpath.normpath(text.removeprefix("!").strip()).lstrip("/")
    return None if pattern == "." else (re.compile(_expression(pattern)), is_exception)


def _expression(pattern: str) -> str:
    parts = re.findall(r"\*\*/?|\*|\?|\[[^\]]*\]|\\\\.|.", pattern)
    wild = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "".join(wild.get(part) or (part if part[0] == "[" and part != "[" else _literal(part)) for part in parts)


def _literal(part: str) -> str:
    return re.escape(part[1:] if len(part) == 2 else part)


def _is_ignored(name: str, rules: list[_Rule]) -> bool:
    """Tell whether the last rule that matches a path, or a folder above it, leaves it out."""
    above = [name, *(str(parent) for parent in PurePosixPath(name).parents)]
    is_ignored = False
    for expression, is_exception in rules:
        if is_ignored == is_exception and any(expression.fullmatch(one) for one in above):
            is_ignored = not is_exception
    return is_ignored


def starts_from(dockerfile: Path) -> frozenset[str]:
    """Return the words of a Dockerfile's FROM lines: the images that it starts from are among them."""
    lines = dockerfile.read_text(encoding="utf-8", errors="replace").splitlines() if dockerfile.is_file() else []
    words = (line.split() for line in lines)
    return frozenset(part for line in words if line and line[0].upper() == "FROM" for part in line[1:])
