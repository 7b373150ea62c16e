"""What a service of a Compose project becomes, while it is being put together."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from envmgr import naming

_UNIT = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"([0-9.]+)(us|ms|s|m|h)")


@dataclass
class ServiceDraft:
    """The table of one service, and what is decided outside it."""

    service: str
    """As the Compose file names it."""
    name: str
    kind: str = "container"
    table: dict[str, Any] = field(default_factory=dict)
    raw: dict[str, Any] = field(default_factory=dict)
    """The `compose` table."""
    port: int | None = None
    """For `[environments.NAME.ports]`."""
    build: dict[str, Any] | None = None
    """A table of `[builds]`."""
    why: dict[str, str] = field(default_factory=dict)
    """Key → reason for a difference that only the importer knows."""
    decisions: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Names:
    """How things of the Compose project are called in the spec."""

    services: Mapping[str, str]
    volumes: Mapping[str, str]
    secrets: Mapping[str, str]
    """Secret → its variable."""
    servers: Collection[str]
    """Services that became servers of the base."""
    jobs: Collection[str]
    absent: Collection[str] = ()
    """Services that cannot be carried over."""


def distinct(names: Iterable[str]) -> dict[str, str]:
    """Give each name a valid one of its own."""
    found: dict[str, str] = {}
    for name in names:
        wanted = name if naming.NAME.fullmatch(name) and len(name) <= naming.NAME_LENGTH else naming.slug(name)
        number, free = 2, wanted
        while free in found.values():
            free = f"{wanted[: naming.NAME_LENGTH - 4]}-{number}"
            number += 1
        found[name] = free
    return found


def seconds(text: str) -> float:
    """Convert `1m30s` to seconds."""
    return sum(float(number) * _UNIT[unit] for number, unit in _PART.findall(text))


def from_compose_folder(path: str, folder: Path) -> str:
    """Return a path as the rendered files name it; what lies outside the project stays absolute."""
    inside = relative(path, folder)
    return path if inside is None else f"../{inside}".removesuffix("/.")


def relative(path: str, folder: Path) -> str | None:
    """Return a path relative to the project's folder; None when it lies outside."""
    try:
        return Path(path).relative_to(folder).as_posix()
    except ValueError:
        return None


def shortened(number: float) -> int | float:
    """Return a whole number as one."""
    return int(number) if number == int(number) else number
