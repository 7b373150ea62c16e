"""The typed shape of `envmgr.toml`; what a kind of service adds to it is the catalog's and is handed in at load."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema

from envmgr import naming

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
_MEMORY = re.compile(r"(\d+(?:\.\d+)?)([KMG])")
_PRIVATE = tuple(ipaddress.IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
_UNITS = {"K": 1024, "M": 1024**2, "G": 1024**3}


def memory_bytes(text: str) -> int:
    """Convert `512M` or `1.5G` to bytes."""
    match = _MEMORY.fullmatch(text)
    if match is None:
        raise ValueError('expected a number with K, M or G, such as "512M"')
    return int(float(match[1]) * _UNITS[match[2]])


def _memory(text: str) -> str:
    if memory_bytes(text) < 6 * 1024**2:
        raise ValueError("expected at least 6M, the least that the engine accepts")
    return text


def _name(text: str) -> str:
    if not naming.NAME.fullmatch(text) or len(text) > naming.NAME_LENGTH:
        raise ValueError(
            f"expected 1 to {naming.NAME_LENGTH} lower-case letters, digits and single dashes, "
            f'a letter first, such as "{naming.slug(text)}"'
        )
    return text


def _prefix(text: str) -> str:
    if not naming.PREFIX.fullmatch(text) or len(text) > 20:
        raise ValueError('expected lower-case letters and digits and one "_" at the end, such as "dev_"')
    return text


def _variable(text: str) -> str:
    if not naming.VARIABLE.fullmatch(text):
        raise ValueError('expected capitals, digits and "_", such as "SECRET_KEY"')
    return text


def _value(text: str) -> str:
    if "\n" in text or "\r" in text or "\0" in text:
        raise ValueError("expected a single line: an env file cannot carry a line break or NUL")
    if len(text.encode()) > 60 * 1024:
        raise ValueError("expected at most 60 KiB: Compose reads no longer line")
    return text


def _subnet(text: str) -> str:
    try:
        network = ipaddress.IPv4Network(text)
    except ValueError:
        raise ValueError('expected an IPv4 range, such as "10.208.0.0/12"') from None
    if not any(network.subnet_of(private) for private in _PRIVATE):
        raise ValueError("expected a range inside 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16")
    return text


def _range(text: str) -> str:
    if ipaddress.IPv4Network(_subnet(text)).prefixlen > 22:
        raise ValueError("expected a /22 or larger: each environment takes a /24 of it")
    return text


def _block(text: str) -> str:
    if ipaddress.IPv4Network(_subnet(text)).prefixlen != 24:
        raise ValueError('expected a /24, such as "10.208.7.0/24"')
    return text


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        is_whole = bool(parts.scheme and parts.hostname) and parts.port != 0
    except ValueError:
        is_whole = False
    if not is_whole:
        raise ValueError('expected a URL, such as "postgresql://app@db.example.com:5432/chat"')
    if parts.password is not None:
        raise ValueError("expected no password: it belongs in .env.ENVIRONMENT")
    return text


def _address(text: str) -> str:
    try:
        parts = urlsplit(text)
        is_local = parts.hostname in ("localhost", "127.0.0.1", "::1")
        is_right = parts.scheme == "https" or (parts.scheme == "http" and is_local)
        is_whole = is_right and bool(parts.hostname) and parts.port != 0 and parts.path in ("", "/")
    except ValueError:
        is_whole = False
    if not is_whole or parts.query or parts.fragment or parts.username:
        raise ValueError('expected "https://HOST:PORT", or http on the loopback: a token must not travel in clear')
    return text.rstrip("/")


def _shown(pattern: re.Pattern[str] | str, **more: Any) -> WithJsonSchema:
    """Tell an editor what a validator of ours takes, as far as a pattern can."""
    text = pattern if isinstance(pattern, str) else pattern.pattern
    return WithJsonSchema({"type": "string", "pattern": f"^(?:{text})$", **more})


Name = Annotated[str, AfterValidator(_name), _shown(naming.NAME, maxLength=naming.NAME_LENGTH)]
Prefix = Annotated[str, AfterValidator(_prefix), _shown(naming.PREFIX, maxLength=20)]
VariableName = Annotated[str, AfterValidator(_variable), _shown(naming.VARIABLE)]
Value = Annotated[str, AfterValidator(_value), _shown(r"[^\n\r\x00]*")]
Memory = Annotated[str, AfterValidator(_memory), _shown(_MEMORY)]
Port = Annotated[int, Field(ge=1, le=65535)]
Cpus = Annotated[float, Field(gt=0, le=512)]
Seconds = Annotated[float, Field(gt=0, le=3600)]


FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$")]
Alias = Annotated[str, Field(pattern=r"^[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9_])?$")]
"""A name in Docker's DNS, which is not as strict as the Internet's."""
NetworkName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
ContainerPath = Annotated[str, Field(pattern=r"^/[!-~]*$")]
Recipient = Annotated[str, Field(pattern=r"^(?:age1[0-9a-z]+|ssh-(?:ed25519|rsa) [A-Za-z0-9+/=]+.*)$")]
HostName = Annotated[
    str,
    Field(pattern=r"^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$", max_length=253),
]


class Strict(BaseModel):
    """Base of every table: frozen, no unknown key, no coercion."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True, defer_build=True)


