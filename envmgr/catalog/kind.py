"""What a kind of service is: the question it is asked and the answer it gives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable
from urllib.parse import unquote, urlsplit

from envmgr import naming
from envmgr.errors import Problem
from envmgr.model.needed import Needed, Origin
from envmgr.model.proof import Trial
from envmgr.model.secret import SecretRef, Template
from envmgr.model.stack import (
    Command,
    ConfigMount,
    Credential,
    Grant,
    Healthcheck,
    Image,
    Probe,
    Resources,
    SecretMount,
    Tmpfs,
)
from envmgr.spec.values import Strict


@dataclass(frozen=True, slots=True)
class Address:
    """Where a managed server listens, as its URL in the spec says."""

    scheme: str
    host: str
    port: int | None
    login: str
    path: str
    """Without the slash in front; a database's name, or a prefix."""

    @classmethod
    def of(cls, url: str) -> Address:
        """Read a URL that the spec has validated."""
        parts = urlsplit(url)
        login, path = unquote(parts.username or ""), unquote(parts.path.strip("/"))
        return cls(parts.scheme, parts.hostname or "", parts.port, login, path)


@dataclass(frozen=True, slots=True)
class Server:
    """A server of the base, an environment's own copy of it, or a managed one, as its kind sees it."""

    project: str
    target: str
    """`infra`, or the environment that has it for itself."""
    name: str
    options: Any
    """The kind's own `Options`."""
    resources: Resources
    image: str | None
    """Set when the spec names another image than the kind's."""
    port: int | None
    """Published on the host's loopback."""
    ports: Mapping[str, int] = field(default_factory=dict)
    """Further published ports, by the names of `Draft.more_ports`."""
    peers: Mapping[str, Server] = field(default_factory=dict)
    """The servers that it uses."""
    kind: str = ""
    address: Address | None = None
    """Set for a managed server, which is never started."""
    is_provisioned: bool = True
    """Envmgr holds an administrator's login; without one, the address names the environment's own part."""

    client: str = ""
    """Image with the programs that reach a managed server; empty for one that has a container."""
    programs: str = ""
    """Image of the server, with the programs that talk to it."""

    @property
    def host(self) -> str:
        """Name under which others reach it."""
        return self.address.host if self.address else self.name

    @property
    def admin_password(self) -> str:
        """Name of the secret that administers it."""
        return f"{naming.sql_name(self.name).upper()}_ADMIN_PASSWORD"

    @property
    def password(self) -> str:
        """Name of the secret with which an environment enters its own part."""
        return f"{naming.sql_name(self.name).upper()}_PASSWORD"

    @property
    def login(self) -> str:
        """Name of the value that says as whom an environment enters its own part."""
        return f"{naming.sql_name(self.name).upper()}_LOGIN"

    @property
    def place(self) -> str:
        """Dotted place of its table in the spec."""
        own = self.target != naming.INFRA
        return f"environments.{self.target}.infra.{self.name}" if own else f"infra.{self.name}"

    def command(self, *argv: str, timeout: float = 10, **variables: Any) -> Command:
        """Return a command that runs inside this server's container; for a managed server, inside one of its own."""
        return Command(self.target, self.name, argv, variables, timeout, self.client)


def given(server: Server, title: str, probe: Command) -> Grant:
    """Return what the operator was given in a managed server: it is entered, and that is all."""
    return Grant(server.name, title, probe, probe, probe, probe, probe, is_given=True)


LEFT = "of an environment that the spec no longer has may not enter any more; its data stays"
"""What is said of a login that was swept."""


def entering(server: Server, environment: str, logins: tuple[str, str]) -> tuple[Needed, ...]:
    """Return the values with which an environment enters what envmgr made for it: as whom, and the password."""
    place = f"{naming.INFRA}.{server.name}"
    return (
        Needed(server.password, environment, True, Origin.GENERATED, place=place),
        Needed(server.login, environment, False, Origin.OPERATOR, is_required=False, default=logins[0], place=place),
    )


HERE = "${AT:-127.0.0.1}"
"""For a shell: where a server is that envmgr starts; its own container sees it on the loopback, others by its name."""


def credential(
    server: Server, environment: str, logins: tuple[str, ...], enter: Command, retire: Command
) -> Credential:
    """Return how an environment enters what envmgr made for it; `retire` ends the login that the values name."""
    login = SecretRef(server.login, environment) if logins else None
    return Credential(SecretRef(server.password, environment), login, logins, enter, retire)


def from_network(server: Server, probe: Command, **variables: Template) -> Command:
    """Return a probe that runs in a container beside others, where `variables` say how the server is found."""
    if server.address:
        return probe
    given = variables or {"AT": (server.host,)}
    return replace(probe, client=server.programs, variables={**probe.variables, **given})


@dataclass(frozen=True, slots=True)
class Client:
    """The environment that uses a server."""

    environment: str
    prefix: str

    @property
    def dashed(self) -> str:
        """Its prefix where `_` is not allowed: `dev-`."""
        return self.prefix.replace("_", "-")


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

    def desk_port(self, inside: int) -> str:
        """Return where it listens on the desk: where its container's port is published, so that its URL stays."""
        return str(self.port or inside)

    def command(self, *argv: str, timeout: float = 10) -> Command:
        """Return a command that runs inside this service's container."""
        return Command(self.environment, self.name, argv, {}, timeout)


