"""What keeps a target's secrets beside its `.env` files: the one shape of all sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from envmgr.errors import SourceError

UNTOUCHED = "Nothing was changed."


@dataclass(frozen=True, slots=True)
class Given:
    """One value, and where it stands."""

    value: str = field(repr=False)
    place: str
    """`secrets/prod/TLS_KEY`, `secrets/prod.env.age`, `the Vault at https://…`."""


class Store(Protocol):
    """Asked once a command, for everything."""

    title: str
    """What it is called in a message."""
    is_writable: bool

    def read(self, names: Sequence[str]) -> Mapping[str, Given]:
        """Return what it has; `names` are the secrets that are needed, for one that is asked for each.

        Raises: `SourceError`.
        """
        ...

    def prepare(self, names: Sequence[str]) -> None:
        """Make sure that new values could be kept, before anything else is changed.

        Raises: `SourceError`.
        """
        ...

    def write(self, values: Mapping[str, str]) -> None:
        """Keep values beside those that it has, all or none.

        Raises: `SourceError`, for one that only gives always.
        """
        ...


def only_gives(title: str, names: Sequence[str], how: str) -> SourceError:
    """Return the error for values that a store cannot keep."""
    return SourceError(
        f"{title} only gives secrets, and envmgr cannot keep {', '.join(names)} there",
        state="No value was made or kept.",
        help=how,
    )


def outside(folder: Path, path: str, what: str) -> Path:
    """Return the path of a private file, which must not lie in the project.

    Raises: `SourceError`.
    """
    found = Path(path).expanduser()
    found = (found if found.is_absolute() else folder / found).resolve()
    if found.is_relative_to(folder.resolve()):
        raise SourceError(
            f"{what} {path} lies inside the project, where it could be committed",
            state=UNTOUCHED,
            help="move it elsewhere, such as ~/.config/envmgr/, and name it there",
        )
    return found