class ProjectTable(Strict):
    """`[project]`."""

    name: Name
    """Begins the name of every container, network, volume and image."""


class NetworksTable(Strict):
    """`[networks]`."""

    range: Annotated[str, AfterValidator(_range)] = "10.208.0.0/12"
    """From which each environment and the base take a /24."""


class ImagesTable(Strict):
    """`[images]`."""

    recipes: str = "images"
    """Folder of recipes for hosts that reach no registry; `shipped` takes those that come with envmgr."""


class AgeTable(Strict):
    """`[secrets.TARGET.age]`: an encrypted file that may be committed."""

    file: str | None = None
    """Relative to the spec; `secrets/TARGET.env.age` when left out."""
    recipients: tuple[Recipient, ...] = ()
    """Public keys that can read it: `age1…`, `ssh-ed25519 …`, `ssh-rsa …`."""
    recipients_file: str | None = None
    """File with one public key a line, relative to the spec."""
    identity: str | None = None
    """File of the private key, outside the project; ENVMGR_AGE_KEY or ENVMGR_AGE_KEY_FILE take its place."""


class CommandTable(Strict):
    """`[secrets.TARGET.command]`: any program that prints secrets."""

    command: Annotated[tuple[str, ...], Field(min_length=1)]
    """Program and arguments, no shell reads them; `{name}` and `{environment}` are filled in."""
    prints: Literal["value", "dotenv", "json"] = "value"
    """One value a call, or everything in one call, as NAME=value lines or as one JSON object."""
    names: tuple[VariableName, ...] | None = None
    """Of `prints = "value"`: the secrets to ask for; all of the target's when left out."""
    environment: tuple[str, ...] = ()
    """Names of variables of the shell that it gets beside PATH, HOME and the locale's."""
    seconds: Annotated[float, Field(gt=0, le=600)] = 20
    """For one call, at most."""


class KeyValueTable(Strict):
    """`[secrets.TARGET.vault]`: HashiCorp Vault's or OpenBao's KV store, version 2."""

    address: Annotated[str, AfterValidator(_address)]
    """`https://vault.example.com:8200`."""
    path: Annotated[str, Field(pattern=r"^[^/?#\s](?:[^?#\s]*[^/?#\s])?$")]
    """Of the secret whose keys are the names, below the mount; `{environment}` is filled in."""
    mount: Annotated[str, Field(pattern=r"^[^/?#\s](?:[^?#\s]*[^/?#\s])?$")] = "secret"
    """Where the store is mounted."""
    token_file: str | None = None
    """File with the token, outside the project; VAULT_TOKEN takes its place."""
    namespace: str | None = None
    """Of Vault Enterprise or OpenBao."""
    ca: str | None = None
    """PEM file of the authority that signed its certificate, relative to the spec."""
    seconds: Annotated[float, Field(gt=0, le=120)] = 10
    """For its answer, at most."""


class SecretsTable(Strict):
    """`[secrets.TARGET]`: where secrets of an environment, or of `infra`, come from; over `[secrets.defaults]`."""

    source: Literal["files", "age", "command", "vault"] = "files"
    """`files`: `secrets/TARGET/NAME`; the others have a table of their own."""
    weak: Literal["warn", "refuse"] | None = None
    """What `up` does with weak and example values; when left out, what `debug`, `protected` and its name say."""
    age: AgeTable | None = None
    command: CommandTable | None = None
    vault: KeyValueTable | None = None


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
    url: Annotated[str, AfterValidator(_url)] | None = None
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
    subnet: Annotated[str, AfterValidator(_block)] | None = None
    """The environment's /24; derived from its name when left out."""
    ports: dict[Name, Port] = Field(default_factory=dict)
    """Service → port on the host."""
    variables: dict[VariableName, Value] = Field(default_factory=dict)
    """For every service of the environment."""
    hosts: tuple[HostName, ...] = ()
    """Host names under which the base's door leads here."""
    services: dict[Name, dict[str, Any]] = Field(default_factory=dict)
    """Overrides of `[services.NAME]`."""
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
