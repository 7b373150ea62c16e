"""The bytes of `envmgr.toml` turned into text, or into one clear error."""

from __future__ import annotations

from pathlib import Path

from envmgr.errors import Problem, SpecError

_LIMIT = 1024 * 1024


def read(path: Path) -> str:
    """Return the text of the spec, without a byte order mark.

    Raises:
        SpecError: absent, not a readable file, too large, or not UTF-8.
    """
    data = _bytes(path)
    if len(data) > _LIMIT:
        raise SpecError(f"{path} is larger than 1 MiB, which no spec is", help="check --file")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        problem = Problem("expected UTF-8 text: save the file in that encoding", file=str(path), line=line)
        raise SpecError(f"{path} is not UTF-8 text", (problem,)) from error


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(_LIMIT + 1)
    except FileNotFoundError as error:
        raise SpecError(f"{path} does not exist: run in the project's folder, or pass --file") from error
    except IsADirectoryError as error:
        raise SpecError(f"{path} is a folder: pass the file itself to --file") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise SpecError(f"{path} cannot be read: {reason}") from error
