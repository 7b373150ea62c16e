"""What the fake engine holds, and how it moves: containers that start and end, networks, volumes, events."""

from __future__ import annotations

import ipaddress
import itertools
import queue
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from envmgr import naming
from envmgr.errors import EngineError
from envmgr.model.observed import (
    Container,
    EngineHealth,
    Event,
    ExecResult,
    ForeignContainer,
    HealthRun,
    Host,
    HostPort,
    ImageInfo,
    Incident,
    RegistryImage,
    State,
)

HOST = Host(
    cpus=4,
    memory=8 << 30,
    engine_version="28.5.2",
    compose_version="5.6.1",
    is_local=True,
    free_disk=50 << 30,
    runtimes=("runc",),
)
FIRST_MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
HAS_HOLD = (State.RUNNING, State.PAUSED, State.RESTARTING)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What a container does as soon as it is started."""

    state: State = State.RUNNING
    health: EngineHealth = EngineHealth.HEALTHY
    """Only where the service has a healthcheck."""
    exit_code: int = 0
    restart_count: int = 0
    is_oom_killed: bool = False
    logs: str = ""
    health_runs: tuple[HealthRun, ...] = ()
    error: str = ""
    """What the engine says when it cannot start it; it stays created, and the start fails."""


@dataclass(frozen=True, slots=True)
class StillRunning:
    """An answer of an exec handler: the program does not end; this is what it wrote until now."""

    output: str = ""


ExecHandler = Callable[[Container, tuple[str, ...], Mapping[str, str]], ExecResult | StillRunning]


RunHandler = Callable[[str, tuple[str, ...], Mapping[str, str]], ExecResult | StillRunning]
"""(image, argv, variables) → how a program in a container of its own ends."""


def succeed_alone(_image: str, _argv: tuple[str, ...], _variables: Mapping[str, str]) -> ExecResult:
    """Answer every command with success and no output."""
    return ExecResult(0, "")


def succeed(_container: Container, _argv: tuple[str, ...], _variables: Mapping[str, str]) -> ExecResult:
    """Answer every command with success and no output."""
    return ExecResult(0, "")


@dataclass(slots=True)
class Held:
    """A container, and what the model does not show of it."""

    container: Container
    wanted_ports: tuple[HostPort, ...] = ()
    volumes: tuple[str, ...] = ()
    has_healthcheck: bool = False
    fingerprint: str = ""
    logs: str = ""
    lives: list[tuple[datetime, int]] = field(default_factory=list)
    """Each start, and how much it had written before."""
    health_runs: tuple[HealthRun, ...] = ()
    incidents: list[Incident] = field(default_factory=list)


@dataclass(slots=True)
class HeldNetwork:
    """A network as it was asked for."""

    subnet: str
    definition: Mapping[str, Any]
    labels: Mapping[str, str] = field(default_factory=dict)


class FakeStream:
    """A subscription to the fake's events."""

    def __init__(self, engine: World, project: str) -> None:
        self._engine = engine
        self.project = project
        self.found: queue.SimpleQueue[Event | None] = queue.SimpleQueue()

    def get(self, timeout: float | None = None) -> Event | None:
        """Return the next event; when there is none, let what is planned for later happen first."""
        while self.found.empty() and self._engine.planned:
            self._engine.planned.pop(0)()
        try:
            event = self.found.get(timeout=timeout)
        except queue.Empty:
            return None
        if event is None:
            self.found.put(None)
        return event

    def __iter__(self) -> Iterator[Event]:
        """Yield events until closed."""
        while (event := self.get()) is not None:
            yield event

    def close(self) -> None:
        """End the subscription."""
        self._engine.streams = [stream for stream in self._engine.streams if stream is not self]
        self.found.put(None)


