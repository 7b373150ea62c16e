"""What a diagnosis is made from: one frozen value, collected once, never asked for again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from envmgr.model.health import ServiceHealth, Verdict
from envmgr.model.observed import Container, HealthRun, Incident, Observed, State
from envmgr.model.secret import SecretValue
from envmgr.model.stack import Grant, Service, Stack

Node = tuple[str, str]
"""(target, service)."""


@dataclass(frozen=True, slots=True)
class Listener:
    """A TCP port that a program inside a container listens on."""

    address: str
    port: int

    @property
    def is_local(self) -> bool:
        """Only programs of the same container reach it."""
        return self.address.startswith("127.") or self.address == "::1"


@dataclass(frozen=True, slots=True)
class SecretFile:
    """A delivered secret as it lies on the host."""

    uid: int
    mode: int


@dataclass(frozen=True, slots=True)
class Witness:
    """All that is known of one service that is not as it should be."""

    health: ServiceHealth
    container: Container | None = None
    """Of several replicas, the one in trouble."""
    log: tuple[str, ...] = ()
    log_error: str = ""
    """Why its log could not be read."""
    checks: tuple[HealthRun, ...] = ()
    """Last runs of its healthcheck, oldest first."""
    history: tuple[Incident, ...] = ()
    listeners: tuple[Listener, ...] | None = None
    """None when that could not be seen."""
    probe: str = ""
    """What its probe from outside says; empty when it passes or was not run."""
    secret_files: Mapping[str, SecretFile] = field(default_factory=dict)
    missing_files: tuple[str, ...] = ()
    """What it mounts and is not on the host, relative to the project's folder."""
    is_image_missing: bool = False
    is_outdated: bool = False
    """Its container has other values than the `.env` files hold now."""

    @property
    def node(self) -> Node:
        """Whose it is."""
        return self.health.target, self.health.service

    @property
    def runs(self) -> bool:
        """Its program runs now."""
        return self.container is not None and self.container.state is State.RUNNING

    @property
    def is_waiting(self) -> bool:
        """It may yet come up by itself, or has not been started."""
        return self.health.verdict in (Verdict.STARTING, Verdict.MISSING)


@dataclass(frozen=True, slots=True)
class BrokenGrant:
    """What an environment owns in a server and cannot reach with its own credentials."""

    grant: Grant
    message: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """One look at a target and the base below it."""

    stack: Stack
    base: Stack
    """The same as `stack` when the base itself is looked at."""
    observed: Observed
    witnesses: tuple[Witness, ...]
    grants: tuple[BrokenGrant, ...] = ()
    refusal: tuple[str, ...] = ()
    """What the engine said when it refused to start something."""
    free_disk: int | None = None
    """Bytes free where the engine keeps its data."""
    holders: Mapping[int, str] = field(default_factory=dict)
    """Port of the host → process that holds it."""
    secrets: tuple[SecretValue, ...] = ()
    """Every value that must not be shown."""
    service: str = ""
    """Set when one service was asked about."""

    @property
    def stacks(self) -> tuple[Stack, ...]:
        """The base first."""
        return (self.stack,) if self.stack.is_base else (self.base, self.stack)

    def find(self, node: Node) -> Service | None:
        """Return a service of these stacks."""
        found = (s for stack in self.stacks for s in stack.services if (stack.target, s.name) == node)
        return next(found, None)

    def witness(self, node: Node) -> Witness | None:
        """Return what is known of a service that is not as it should be; None of one that is."""
        return next((witness for witness in self.witnesses if witness.node == node), None)
