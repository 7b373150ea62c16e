"""An engine in memory. Honest: it refuses what the real one refuses; `tests/contract` binds the two."""

from __future__ import annotations

import ipaddress
import itertools
import queue
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from envmgr import naming
from envmgr.engine import networks as definitions
from envmgr.engine.execution import timed_out
from envmgr.engine.protocol import BuildRequest, OnLine
from envmgr.engine.snapshot import COMPOSE_NUMBER, COMPOSE_PROJECT, COMPOSE_SERVICE, COMPOSE_VOLUME
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
    Observed,
    ObservedNetwork,
    ObservedVolume,
    State,
)
from envmgr.model.stack import Network
from tests.fakes import documents

HOST = Host(cpus=4, memory=8 << 30, engine_version="28.5.2", compose_version="5.6.1", is_local=True, free_disk=50 << 30)
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


@dataclass(frozen=True, slots=True)
class StillRunning:
    """An answer of an exec handler: the program does not end; this is what it wrote until now."""

    output: str = ""


ExecHandler = Callable[[Container, tuple[str, ...], Mapping[str, str]], ExecResult | StillRunning]


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
    health_runs: tuple[HealthRun, ...] = ()


@dataclass(slots=True)
class HeldNetwork:
    """A network as it was asked for."""

    subnet: str
    definition: Mapping[str, Any]
    labels: Mapping[str, str] = field(default_factory=dict)


class FakeStream:
    """A subscription to the fake's events."""

    def __init__(self, engine: FakeEngine, project: str) -> None:
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


