"""`envmgr.lock`: which image each reference meant when it was locked, and from which source ours were built."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from envmgr import layout
from envmgr.errors import SpecError

FORMAT = 1
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class LockedImage:
    """An image of a registry."""

    digest: str
    """`sha256:…`."""
    platforms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LockedSource:
    """An image that is made here: of it there is no digest, only what it is made from."""

    made_by: str
    """A table of `[builds]`, or a recipe."""
    hash: str


@dataclass(frozen=True, slots=True)
class Lock:
    """The whole file; each table by the image's reference."""

    images: Mapping[str, LockedImage] = field(default_factory=dict)
    builds: Mapping[str, LockedSource] = field(default_factory=dict)
    recipes: Mapping[str, LockedSource] = field(default_factory=dict)


def read_lock(folder: Path) -> Lock | None:
    """Return a project's lock, None when it has none.

    Raises: `SpecError` when the file is not a lock.
    """
    path = folder / layout.LOCK
    try:
        return _lock(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SpecError(
            f"{path.name} is not a lock: {error}",
            state="Nothing was changed.",
            help=f"Put {path.name} back as it was, or remove it and lock anew: envmgr lock",
        ) from error


def lock_text(lock: Lock) -> str:
    """Write a lock: the same lock, the same text."""
    return json.dumps({"format": FORMAT, **asdict(lock)}, indent=2, sort_keys=True) + "\n"


def _lock(data: Any) -> Lock:
    if data["format"] != FORMAT:
        raise ValueError(f"its format is {data['format']}, and this envmgr reads {FORMAT}")
    images = {name: LockedImage(one["digest"], tuple(one["platforms"])) for name, one in data["images"].items()}
    for name, image in images.items():
        if not DIGEST.fullmatch(image.digest):
            raise ValueError(f"the digest of {name} is not sha256 and 64 digits")
    return Lock(images, _sources(data["builds"]), _sources(data["recipes"]))


def _sources(table: Mapping[str, Mapping[str, str]]) -> dict[str, LockedSource]:
    return {name: LockedSource(one["made_by"], one["hash"]) for name, one in table.items()}
