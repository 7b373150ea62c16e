"""What operations give back; `report` shows it."""

from __future__ import annotations

from typing import Literal

from envmgr.model.health import ServiceHealth
from envmgr.model.value import dataclass

Side = Literal["container", "native"]
"""Where a service runs: in Docker, or as a process of this machine."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a service listens on the host."""

    target: str
    service: str
    url: str
    login: str = ""
    """User and name of the password, where a person has to log in."""


@dataclass(frozen=True, slots=True)
class UpResult:
    """Stacks that were brought up and proven."""

    targets: tuple[str, ...]
    services: tuple[ServiceHealth, ...]
    addresses: tuple[Address, ...]
    seconds: float
    changed: int
    """Containers that were created, recreated or started."""


@dataclass(frozen=True, slots=True)
class SidesResult:
    """On which side each service of an environment is, after some have moved."""

    target: str
    native: tuple[str, ...]
    """On the desk."""
    container: tuple[str, ...]
    """In containers."""
    stopped: tuple[str, ...]
    """On the desk, and nothing runs them."""
    healthy: int
    """How many services were proven healthy."""
    addresses: tuple[Address, ...]
    """Where the servers and containers listen on the host."""
    seconds: float


@dataclass(frozen=True, slots=True)
class ServiceBudget:
    """What one service may take; of each of its replicas."""

    service: str
    replicas: int
    is_job: bool
    cpus: float
    memory: int
    """Bytes, as all memory here."""
    pids: int
    cpus_reserved: float
    memory_reserved: int
    running: int
    """Containers."""
    is_in_force: bool
    """What runs has exactly these limits."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What one stack may take; jobs are left out of the sums."""

    target: str
    services: tuple[ServiceBudget, ...]
    cpus: float
    memory: int
    cpus_reserved: float
    memory_reserved: int


@dataclass(frozen=True, slots=True)
class CapacityResult:
    """What stacks may take of the host; what is left is negative where limits add up to more than there is."""

    host_cpus: int
    host_memory: int
    budgets: tuple[Budget, ...]
    cpus_left: float
    memory_left: int
    unreserved_cpus: float
    unreserved_memory: int


@dataclass(frozen=True, slots=True)
class Rotated:
    """One secret that was exchanged."""

    subject: str
    """The server that it opens, or the variable."""
    consumers: tuple[str, ...]
    """Services that got the new one, and are proven healthy with it."""
    is_proven: bool
    """The new one was seen to open its server, and the old one to be refused."""
    seconds: float
    was_cut: bool = False
    """It was begun by an earlier command."""


@dataclass(frozen=True, slots=True)
class RotateResult:
    """Secrets of one environment that were exchanged."""

    target: str
    rotated: tuple[Rotated, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class DownResult:
    """Stacks that were taken down."""

    targets: tuple[str, ...]
    removed: tuple[str, ...]
    """Names of containers."""
    kept: tuple[str, ...]
    """Names of volumes that stay."""


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """One probe of `health`."""

    target: str
    service: str
    what: str
    """`container`, or what was proven: `as dev_app_1`."""
    verdict: str
    is_good: bool
    reason: str
    latency: float | None
    """Seconds."""


@dataclass(frozen=True, slots=True)
class HealthResult:
    """All probes of some targets, run at once."""

    probes: tuple[ProbeReport, ...]
    seconds: float

    @property
    def is_good(self) -> bool:
        """Everything that was asked is healthy."""
        return bool(self.probes) and all(probe.is_good for probe in self.probes)


@dataclass(frozen=True, slots=True)
class ContainerRow:
    """One container, for `ps` and `status`."""

    target: str
    service: str
    container: str
    verdict: str
    reason: str
    image: str
    uptime: float | None
    """Seconds."""
    restarts: int
    address: str
    stand_in: str = ""
    """What answers in place of the real server; empty when it is the real one."""
    side: Side = "container"


@dataclass(frozen=True, slots=True)
class StackRow:
    """One stack, for `status`."""

    target: str
    state: str
    """`up`, `partly up`, `down`."""
    services_up: int
    services: int
    is_protected: bool
    rows: tuple[ContainerRow, ...]
    oldest_secret: str = ""
    """The one that has had its value for the longest, as far as it was seen; empty: none was."""
    secret_age: float | None = None
    """Its age in seconds."""
    release: str = ""
    """Of a colour: `release 3, live`."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line that a service has printed."""

    target: str
    service: str
    """Empty for what Compose itself says."""
    time: str | None
    """RFC 3339, in UTC; None where there is none."""
    text: str


@dataclass(frozen=True, slots=True)
class ImageRow:
    """One image that some targets need."""

    reference: str
    """As the spec names it."""
    runs: str
    """What really runs in its place."""
    origin: str
    """`registry`, `packages` or `source`."""
    is_there: bool
    stand_in: str
    """What answers in place of the real server; empty when it is the real one."""
    users: tuple[str, ...]
    """`dev.app`."""


@dataclass(frozen=True, slots=True)
class ImageFile:
    """An archive of images."""

    path: str
    images: tuple[str, ...]
    size: int
    """Bytes."""


@dataclass(frozen=True, slots=True)
class InitResult:
    """What `init` wrote and what it left alone."""

    spec: str
    written: tuple[str, ...]
    kept: tuple[str, ...]
    """Files that were there already."""
    notes: tuple[str, ...]
    """What the operator should look at."""
    environments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LockRow:
    """One image in the lock."""

    reference: str
    origin: str
    """`registry`, `packages` or `source`."""
    held_to: str
    """Digest, or the hash of what it is made from; empty when it could not be locked."""
    platforms: tuple[str, ...]
    change: str
    """`kept`, `new`, `moved` or `removed`."""


@dataclass(frozen=True, slots=True)
class LockResult:
    """A lock that was written, or found to be current."""

    path: str
    rows: tuple[LockRow, ...]
    has_changed: bool
    notes: tuple[str, ...] = ()