@dataclass(frozen=True, slots=True)
class Metrics:
    """Where a service answers in Prometheus's text format."""

    port: int
    path: str = "/metrics"


@dataclass(frozen=True, slots=True)
class Desk:
    """How a service differs where it runs on the desk instead of in a container."""

    command: tuple[str, ...]
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Draft:
    """What a kind makes of a service; `resolve` adds what all services have."""

    image: Image
    user: str
    command: tuple[str, ...]
    """Empty: what the image runs by itself."""
    healthcheck: Healthcheck | None
    probe: Probe | None = None
    target_port: int | None = None
    """The port that `port` in the spec publishes."""
    more_ports: Mapping[str, int] = field(default_factory=dict)
    """Name → further port that `ports` in the spec may publish."""
    variables: Mapping[str, str] = field(default_factory=dict)
    templated: Mapping[str, Template] = field(default_factory=dict)
    """Variables that hold a secret, for programs that read no file; they reach the service's env file only."""
    secrets: tuple[SecretMount, ...] = ()
    configs: tuple[ConfigMount, ...] = ()
    volumes: Mapping[str, str] = field(default_factory=dict)
    """Key → path in the container."""
    tmpfs: tuple[Tmpfs, ...] = (Tmpfs("/tmp"),)  # noqa: S108 - a path inside the container
    needed: tuple[Needed, ...] = ()
    grants: tuple[Grant, ...] = ()
    """What it owns inside the servers that it uses."""
    stop_signal: str | None = None
    shm_megabytes: int | None = None
    login: str = ""
    """How a person gets past its login page: `admin, FLOWER_PASSWORD`."""
    metrics: Metrics | None = None
    faces_environments: bool = False
    """A service of the base that reaches into every environment's network, as a door or a monitor does."""
    egress: bool = False
    """It cannot work without a way to the outside."""
    is_python: bool = False
    """Its image has Python, which can run what restarts it on a change."""
    desk: Desk | None = None
    """None: outside a container it runs as inside one, as far as the spec gives it a command."""


@dataclass(frozen=True, slots=True)
class Binding:
    """What an environment gets from a server: its own part of it, and how its services are told."""

    grants: tuple[Grant, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[SecretMount, ...] = ()
    needed: tuple[Needed, ...] = ()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A service that listens, as a door or a monitor finds it."""

    target: str
    service: str
    kind: str
    host: str
    """Name that no other service of the project has: `app--dev`; inside one target, the service's own."""
    port: int
    metrics: Metrics | None = None
    routes: tuple[str, ...] = ()
    """Path prefixes that lead to it."""
    is_watched_only: bool = False
    """A monitor finds it here; a door finds the service elsewhere."""


@dataclass(frozen=True, slots=True)
class Site:
    """Everything beside a service that it may have to know: other services and the environments' host names."""

    project: str
    endpoints: tuple[Endpoint, ...]
    hosts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Environment → host names."""

    def of(self, target: str) -> tuple[Endpoint, ...]:
        """Return the services of one target."""
        return tuple(one for one in self.endpoints if one.target == target)


@dataclass(frozen=True, slots=True)
class Defaults:
    """What holds where the spec is silent."""

    resources: Resources
    start_seconds: float
    stop_seconds: float
    is_job: bool = False
    listens: bool = True
    """It has a port that can be published."""
    is_single: bool = False
    """A second one beside it would do harm."""


class InfraKind(Protocol):
    """A server of the shared base, or an environment's own."""

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
        """Return what an environment owns inside it, and how its services are told."""
        ...


@runtime_checkable
class Overseer(Protocol):
    """A server whose configuration names the other services: a door, a monitor."""

    def oversee(self, draft: Draft, server: Server, site: Site) -> Draft:
        """Complete its draft once all others are known."""
        ...


@runtime_checkable
class Manageable(Protocol):
    """A server that may be a managed one, reached by URL."""

    schemes: tuple[str, ...]
    """What its URL may begin with."""


@runtime_checkable
class Selective(Protocol):
    """A server that cannot serve everybody, or not with every option."""

    def refuse(self, server: Server, users: Mapping[str, str], /) -> Iterable[Problem]:
        """Yield what is wrong for one environment; a problem's path is a key of the server's table.

        `users` are the environment's services that use it, name → kind.
        """
        ...


@runtime_checkable
class Provable(Protocol):
    """A server of which one environment's part is closed to the others, and that says how to find out."""

    def attempts(self, server: Server, client: Client, others: tuple[Client, ...], /) -> Trial:
        """Return what an environment would have to try to reach the part of each other one, or the server itself."""
        ...


@runtime_checkable
class Sweeping(Protocol):
    """A server that can close what environments left in it that the spec no longer has."""

    def sweep(self, server: Server, prefixes: tuple[str, ...], /) -> Command:
        """Return what shuts out all environments but those with these prefixes, keeps their data, and says who."""
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
