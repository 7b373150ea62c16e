"""The operator's folder `secrets/TARGET/`: one file for each secret, for keys and certificates of several lines."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from envmgr import layout
from envmgr.errors import Problem, SourceError
from envmgr.files import write_atomic
from envmgr.naming import VARIABLE
from envmgr.secrets.store import Given

_IGNORES_ALL = b"*\n"


def read_folder(folder: Path, target: str) -> tuple[dict[str, Given], list[Problem]]:
    """Return what the files hold, and what is wrong with them."""
    found: dict[str, Given] = {}
    problems: list[Problem] = []
    for path in secret_paths(folder, target):
        shown = path.relative_to(folder).as_posix()
        if not VARIABLE.fullmatch(path.name):
            problems.append(Problem("is no name of a secret: expected capitals, digits and _", file=shown))
            continue
        try:
            found[path.name] = Given(without_last_break(path.read_bytes().decode()), shown)
        except OSError as error:
            problems.append(Problem(f"cannot be read: {error.strerror}", file=shown))
        except UnicodeDecodeError:
            problems.append(Problem("is no UTF-8 text", file=shown))
    return found, problems


def secret_paths(folder: Path, target: str) -> list[Path]:
    """Return the files of the folder that are meant; what begins with a dot is not."""
    below = layout.secrets_folder(folder, target)
    if not below.is_dir():
        return []
    return sorted(path for path in below.iterdir() if not path.name.startswith(".") and not path.is_dir())


def without_last_break(text: str) -> str:
    """Drop the line break that editors and `echo` leave behind a single line; several lines stay as they are."""
    body = text.removesuffix("\n").removesuffix("\r")
    return body if "\n" not in body else text


def write_secret(folder: Path, target: str, name: str, value: str) -> str:
    """Keep one value in a file for the operator alone; return its path, relative to the project's folder.

    Raises: `SourceError`.
    """
    below = layout.secrets_folder(folder, target)
    try:
        for one in (below.parent, below):
            one.mkdir(mode=0o700, exist_ok=True)
        if not (below / ".gitignore").exists():
            write_atomic(below / ".gitignore", _IGNORES_ALL, 0o644)
        write_atomic(below / name, value.encode(), 0o600)
    except OSError as error:
        raise SourceError(f"{below / name} cannot be written: {error.strerror}", state="No value was kept.") from error
    return (below / name).relative_to(folder).as_posix()


def restore_break(value: str) -> str:
    """Return what a file has to hold so that reading it gives exactly this value."""
    return value if without_last_break(value) == value else f"{value}\n"


def write_secrets(folder: Path, target: str, values: Mapping[str, str]) -> dict[str, str]:
    """Keep several values; return the paths by name."""
    return {name: write_secret(folder, target, name, restore_break(value)) for name, value in values.items()}
