"""What an image is built from, as one hash: to know whether it is current, and to name a release by its content."""

from __future__ import annotations

import hashlib
from pathlib import Path


def tree_hash(folder: Path) -> str:
    """Hash the files of a build context that `.dockerignore` leaves in: names, contents and the executable bit."""
    total = hashlib.sha256()
    for path in _context_files(folder):
        total.update(f"{path.relative_to(folder).as_posix()}\0{path.stat().st_mode & 0o111:o}\0".encode())
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()[:12]


def _context_files(folder: Path) -> list[Path]:
    import pathspec

    ignore = folder / ".dockerignore"
    lines = ignore.read_text(encoding="utf-8").splitlines() if ignore.is_file() else []
    # Docker anchors patterns at the context, gitignore does not.
    anchored = [line if line.startswith(("#", "!", "**", "/")) or not line.strip() else f"/{line}" for line in lines]
    spec = pathspec.PathSpec.from_lines("gitwildmatch", [*anchored, "__pycache__/"])
    return sorted(p for p in folder.rglob("*") if p.is_file() and not spec.match_file(p.relative_to(folder).as_posix()))


def starts_from(dockerfile: Path) -> frozenset[str]:
    """Return the words of a Dockerfile's FROM lines: the images that it starts from are among them."""
    lines = dockerfile.read_text(encoding="utf-8", errors="replace").splitlines() if dockerfile.is_file() else []
    words = (line.split() for line in lines)
    return frozenset(part for line in words if line and line[0].upper() == "FROM" for part in line[1:])
