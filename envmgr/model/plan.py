"""What will change and why: steps in order, as data that a person reads and an executor carries out."""

from __future__ import annotations

from dataclasses import field
from enum import StrEnum

from envmgr.errors import Problem
from envmgr.model.value import dataclass


class Action(StrEnum):
    """What happens to a thing."""

    BUILD = "build"
    PULL = "pull"
    CREATE = "create"
    RECREATE = "recreate"
    START = "start"
    RESTART = "restart"
    SCALE = "scale"
    REMOVE = "remove"
    PROVISION = "provision"
    CONNECT = "connect"


class Subject(StrEnum):
    """What a step is about."""

    IMAGE = "image"
    NETWORK = "network"
    VOLUME = "volume"
    SERVICE = "service"
    """The containers of a service."""
    GRANT = "grant"
    """What an environment owns inside a server."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is written in the spec."""

    path: str
    """Dotted: `environments.stage.workers`."""
    file: str
    line: int
    """1-based."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.path}"


@dataclass(frozen=True, slots=True)
class Cause:
    """One field that differs, or a state that is not as it should be."""

    field: str
    old: str | None
    """None: it was not there, or must not be shown."""
    new: str | None
    """None: it goes, or must not be shown."""
    place: Place | None = None


class Interruption(StrEnum):
    """What stops working for a while."""

    REQUESTS = "requests"
    """Requests to the service fail."""
    IN_HAND = "in hand"
    """No new work is taken; what was begun has `seconds` to finish."""


@dataclass(frozen=True, slots=True)
class Loss:
    """What users of a service notice while a step is carried out."""

    what: Interruption
    whose: tuple[str, ...]
    """Targets."""
    seconds: float | None
    """At most; None is for good."""


@dataclass(frozen=True, slots=True)
class Risk:
    """Data that a step deletes."""

    what: str
    """`volume play-dev-web-data`, `PostgreSQL database dev_play`."""
    amount: str
    """In words: `12 MB`."""


@dataclass(frozen=True, slots=True)
class Step:
    """One change to one thing."""

    target: str
    subject: Subject
    name: str
    """Of the service, network, volume or image; a grant's title."""
    action: Action
    causes: tuple[Cause, ...] = ()
    reason: str = ""
    """Why, where no field says it: `the spec no longer has mailer`."""
    containers: tuple[str, ...] = ()
    """Names of the containers that exist and are touched."""
    loss: Loss | None = None
    """None: nobody notices."""
    risks: tuple[Risk, ...] = ()
    is_drift: bool = False
    """Changed by hand: Compose would see no difference, and has to be told to recreate."""
    disturbs: tuple[str, ...] = ()
    """Protected environments that run now and are cut by it."""


@dataclass(frozen=True, slots=True)
class Remark:
    """Something to know that no step changes."""

    target: str
    text: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that one command will do."""

    targets: tuple[str, ...]
    steps: tuple[Step, ...] = ()
    kept: tuple[Step, ...] = ()
    """What differs and is left alone, because others depend on it."""
    remarks: tuple[Remark, ...] = ()
    refusals: tuple[Problem, ...] = field(default=())
    """Why nothing of it may be carried out."""

    @property
    def is_empty(self) -> bool:
        """There is nothing to do."""
        return not self.steps

    @property
    def disturbs(self) -> tuple[str, ...]:
        """Protected environments that run now and are cut by it: somebody has to agree."""
        return tuple(dict.fromkeys(name for step in self.steps for name in step.disturbs))

    @property
    def risks(self) -> tuple[Risk, ...]:
        """All data that it deletes."""
        return tuple(risk for step in self.steps for risk in step.risks)

    def of(self, target: str, subject: Subject | None = None) -> tuple[Step, ...]:
        """Return the steps of one target, or those about one kind of thing."""
        return tuple(step for step in self.steps if step.target == target and subject in (None, step.subject))