class FakeEngine:
    """Satisfies `envmgr.engine.protocol.Engine`; the public attributes are for tests to set and read."""

    endpoint = "unix:///fake/docker.sock"

    def __init__(self, host: Host = HOST, exec_handler: ExecHandler = succeed) -> None:
        self.described = host
        self.exec_handler = exec_handler
        self.held: dict[str, Held] = {}
        self.foreign: list[ForeignContainer] = []
        self.networks: dict[str, HeldNetwork] = {}
        self.volumes: dict[str, dict[str, str]] = {}
        self.images: dict[str, ImageInfo] = {}
        self.behaviours: dict[str, Behaviour] = {}
        """Service → what its containers do; a service without one runs and is healthy."""
        self.pullable: dict[str, ImageInfo] = {}
        """What the registries have; their hosts answer."""
        self.answering: set[str] = set()
        """More registry hosts that answer, `docker.io` among them."""
        self.refusals: dict[str, EngineError] = {}
        """Method → what it raises, each time, before it does anything."""
        self.calls: list[tuple[Any, ...]] = []
        """What was asked to change something, in order."""
        self.planned: list[Callable[[], object]] = []
        """What happens next, one thing each time that somebody waits for an event and there is none."""
        self.terminal_exit_code = 0
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
        held = self._get(container_id)
        held.container = replace(held.container, **fields)
        if event is not None:
            self._tell(held.container, event)

    def becomes(self, container_id: str, health: EngineHealth) -> None:
        """Change a container's health, as its healthcheck would."""
        self.change(container_id, "health_status", health=health)

    def dies(self, container_id: str, exit_code: int = 1) -> None:
        """End a container, as its program would."""
        self.change(container_id, "die", state=State.EXITED, exit_code=exit_code, ports=(), finished_at=self._now())

    # ---- asking

    def host(self) -> Host:
        """Describe the machine."""
        self._admit("host")
        return self.described

    def snapshot(self, project: str) -> Observed:
        """Return everything that concerns a project."""
        self._admit("snapshot")
        ours = {it.id for it in self._all() if it.labels.get(naming.LABEL_PROJECT) == project}
        others = [ForeignContainer(it.name, it.compose_project, it.ports) for it in self._all() if it.id not in ours]
        return Observed(
            containers=tuple(sorted((it for it in self._all() if it.id in ours), key=lambda it: it.name)),
            foreign=(*self.foreign, *others),
            networks=tuple(_observed(name, it) for name, it in self.networks.items()),
            volumes=tuple(
                ObservedVolume(name, labels)
                for name, labels in self.volumes.items()
                if labels.get(naming.LABEL_PROJECT) == project
            ),
        )

    @contextmanager
    def events(self, project: str) -> Iterator[FakeStream]:
        """Subscribe to what happens to a project's containers."""
        self._admit("events")
        stream = FakeStream(self, project)
        self.streams.append(stream)
        try:
            yield stream
        finally:
            stream.close()

    def logs(self, container_id: str, tail: int) -> str:
        """Return the last lines of output."""
        self._admit("logs")
        return "".join(self._get(container_id).logs.splitlines(keepends=True)[-tail:])

    def health_log(self, container_id: str) -> tuple[HealthRun, ...]:
        """Return the last healthcheck runs."""
        self._admit("health_log")
        return self._get(container_id).health_runs

    def exec(
        self, container_id: str, argv: tuple[str, ...], variables: Mapping[str, str], timeout: float
    ) -> ExecResult:
        """Let the handler answer for a running container."""
        self._admit("exec", container_id, argv)
        container = self._get(container_id).container
        if container.state is not State.RUNNING:
            raise EngineError(f"'{argv[0]}' cannot run inside the container: container {container_id} is not running")
        answer = self.exec_handler(container, argv, variables)
        return timed_out(answer.output, timeout) if isinstance(answer, StillRunning) else answer

    # ---- containers

    def start(self, container_id: str) -> None:
        """Start a container."""
        self._admit("start", container_id)
        held = self._get(container_id)
        if held.container.state not in HAS_HOLD:
            self._run(held)

    def stop(self, container_id: str, stop_seconds: float) -> None:
        """Stop a container."""
        self._admit("stop", container_id, stop_seconds)
        self._halt(self._get(container_id))

    def restart(self, container_id: str, stop_seconds: float) -> None:
        """Stop and start a container."""
        self._admit("restart", container_id, stop_seconds)
        held = self._get(container_id)
        self._halt(held)
        self._run(held)

    def remove_container(self, container_id: str) -> None:
        """Remove a container."""
        self._admit("remove_container", container_id)
        held = self.held.get(container_id)
        if held is not None:
            self._discard(held)

    # ---- networks and volumes

    def create_network(self, network: Network, labels: Mapping[str, str]) -> None:
        """Create a network."""
        self._admit("create_network", network.name)
        wanted = definitions.definition(network, labels)
        found = self.networks.get(network.name)
        if found is None:
            self._demand_free(network.name, network.subnet)
            self.networks[network.name] = HeldNetwork(network.subnet, wanted, dict(labels))
        elif {**found.definition, "Labels": {}} != {**wanted, "Labels": {}}:
            raise EngineError(
                f"The network {network.name} is there with the subnet {found.subnet} instead of {network.subnet}"
            )

    def connect(self, network_name: str, container_id: str, aliases: tuple[str, ...]) -> None:
        """Attach a container."""
        self._admit("connect", network_name, container_id, aliases)
        container = self._get(container_id).container
        if network_name not in self.networks:
            raise EngineError(f"Docker refused: network {network_name} not found")
        if set(aliases) <= set(container.networks.get(network_name, ())) and network_name in container.networks:
            return
        self.change(container_id, networks={**container.networks, network_name: aliases})

    def disconnect(self, network_name: str, container_id: str) -> None:
        """Detach a container."""
        self._admit("disconnect", network_name, container_id)
        if container_id in self.held:
            kept = {n: a for n, a in self._get(container_id).container.networks.items() if n != network_name}
            self.change(container_id, networks=kept)

    def remove_network(self, name: str) -> None:
        """Remove a network."""
        self._admit("remove_network", name)
        users = sorted(it.name for it in self._all() if name in it.networks and it.state in HAS_HOLD)
        if users:
            raise EngineError(f"The network {name} could not be removed: {', '.join(users)} still use it")
        self.networks.pop(name, None)

    def create_volume(self, name: str, labels: Mapping[str, str]) -> None:
        """Create a volume."""
        self._admit("create_volume", name)
        self.volumes.setdefault(name, dict(labels))

    def remove_volume(self, name: str) -> None:
        """Remove a volume."""
        self._admit("remove_volume", name)
        users = sorted(held.container.name for held in self.held.values() if name in held.volumes)
        if users:
            raise EngineError(f"The volume {name} could not be removed: {', '.join(users)} still has it")
        self.volumes.pop(name, None)

    # ---- images

    def image(self, reference: str) -> ImageInfo | None:
        """Return an image, or None."""
        self._admit("image")
        return self.images.get(reference)

    def registry_answers(self, reference: str, timeout: float) -> bool:
        """Tell whether a registry answers."""
        self._admit("registry_answers")
        return registry_of(reference) in self.answering | {registry_of(known) for known in self.pullable}

    def pull(self, reference: str, on_line: OnLine) -> None:
        """Fetch an image."""
        self._admit("pull", reference)
        if reference not in self.pullable:
            raise EngineError(f"The image {reference} could not be pulled: not found")
        on_line(f"Pulling {reference}")
        self.images[reference] = self.pullable[reference]

    def build(self, request: BuildRequest, on_line: OnLine) -> None:
        """Build an image."""
        self._admit("build", request)
        dockerfile = request.dockerfile or request.context / "Dockerfile"
        if not dockerfile.is_file():
            failure = f"failed to read dockerfile: open {dockerfile.name}: no such file or directory"
            raise EngineError(f"{', '.join(request.tags)} could not be built: {failure}", details=(failure,))
        on_line(f"building {request.context}")
        self.has_image(*request.tags, labels=dict(request.labels))

    # ---- Compose

    def compose_up(
        self,
        files: tuple[Path, ...],
        compose_project: str,
        services: tuple[str, ...] = (),
        *,
        deadline: float,
        scales: Mapping[str, int] | None = None,
    ) -> None:
        """Create and start services."""
        self._admit("compose_up", compose_project, services)
        document = self._read(files, services)
        wanted = services or tuple(document["services"])
        for name in wanted:
            self._demand_networks(document, document["services"][name])
        for name in wanted:
            count = (scales or {}).get(name, documents.replicas(document["services"][name]))
            self._converge(document, compose_project, name, count)

    def compose_down(
        self,
        files: tuple[Path, ...],
        compose_project: str,
        *,
        deadline: float,
        volumes: bool = False,
        services: tuple[str, ...] = (),
    ) -> None:
        """Stop and remove services."""
        self._admit("compose_down", compose_project, services, volumes)
        document = self._read(files, services)
        for held in self._of(compose_project, services or tuple(document["services"])):
            self._discard(held)
        if not services:
            self._drop_networks(document)
        if volumes:
            self._drop_volumes(document, services)

    def compose_stop(
        self, files: tuple[Path, ...], compose_project: str, *, deadline: float, services: tuple[str, ...] = ()
    ) -> None:
        """Stop services."""
        self._admit("compose_stop", compose_project, services)
        document = self._read(files, services)
        for held in self._of(compose_project, services or tuple(document["services"])):
            self._halt(held)

    def compose_config_quiet(self, files: tuple[Path, ...]) -> None:
        """Read the documents."""
        self._admit("compose_config_quiet")
        documents.check(documents.load(files))

    def passthrough(self, args: tuple[str, ...]) -> int:
        """Note what would have run."""
        self._admit("passthrough", args)
        return self.terminal_exit_code
