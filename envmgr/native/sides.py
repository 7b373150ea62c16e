"""Which services of an environment run on the desk: the operator's wish, kept beside the environment's other files."""

from __future__ import annotations

import json
from pathlib import Path

from envmgr import layout
from envmgr.errors import EnvmgrError
from envmgr.files import write_atomic

_FORMAT = 1


def read_native(folder: Path, target: str) -> tuple[str, ...]:
    """Return the names of the services that run on the desk, none where nothing was written.

    Raises: `EnvmgrError` when the file is not what it should be.
    """
    path = folder / layout.native_folder(target) / "services.json"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["format"] == _FORMAT:
            return tuple(str(name) for name in document["services"])
        problem = f"its format is {document['format']}, and this envmgr knows {_FORMAT}"
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except (OSError, ValueError, KeyError, TypeError) as error:
        problem = str(error)
    raise EnvmgrError(
        f"{path.relative_to(folder)} cannot be read: {problem}",
        state="Nothing was changed.",
        help=f"Remove it: every service of {target} counts as one in a container then.",
    )


def write_native(folder: Path, target: str, names: tuple[str, ...]) -> None:
    """Keep the names."""
    place = folder / layout.native_folder(target)
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    document = {"format": _FORMAT, "services": list(names)}
    write_atomic(place / "services.json", (json.dumps(document) + "\n").encode(), 0o600)
