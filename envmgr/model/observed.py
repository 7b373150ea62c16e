"""What the engine says is there: one snapshot, taken once and then compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from enum import StrEnum

from envmgr import naming
from envmgr.model.stack import Healthcheck, Publication
from envmgr.model.value import dataclass


class State(StrEnum):
    """A container's state, in the engine's words."""

    CREATED = "created"
    RUNNING = "running"
    PAUSED = "paused"
    RESTARTING = "restarting"
    REMOVING = "removing"
    EXITED = "exited"
    DEAD = "dead"

    @property
    def has_process(self) -> bool:
        """It runs, or will again without anybody's help: a container that restarts may be up the next moment."""
        return self in (State.RUNNING, State.PAUSED, State.RESTARTING)


class EngineHealth(StrEnum):
    """What the engine concluded from a container's healthcheck."""

    NONE = "none"
    STARTING = "starting"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


@dataclass(frozen=True, slots=True)
class HostPort:
    """A published port as it stands."""

    host_ip: str
    port: int
    protocol: str = "tcp"


@dataclass(frozen=True, slots=True)
class Mount:
    """A named volume, or a file of the host, inside a container."""

    source: str
    """Name of the volume; empty for a file of the host, which has another path in each checkout."""
    target: str
    is_read_only: bool = False


@dataclass(frozen=True, slots=True)
class ObservedHealthcheck:
    """A healthcheck as the engine has it."""

    check: Healthcheck
    start_seconds: float = 0
    """In which a failure does not count."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How a container was made, as far as a service of the spec can say it."""

    command: tuple[str, ...] = ()
    user: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Without those that came from the operator's files, whose names stand in `ENVMGR_REVISION`."""
    healthcheck: ObservedHealthcheck | None = None
    ports: tuple[Publication, ...] = ()
    mounts: tuple[Mount, ...] = ()
    tmpfs: Mapping[str, str] = field(default_factory=dict)
    """Path → options."""
    cpus: float = 0
    memory: int = 0
    """Bytes; 0 is none, here and below."""
    memory_reserved: int = 0
    pids: int = 0
    shm: int = 0
    restart: str = "no"
    stop_signal: str = ""
    """Empty: the image's, or SIGTERM."""
    stop_seconds: int | None = None
    """None: the engine's own 10."""
    is_read_only: bool = False
    has_init: bool = False
    dropped: tuple[str, ...] = ()
    """Capabilities."""
    added: tuple[str, ...] = ()
    security: tuple[str, ...] = ()
    gpus: str = ""
    """A number, `all`, or empty."""
    logging: Mapping[str, str] = field(default_factory=dict)
    """The driver under the empty key, and its options."""


@dataclass(frozen=True, slots=True)
class Container:
    """One container of this project, inspected."""

    id: str
    name: str
    compose_project: str
    service: str
    number: int
    image: str
    """Reference it was created from."""
    image_id: str
    state: State
    health: EngineHealth
    exit_code: int
    restart_count: int
    is_oom_killed: bool
    started_at: datetime | None
    finished_at: datetime | None
    labels: Mapping[str, str]
    networks: Mapping[str, tuple[str, ...]]
    """Network name → aliases there."""
    ports: tuple[HostPort, ...]
    revision: str
    """Value of `ENVMGR_REVISION` in its environment, empty when absent."""
    error: str = ""
    """What the engine said when it could not start it."""
    memory_limit: int = 0
    """Bytes; 0 is none."""
    cpu_limit: float = 0.0
    settings: Settings = field(default_factory=Settings)
    addresses: Mapping[str, str] = field(default_factory=dict)
    """Network name → its address there."""
    binds: Mapping[str, str] = field(default_factory=dict)
    """Path in the container → file or folder of the host that is mounted there."""


@dataclass(frozen=True, slots=True)
class ForeignContainer:
    """A container of somebody else, as far as it can be in the way."""

    name: str
    compose_project: str
    ports: tuple[HostPort, ...]


@dataclass(frozen=True, slots=True)
class ObservedNetwork:
    """A network of the host, of whichever project."""

    name: str
    subnets: tuple[str, ...]
    labels: Mapping[str, str]
    compose_project: str = ""
    driver: str = "bridge"
    is_internal: bool = False
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ObservedVolume:
    """A volume of this project."""

    name: str
    labels: Mapping[str, str]
    driver: str = "local"
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything on one engine that concerns one project, at one moment."""

    containers: tuple[Container, ...]
    foreign: tuple[ForeignContainer, ...]
    networks: tuple[ObservedNetwork, ...]
    volumes: tuple[ObservedVolume, ...]

    def of(self, compose_project: str, service: str | None = None) -> tuple[Container, ...]:
        """Return the containers of a Compose project, or of one service of it, in order of name."""
        return tuple(
            sorted(
                (
                    c
                    for c in self.containers
                    if c.compose_project == compose_project
                    and service in (None, c.service)
                    and c.labels.get(naming.LABEL_COMPOSE_ONEOFF) != "True"
                ),
                key=lambda c: (c.service, c.number),
            )
        )


@dataclass(frozen=True, slots=True)
class Host:
    """The machine that the engine runs on."""

    cpus: int
    memory: int
    """Bytes."""
    engine_version: str
    compose_version: str
    is_local: bool
    """The engine's published loopback ports are this machine's."""
    free_disk: int | None = None
    """Bytes free where the engine keeps its data; None when that cannot be seen from here."""
    runtimes: tuple[str, ...] = ()
    """What the engine can run containers with."""


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """An image that the engine has."""

    id: str
    labels: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    """What it runs when nobody says otherwise; this and what follows, a container inherits."""
    variables: Mapping[str, str] = field(default_factory=dict)
    healthcheck: ObservedHealthcheck | None = None
    stop_signal: str = ""
    digests: tuple[str, ...] = ()
    """`repository@sha256:…`, as registries know it; none for one that was built here."""
    platform: str = ""
    """`linux/amd64`."""


@dataclass(frozen=True, slots=True)
class RegistryImage:
    """An image as its registry has it at this moment."""

    digest: str
    platforms: tuple[str, ...]
    """Each `linux/amd64`, or with a variant `linux/arm/v7`."""


@dataclass(frozen=True, slots=True)
class HealthRun:
    """One run of a container's healthcheck."""

    exit_code: int
    output: str


@dataclass(frozen=True, slots=True)
class Incident:
    """Something in a container's past that the engine still remembers."""

    action: str
    """start, kill, oom, die, stop."""
    at: datetime
    signal: int | None = None
    """Of a kill."""
    exit_code: int | None = None
    """Of a die."""


@dataclass(frozen=True, slots=True)
class ExecResult:
    """How a command inside a container ended."""

    exit_code: int
    output: str
    """stdout and stderr, as they came."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened to a container of this project."""

    action: str
    """start, die, oom, health_status, destroy."""
    container_id: str
    service: str
