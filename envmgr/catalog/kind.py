"""What a kind of service is: the question it is asked and the answer it gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from envmgr import naming
from envmgr.model.stack import (
    Command,
    ConfigMount,
    Grant,
    Healthcheck,
    Image,
    Needed,
    Probe,
    Resources,
    SecretMount,
    Tmpfs,
)
from envmgr.spec.schema import Strict


@dataclass(frozen=True, slots=True)
class Server:
    """A service of the base, as its kind sees it."""

    project: str
    target: str
    name: str
    options: Any
    """The kind's own `Options`."""
    resources: Resources
    image: str | None
    """Set when the spec names another image than the kind's."""
    port: int | None
    """Published on the host's loopback."""

    @property
    def admin_password(self) -> str:
        """Name of the secret that administers it."""
        return f"{naming.sql_name(self.name).upper()}_ADMIN_PASSWORD"

    @property
    def password(self) -> str:
        """Name of the secret with which an environment enters its own part."""
        return f"{naming.sql_name(self.name).upper()}_PASSWORD"

    def command(self, *argv: str, timeout: float = 10, **variables: Any) -> Command:
        """Return a command that runs inside this server's container."""
        return Command(self.target, self.name, argv, variables, timeout)


@dataclass(frozen=True, slots=True)
class Client:
    """The environment that uses a server."""

    environment: str
    prefix: str


@dataclass(frozen=True, slots=True)
class Application:
    """A service of the application in one environment, as its kind sees it."""

    project: str
    environment: str
    prefix: str
    name: str
    options: Any
    """The kind's own `Options`."""
    resources: Resources
    image: Image
    workers: int
    debug: bool
    log_level: str
    port: int | None
    """Published on the host's loopback."""

    def command(self, *argv: str, timeout: float = 10) -> Command:
        """Return a command that runs inside this service's container."""
        return Command(self.environment, self.name, argv, {}, timeout)


@dataclass(frozen=True, slots=True)
class Draft:
    """What a kind makes of a service; `resolve` adds what all services have."""

    image: Image
    user: str
    command: tuple[str, ...]
    healthcheck: Healthcheck | None
    probe: Probe | None = None
    target_port: int | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[SecretMount, ...] = ()
    configs: tuple[ConfigMount, ...] = ()
    volumes: Mapping[str, str] = field(default_factory=dict)
    """Key → path in the container."""
    tmpfs: tuple[Tmpfs, ...] = (Tmpfs("/tmp"),)  # noqa: S108 - a path inside the container
    needed: tuple[Needed, ...] = ()
    stop_signal: str | None = None
    shm_megabytes: int | None = None
    login: str = ""
    """How a person gets past its login page: `admin, FLOWER_PASSWORD`."""


@dataclass(frozen=True, slots=True)
class Binding:
    """What an environment gets from a server: its own part of it, and how its services are told."""

    grants: tuple[Grant, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[SecretMount, ...] = ()
    needed: tuple[Needed, ...] = ()


@dataclass(frozen=True, slots=True)
class Defaults:
    """What holds where the spec is silent."""

    resources: Resources
    start_seconds: float
    stop_seconds: float
    is_job: bool = False
    listens: bool = True
    """It has a port that can be published."""


class InfraKind(Protocol):
    """A server of the shared base."""

    name: str
    defaults: Defaults

    @property
    def Options(self) -> type[Strict]:
        """The keys that this kind adds to a table."""
        ...

    def draft(self, server: Server) -> Draft:
        """Return the service."""
        ...

    def bind(self, server: Server, client: Client) -> Binding:
        """Return what an environment owns inside it."""
        ...


class ServiceKind(Protocol):
    """A service of the application."""

    name: str
    defaults: Defaults

    @property
    def Options(self) -> type[Strict]:
        """The keys that this kind adds to a table."""
        ...

    def draft(self, application: Application) -> Draft:
        """Return the service."""
        ...
