"""The typed shape of `envmgr.toml`; what a kind of service adds to it is the catalog's and is handed in at load."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from envmgr.spec.deploy_table import DeployTable
from envmgr.spec.secret_tables import SecretsTable
from envmgr.spec.values import (
    Alias,
    Block,
    ContainerPath,
    Cpus,
    FileName,
    HostName,
    LogLevel,
    Memory,
    Name,
    NetworkName,
    NetworkRange,
    Port,
    Prefix,
    Seconds,
    ServerUrl,
    Strict,
    Value,
    VariableName,
)


class ProjectTable(Strict):
    """`[project]`."""

    name: Name
    """Begins the name of every container, network, volume and image."""


class NetworksTable(Strict):
    """`[networks]`."""

    range: NetworkRange = "10.208.0.0/12"
    """From which each environment and the base take a /24."""


class ImagesTable(Strict):
    """`[images]`."""

    recipes: str = "images"
    """Folder of recipes for hosts that reach no registry; `shipped` takes those that come with envmgr."""


class BuildTable(Strict):
    """`[builds.NAME]`: an image made from the project's own source."""

    context: str
    """Folder that is built, relative to the spec."""
    dockerfile: str = "Dockerfile"
    """Relative to the context."""
    target: str | None = None
    """Stage of the Dockerfile; the last one when left out."""
    source: dict[str, ContainerPath] = Field(default_factory=dict)
    """Folder below the context → where it lies in the image; an environment with `reload` shows today's there."""
    args: dict[str, str] = Field(default_factory=dict)
    """Build arguments; they stand in the image's history, so never a secret."""


class VariableTable(Strict):
    """`[variables.NAME]`: a value that comes from the `.env` files."""

    description: str = ""
    """What it is for."""
    required: bool = False
    """Without a value nothing starts."""
    default: Value | None = None
    """What holds when nobody has set it; not for a secret."""
    secret: bool = False
    """Reaches containers as a file, `/run/secrets/NAME`, named by `NAME_FILE`."""
    generate: bool = False
    """Made by envmgr when nobody has set it; needs `secret`."""
    previous: VariableName | None = None
    """Of a generated one: name under which services get the value before the last rotation, until its overlap ends."""
    from_shell: bool = False
    """The operator's shell may set it."""
    file: Annotated[str, Field(min_length=1)] | None = None
    """Of a secret: the text file that holds its value, relative to the spec, instead of the `.env` files."""
    mount: FileName | None = None
    """Of a secret: name of its file in /run/secrets, for programs that look for one; its own name when left out."""
    services: tuple[Name, ...] | None = None
    """Who gets it; all application services when left out."""


class CommonTable(Strict):
    """What every service has, of the base or of the application."""

    kind: str | None = None
    """Defaults to the service's own name."""
    cpus: Cpus | None = None
    """At most; the kind's own limit when left out."""
    memory: Memory | None = None
    """At most; the kind's own limit when left out."""
    cpus_reserved: Cpus | None = None
    """Kept free for it."""
    memory_reserved: Memory | None = None
    """Kept free for it."""
    pids: Annotated[int, Field(ge=8, le=100_000)] | None = None
    """Processes and threads, at most."""
    start_seconds: Seconds | None = None
    """From start to proven healthy."""
    stop_seconds: Seconds | None = None
    """From the stop signal to the kill."""
    image: str | None = None
    """In place of the kind's own image."""
    compose: dict[str, Any] = Field(default_factory=dict)
    """Raw Compose keys of the service, laid over what envmgr renders."""


class Mode(StrEnum):
    """Whose server an environment uses."""

    SHARED = "shared"
    """The base's, with a part of its own in it."""
    OWN = "own"
    """A copy in the environment's own project."""
    EXTERNAL = "external"
    """A managed one, reached by its URL and never started."""


class InfraTable(CommonTable):
    """`[infra.NAME]`: a service of the shared base; `[environments.NAME.infra.NAME]` changes it for one environment."""

    mode: Mode = Mode.SHARED
    """`shared`: the base's, with a part of its own; `own`: a copy; `external`: a managed one, reached by its URL."""
    url: ServerUrl | None = None
    """Of an external server: scheme, host, port, and as the kind says login and database; never a password."""
    provision: bool = False
    """Of an external server: the URL's login is an administrator, with which envmgr gives each environment its part."""
    port: Port | None = None
    """On the host's loopback; not published when left out."""
    ports: dict[Name, Port] = Field(default_factory=dict)
    """Further ports, by the names that its kind gives them."""
    uses: tuple[Name, ...] = ()
    """Other services of the base that it works with."""


class NativeTable(Strict):
    """`[services.NAME.native]`: how the service runs on the desk, outside a container."""

    command: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """Program and arguments, no shell reads them; what its kind runs when left out."""
    folder: str | None = None
    """Where it starts, relative to the spec; its build's context when left out."""
    watch: tuple[str, ...] | None = None
    """Files and folders, relative to `folder`, whose changes restart it; the whole folder when left out."""


