"""What an operation says while it works; `report` turns it into lines, a live table or JSON."""

from __future__ import annotations

from collections.abc import Callable

from envmgr.model.health import ServiceHealth
from envmgr.model.value import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """A stage begins."""

    target: str
    """Environment, `infra`, or empty when it concerns all."""
    text: str


@dataclass(frozen=True, slots=True)
class Note:
    """Something the operator should know; nothing is wrong."""

    target: str
    text: str


@dataclass(frozen=True, slots=True)
class Caution:
    """Something that is likely not what the operator wants; the operation goes on."""

    target: str
    text: str


@dataclass(frozen=True, slots=True)
class Output:
    """A line from a child process."""

    target: str
    text: str


@dataclass(frozen=True, slots=True)
class Progress:
    """A service's verdict changed."""

    health: ServiceHealth


Message = Step | Note | Caution | Output | Progress
Listener = Callable[[Message], None]
