"""Images in one file, for hosts that reach no registry: written whole or not at all, and read back."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from envmgr.engine import process
from envmgr.errors import EngineError
from envmgr.files import sync_folder

_LOADED = ("Loaded image: ", "Loaded image ID: ")
"""What `docker load` prints before each name."""


def save(docker: str, environ: Mapping[str, str], references: tuple[str, ...], file: Path, deadline: float) -> None:
    """Write images with their names; the archive appears under its name when it is complete and on the disk."""
    try:
        temporary = _beside(file)
    except OSError as error:
        raise EngineError(f"{file} cannot be written: {error.strerror}", state="No archive was made.") from error
    try:
        argv = (docker, "image", "save", "--output", str(temporary), *references)
        process.run_checked(argv, environ, deadline=deadline, what="docker image save")
        _settle(temporary, file)
    except OSError as error:
        raise EngineError(f"{file} cannot be written: {error.strerror}", state="No archive was made.") from error
    finally:
        temporary.unlink(missing_ok=True)


def load(docker: str, environ: Mapping[str, str], file: Path, deadline: float) -> tuple[str, ...]:
    """Take the images of an archive into the engine."""
    argv = (docker, "image", "load", "--input", str(file))
    try:
        output = process.run_checked(argv, environ, deadline=deadline, what=f"docker image load of {file}")
    except EngineError as error:
        error.help = error.help or f"see whether {file} is an archive that `envmgr images save` has written, and whole"
        raise
    lines = (line.strip() for line in output.splitlines())
    return tuple(line.removeprefix(sign) for line in lines for sign in _LOADED if line.startswith(sign))


def _beside(file: Path) -> Path:
    descriptor, name = tempfile.mkstemp(prefix=f".{file.name}-", suffix=".tmp", dir=file.resolve().parent)
    os.close(descriptor)
    return Path(name)


def _settle(temporary: Path, file: Path) -> None:
    with temporary.open("rb") as written:
        os.fsync(written.fileno())
    temporary.replace(file)
    sync_folder(file.resolve().parent)
