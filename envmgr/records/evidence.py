"""What a resolved system follows from: the project's files by their content, and the code that read them.

Code is told by path, time and size, as Python itself tells whether its bytecode is still good; packages that may bring
kinds by the folders in which an installer describes them.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from pathlib import Path

import envmgr
from envmgr import layout
from envmgr.spec.recipes import FILE as RECIPES
from envmgr.spec.recipes import recipes_folder

_DESCRIBED = (".dist-info", ".egg-info", ".egg-link")
_FRESH = 10.0
"""Seconds. Code that has just changed may be newer on the disk than what this process has loaded."""

Stamp = tuple[str, int, int]
"""Path, time of the last change in nanoseconds, size."""


def digest(spec: str, folder: Path, recipes: str) -> str:
    """Return one hash of all that is told by its content, with the interpreter and the packages that it finds.

    Raises: `OSError` when a file is there and cannot be read.
    """
    parts = (
        f"{envmgr.__version__}\n{package()}\n{sys.version}\n{_packages()}".encode(),
        spec.encode(),
        _content(folder / layout.LOCK),
        _content(recipes_folder(folder, recipes) / RECIPES),
    )
    return hashlib.sha256(b"".join(b"%d:%b" % (len(part), part) for part in parts)).hexdigest()


def package() -> str:
    """Return where envmgr's own code lies."""
    return str(Path(envmgr.__file__).parent)


def loaded_code() -> tuple[Stamp, ...] | None:
    """Return a stamp of each file of code that this process has loaded; None when one cannot be told, or is too new."""
    stamps = []
    for name, module in sorted(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file is None or name.partition(".")[0] in sys.stdlib_module_names:
            continue
        found = stamp(file)
        if found is None or found[1] / 1e9 > time.time() - _FRESH:
            return None
        stamps.append(found)
    return tuple(dict.fromkeys(stamps))


def stamp(path: str) -> Stamp | None:
    """Return a file's stamp; None when it is not there."""
    try:
        found = os.stat(path)  # noqa: PTH116 - hundreds of them at each command: a Path takes as long again
    except (OSError, ValueError):
        return None
    return path, found.st_mtime_ns, found.st_size


def _content(path: Path) -> bytes:
    """Return what a file holds, told apart from one that is not there."""
    try:
        return b"=" + path.read_bytes()
    except FileNotFoundError:
        return b""


def _packages() -> list[tuple[str, int]]:
    """Return what is installed for this interpreter: an entry point comes and goes with one of these."""
    found = []
    for folder in dict.fromkeys(Path(entry).absolute() for entry in sys.path):
        try:
            with os.scandir(folder) as entries:
                described = [(one.path, one.stat().st_mtime_ns) for one in entries if one.name.endswith(_DESCRIBED)]
        except OSError:
            continue
        found += sorted(described)
    return found