class World:
    """Everything on one fake engine; the public attributes are for tests to set and read."""

    def __init__(self, host: Host = HOST, exec_handler: ExecHandler = succeed) -> None:
        self.described = host
        self.exec_handler = exec_handler
        self.run_alone_handler: RunHandler = succeed_alone
        self.held: dict[str, Held] = {}
        self.foreign: list[ForeignContainer] = []
        self.networks: dict[str, HeldNetwork] = {}
        self.volumes: dict[str, dict[str, str]] = {}
        self.writers: dict[str, str] = {}
        """Volume → user who may write to it, `uid:gid`."""
        self.images: dict[str, ImageInfo] = {}
        self.behaviours: dict[str, Behaviour] = {}
        """Service → what its containers do; a service without one runs and is healthy."""
        self.pullable: dict[str, ImageInfo] = {}
        """What the registries have; their hosts answer."""
        self.published: dict[str, RegistryImage] = {}
        """What the registries say of their images."""
        self.answering: set[str] = set()
        """More registry hosts that answer, `docker.io` among them."""
        self.refusals: dict[str, EngineError] = {}
        """Method → what it raises, each time, before it does anything."""
        self.calls: list[tuple[Any, ...]] = []
        """What was asked to change something, in order."""
        self.planned: list[Callable[[], object]] = []
        """What happens next, one thing each time that somebody waits for an event and there is none."""
        self.terminal_exit_code = 0
        self.terminal_lines: tuple[str, ...] = ()
        """What a child on the terminal prints."""
        self.streams: list[FakeStream] = []
        self._numbers = itertools.count(1)

    # ---- for tests

    def add(self, container: Container, **hidden: Any) -> Container:
        """Put a container there, as if it had been made before."""
        self.held[container.id] = Held(container, **hidden)
        return container

    def has_image(self, *references: str, labels: Mapping[str, str] | None = None) -> None:
        """Put images there."""
        for reference in references:
            self.images[reference] = ImageInfo(f"sha256:{naming.short_hash(reference.encode(), 64)}", labels or {})

    def change(self, container_id: str, event: str | None = None, **fields: Any) -> None:
        """Change a container's fields and tell the streams."""
        held = self.get(container_id)
        held.container = replace(held.container, **fields)
        if event is not None:
            self._tell(held.container, event)

    def becomes(self, container_id: str, health: EngineHealth) -> None:
        """Change a container's health, as its healthcheck would."""
        self.change(container_id, "health_status", health=health)

    def dies(self, container_id: str, exit_code: int = 1) -> None:
        """End a container, as its program would."""
        self.change(container_id, "die", state=State.EXITED, exit_code=exit_code, ports=(), finished_at=self.now())

    def makes(self, container: Container, **hidden: Any) -> Held:
        """Put a container there and return it with what is hidden."""
        held = Held(container, **hidden)
        self.held[container.id] = held
        return held

    # ---- how it moves

    def admit(self, method: str, *args: Any) -> None:
        """Note a call, and refuse it where a test says so."""
        if args:
            self.calls.append((method, *args))
        if method in self.refusals:
            raise self.refusals[method]

    def get(self, container_id: str) -> Held:
        """Return a container, by the whole of its id or its name."""
        for held in self.held.values():
            if container_id in (held.container.id, held.container.name):
                return held
        raise EngineError(f"Docker refused: No such container: {container_id}")

    def all(self) -> list[Container]:
        """Return every container."""
        return [held.container for held in self.held.values()]

    def of(self, compose_project: str, services: tuple[str, ...]) -> list[Held]:
        """Return the containers of services."""
        found = self.held.values()
        return [
            it for it in found if it.container.compose_project == compose_project and it.container.service in services
        ]

    def run(self, held: Held) -> None:
        """Start a container: it does at once what its service's behaviour says."""
        self._claim_ports(held)
        container = held.container
        behaviour = self._behaviour(container)
        if behaviour.error:
            self.change(container.id, error=behaviour.error, exit_code=127)
            raise EngineError(f"docker compose up failed: {behaviour.error}", details=(behaviour.error,))
        before = len(held.logs)
        held.logs, held.health_runs = held.logs + behaviour.logs, behaviour.health_runs
        runs = behaviour.state in HAS_HOLD
        self.change(
            container.id,
            "start",
            state=behaviour.state,
            health=behaviour.health if held.has_healthcheck and runs else EngineHealth.NONE,
            exit_code=behaviour.exit_code,
            restart_count=behaviour.restart_count,
            is_oom_killed=behaviour.is_oom_killed,
            started_at=self.now(),
            finished_at=None if runs else self.now(),
            ports=held.wanted_ports if runs else (),
            error="",
        )
        held.lives.append((self.get(container.id).container.started_at or self.now(), before))
        held.incidents.append(Incident("start", self.now()))
        self._tell_the_rest(held.container)

    def _tell_the_rest(self, container: Container) -> None:
        if container.is_oom_killed:
            self._tell(container, "oom")
            self.get(container.id).incidents.append(Incident("oom", self.now()))
        if container.state is not State.RUNNING:
            self._tell(container, "die")
            self.get(container.id).incidents.append(Incident("die", self.now(), exit_code=container.exit_code))
        elif container.health in (EngineHealth.HEALTHY, EngineHealth.UNHEALTHY):
            self._tell(container, "health_status")

    def _behaviour(self, container: Container) -> Behaviour:
        whole = f"{container.compose_project}/{container.service}"
        return self.behaviours.get(whole) or self.behaviours.get(container.service) or Behaviour()

    def _claim_ports(self, held: Held) -> None:
        for other in self.held.values():
            taken = set(held.wanted_ports) & set(other.container.ports)
            if other is not held and taken:
                port = next(iter(taken))
                failure = f"Bind for {port.host_ip}:{port.port} failed: port is already allocated"
                self.change(held.container.id, error=failure)
                raise EngineError(
                    f"docker compose up failed: Error response from daemon: {failure}", details=(failure,)
                )

    def halt(self, held: Held) -> None:
        """Stop a container."""
        if held.container.state in HAS_HOLD:
            held.incidents += [Incident("kill", self.now(), signal=15), Incident("die", self.now(), exit_code=143)]
            self.dies(held.container.id, exit_code=143)

    def discard(self, held: Held) -> None:
        """Remove a container."""
        self.halt(held)
        del self.held[held.container.id]
        self._tell(held.container, "destroy")

    def now(self) -> datetime:
        """Return a moment later than each before."""
        return FIRST_MOMENT + timedelta(seconds=next(self._numbers))

    def new_id(self) -> str:
        """Return an id like the engine's."""
        return naming.short_hash(f"container {next(self._numbers)}".encode(), 64)

    def _tell(self, container: Container, action: str) -> None:
        for stream in self.streams:
            if container.labels.get(naming.LABEL_PROJECT) == stream.project:
                stream.found.put(Event(action, container.id, container.service))

    def demand_free(self, name: str, subnet: str) -> None:
        """Refuse a subnet that overlaps with another network's."""
        wanted = ipaddress.ip_network(subnet)
        holders = sorted(n for n, it in self.networks.items() if wanted.overlaps(ipaddress.ip_network(it.subnet)))
        if holders:
            raise EngineError(f"The network {name} could not be created: {subnet} overlaps with {', '.join(holders)}")