class ServiceTable(CommonTable):
    """`[services.NAME]`: a service of the application, one per environment."""

    build: Name | None = None
    """A table of `[builds]`."""
    uses: tuple[Name, ...] = ()
    """Services of the base."""
    after: tuple[Name, ...] = ()
    """Services of the application that come first: jobs completed, others healthy."""
    variables: dict[VariableName, Value] = Field(default_factory=dict)
    """Its own, beside those of `[variables]` and of the servers that it uses."""
    volumes: dict[Name, ContainerPath] = Field(default_factory=dict)
    """Named volume → folder in the container; services that name the same one share it."""
    ports: dict[Name, Port] = Field(default_factory=dict)
    """Further ports on the host's loopback, by the names that its kind gives them; the environment has the main one."""
    routes: tuple[ContainerPath, ...] = ()
    """Path prefixes that the base's door leads to this service."""
    aliases: tuple[Alias, ...] = ()
    """Further names under which the other services of its environment reach it."""
    joins: tuple[NetworkName, ...] = ()
    """Networks of the host that are there already, and are none of envmgr's: a reverse proxy's."""
    files: dict[ContainerPath, str] = Field(default_factory=dict)
    """File in the container → its content, mounted read-only."""
    gpus: Annotated[int, Field(ge=1, le=64)] | Literal["all"] | None = None
    """NVIDIA devices that it gets."""
    replicas: Annotated[int, Field(ge=1, le=50)] = 1
    """Containers of it."""
    egress: bool = False
    """May reach the outside."""
    secrets_as: Literal["files", "variables"] = "files"
    """Files under `/run/secrets`, or variables for a program that reads no files."""
    native: NativeTable = NativeTable()


class EnvironmentTable(Strict):
    """`[environments.NAME]`, over `[environments.defaults]`."""

    prefix: Prefix | None = None
    """`NAME_` when left out."""
    debug: bool = False
    """Told to every service as DEBUG."""
    log_level: LogLevel = "INFO"
    """Told to every service as LOG_LEVEL."""
    workers: Annotated[int, Field(ge=1, le=256)] = 1
    """Processes of a web service, and of a worker that names none."""
    protected: bool = False
    """What cuts or deletes it asks first."""
    reload: bool = False
    """Containers see the `source` of their build as it is on the desk, read-only, and restart on a change."""
    subnet: Block | None = None
    """The environment's /24; derived from its name when left out."""
    ports: dict[Name, Port] = Field(default_factory=dict)
    """Service → port on the host."""
    variables: dict[VariableName, Value] = Field(default_factory=dict)
    """For every service of the environment."""
    hosts: tuple[HostName, ...] = ()
    """Host names under which the base's door leads here."""
    services: dict[Name, dict[str, Any]] = Field(default_factory=dict)
    """Overrides of `[services.NAME]`."""
    deploy: DeployTable = Field(default_factory=DeployTable)
    """How a new release takes the place of the one that serves."""
    infra: dict[Name, dict[str, Any]] = Field(default_factory=dict)
    """Overrides of `[infra.NAME]`; only what is `own` or `external` here can differ from the base."""


@dataclass(frozen=True, slots=True)
class InfraSpec:
    """A service of the base with what its kind adds."""

    name: str
    kind: str
    table: InfraTable
    options: BaseModel
    places: Mapping[str, str] = field(default_factory=dict)
    """Key → where it is written, dotted; the empty key is the table itself."""


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """A service of the application as one environment has it, overrides applied."""

    name: str
    kind: str
    table: ServiceTable
    options: BaseModel
    places: Mapping[str, str] = field(default_factory=dict)
    """Key → where it is written, dotted; the empty key is the table itself."""


@dataclass(frozen=True, slots=True)
class EnvironmentSpec:
    """One environment, inheritance applied."""

    name: str
    table: EnvironmentTable
    services: Mapping[str, ServiceSpec]
    infra: Mapping[str, InfraSpec] = field(default_factory=dict)
    """Every service of `[infra]` as this environment has it."""
    places: Mapping[str, str] = field(default_factory=dict)

    @property
    def prefix(self) -> str:
        """Prefix of everything it owns in shared servers."""
        return self.table.prefix or f"{self.name.replace('-', '')}_"


@dataclass(frozen=True, slots=True)
class Spec:
    """A whole, valid `envmgr.toml`."""

    project: ProjectTable
    networks: NetworksTable
    images: ImagesTable
    builds: Mapping[str, BuildTable]
    variables: Mapping[str, VariableTable]
    infra: Mapping[str, InfraSpec]
    environments: Mapping[str, EnvironmentSpec]
    secrets: Mapping[str, SecretsTable] = field(default_factory=dict)
    """By target; of one that says nothing, what `[secrets.defaults]` says."""

    @property
    def base(self) -> Mapping[str, InfraSpec]:
        """The services of the base: those of `[infra]` that at least one environment shares."""
        shared = {
            name
            for environment in self.environments.values()
            for name, infra in environment.infra.items()
            if infra.table.mode is Mode.SHARED
        }
        return {name: infra for name, infra in self.infra.items() if name in shared}
