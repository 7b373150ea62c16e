"""One resolved environment, or the shared base: everything that later stages need, and no secret's value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from typing import Any

from envmgr.model.desk import NativeCommand, SourceMount
from envmgr.model.needed import Needed
from envmgr.model.secret import SecretRef, Template, references
from envmgr.model.value import dataclass


class Condition(StrEnum):
    """When a dependency counts as met; the words are Compose's."""

    STARTED = "service_started"
    HEALTHY = "service_healthy"
    COMPLETED = "service_completed_successfully"


@dataclass(frozen=True, slots=True)
class Build:
    """How an image is built from the project's own source."""

    name: str
    context: str
    """Folder, relative to the spec."""
    dockerfile: str
    target: str | None
    args: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Image:
    """What a container runs."""

    reference: str
    """repository:tag."""
    build: Build | None = None
    major: str = ""
    """Major version of a server that keeps data, else empty."""
    digest: str = ""
    """Of the lock: `sha256:…`; empty when it goes by its tag."""

    @property
    def pinned(self) -> str:
        """The reference that a container is made from."""
        return f"{self.reference}@{self.digest}" if self.digest else self.reference


@dataclass(frozen=True, slots=True)
class Publication:
    """A port of a container on the host."""

    target: int
    published: int
    host_ip: str = "127.0.0.1"
    protocol: str = "tcp"
    name: str = field(default="", compare=False)
    """What the spec calls it, `console`; empty for the main one, and for what the engine tells."""


@dataclass(frozen=True, slots=True)
class VolumeMount:
    """A named volume inside a container."""

    volume: str
    """Key in the stack's volumes."""
    target: str


@dataclass(frozen=True, slots=True)
class ConfigMount:
    """A rendered file, mounted read-only."""

    path: str
    """Where it is rendered, relative to the rendered folder."""
    target: str
    template: str
    """Path of its template below `templates/`."""
    context: Mapping[str, Any] = field(default_factory=dict)
    check: tuple[str, ...] = ()
    """Program of the service's image that refuses a wrong file, whose path is its last argument; empty for none."""


@dataclass(frozen=True, slots=True)
class SecretMount:
    """A file under /run/secrets."""

    name: str
    content: Template
    file: str = ""
    """Name of the file, when it is another than `name`."""

    @property
    def target(self) -> str:
        """Name of its file in the container."""
        return self.file or self.name


@dataclass(frozen=True, slots=True)
class Tmpfs:
    """A writable place in memory."""

    target: str
    megabytes: int = 16
    mode: str = "1777"


@dataclass(frozen=True, slots=True)
class Healthcheck:
    """What the engine runs inside the container; times in seconds."""

    test: tuple[str, ...]
    interval: float = 15
    timeout: float = 5
    retries: int = 3
    start_interval: float = 0.5


@dataclass(frozen=True, slots=True)
class Resources:
    """Limits and reservations of one container."""

    cpus: float
    memory: int
    """Bytes."""
    pids: int
    cpus_reserved: float | None = None
    memory_reserved: int | None = None
    """Bytes."""


@dataclass(frozen=True, slots=True)
class Dependency:
    """Another service of the same stack that has to come first."""

    service: str
    condition: Condition


@dataclass(frozen=True, slots=True)
class Command:
    """A program run inside a running container; succeeds with exit code 0."""

    target: str
    """Target whose stack holds the service."""
    service: str
    argv: tuple[str, ...]
    variables: Mapping[str, Template] = field(default_factory=dict)
    """Handed over as variables, so that no value stands on a command line."""
    timeout: float = 10
    client: str = ""
    """Image of which a container is made for this one call, because the server is none of ours; else empty."""


@dataclass(frozen=True, slots=True)
class HttpProbe:
    """A GET on a published port; 2xx is healthy."""

    port: int
    path: str
    timeout: float = 5


@dataclass(frozen=True, slots=True)
class CommandProbe:
    """A command inside a container; exit code 0 is healthy."""

    command: Command


Probe = HttpProbe | CommandProbe


@dataclass(frozen=True, slots=True)
class Service:
    """One service, resolved."""

    name: str
    kind: str
    image: Image
    user: str
    """Numeric uid:gid."""
    command: tuple[str, ...]
    resources: Resources
    start_seconds: float
    """Its own deadline from start to proven healthy."""
    stop_seconds: float
    is_job: bool = False
    """Runs once; exit 0 is success."""
    replicas: int = 1
    variables: Mapping[str, str] = field(default_factory=dict)
    """Known from the spec alone; rendered into the document."""
    supplied: tuple[str, ...] = ()
    """Names of declared variables whose values come from the `.env` files."""
    templated: Mapping[str, Template] = field(default_factory=dict)
    """Variables that hold a secret because the spec says so; they reach the service's env file only."""
    secrets: tuple[SecretMount, ...] = ()
    configs: tuple[ConfigMount, ...] = ()
    sources: tuple[SourceMount, ...] = ()
    ports: tuple[Publication, ...] = ()
    volumes: tuple[VolumeMount, ...] = ()
    tmpfs: tuple[Tmpfs, ...] = (Tmpfs("/tmp"),)  # noqa: S108 - a path inside the container
    networks: tuple[str, ...] = ()
    """Keys in the stack's networks."""
    healthcheck: Healthcheck | None = None
    depends_on: tuple[Dependency, ...] = ()
    uses: tuple[str, ...] = ()
    """Services of the base that it needs."""
    aliases: tuple[str, ...] = ()
    """Further names on the data network, that no other stack has: `app--dev`."""
    is_single: bool = False
    """A second one beside it would do harm."""
    listens: int | None = None
    """Port on its networks; None: nobody asks it anything, it finds its work by itself."""
    is_server: bool = False
    """A server of [infra], whether the base's or an environment's own."""
    faces_environments: bool = False
    """Joins every environment's data network."""
    gpus: int | str | None = None
    """NVIDIA devices: a number, or `all`."""
    compose: Mapping[str, Any] = field(default_factory=dict)
    """Raw Compose keys from the spec, laid over the rest."""
    places: Mapping[str, str] = field(default_factory=dict)
    """Key of the spec → dotted place where it is written; the empty key is the service's own table."""
    stop_signal: str | None = None
    shm_megabytes: int | None = None
    probe: Probe | None = None
    """Proves it from outside, after its healthcheck."""
    login: str = ""
    """User and name of the password for a person at its pages."""
    native: NativeCommand | None = None
    """None: it runs in a container only."""

    @property
    def dropped(self) -> tuple[str, ...]:
        """Capabilities that it loses; a port below 1024 has its own named, though all of them go."""
        is_privileged = any(min(port.published, port.target) < 1024 for port in self.ports)
        return ("ALL", "NET_BIND_SERVICE") if is_privileged else ("ALL",)


@dataclass(frozen=True, slots=True)
class Network:
    """One network of a stack."""

    key: str
    name: str
    subnet: str
    is_internal: bool
    is_external: bool = False
    """Made by envmgr before Compose runs, because the base's containers join it too."""
    is_foreign: bool = False
    """There before envmgr and left alone by it."""
    allows_neighbours: bool = True
    masquerades: bool = False


@dataclass(frozen=True, slots=True)
class Volume:
    """One named volume of a stack."""

    key: str
    name: str
    service: str
    """The first that mounts it."""
    is_external: bool = False
    """Made by envmgr for another stack of the same environment."""


@dataclass(frozen=True, slots=True)
class Credential:
    """How an environment enters a server, so that it can be exchanged for another while both are valid."""

    password: SecretRef
    login: SecretRef | None
    """Value that names who enters; None where the password says it, as a signed token does."""
    logins: tuple[str, ...]
    """The two between which it alternates: a new login stands beside the old one."""
    enter: Command
    """Enters by the server's name on the network, for a container that is there and has the server's programs."""
    retire: Command
    """Ends the credential that the values name, and its sessions; idempotent; leaves every other one alone."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What an environment owns inside a shared server, as commands that create or repair it, find it and revoke it."""

    server: str
    """Service that holds it; its target is that of the commands."""
    title: str
    """`database dev_chat`."""
    exists: Command
    """Exit code 0 and `yes` on stdout when the environment already owns it."""
    ensure: Command
    """Idempotent."""
    measure: Command
    """Prints one line: what would be lost."""
    revoke: Command
    """Idempotent; deletes the data too."""
    probe: Command
    """Authenticates as the environment."""
    credential: Credential | None = None
    """None: it is made together with the server, or by somebody else."""
    is_given: bool = False
    """Somebody else has made it and keeps it: the environment only enters, and nothing of it is ever deleted."""

    @property
    def target(self) -> str:
        """`infra` for a shared server, else the environment that has it for itself, or reaches a managed one."""
        return self.ensure.target

    @property
    def is_external(self) -> bool:
        """A managed server holds it."""
        return bool(self.ensure.client)


@dataclass(frozen=True, slots=True)
class Stack:
    """One Compose project, resolved."""

    project: str
    target: str
    """Environment name, or `infra`."""
    compose_project: str
    services: tuple[Service, ...]
    networks: tuple[Network, ...]
    volumes: tuple[Volume, ...]
    needed: tuple[Needed, ...] = ()
    grants: tuple[Grant, ...] = ()
    prefix: str = ""
    is_protected: bool = False
    is_base: bool = False
    refuses_weak: bool = False
    """Weak and example values of secrets, and files that others can read, keep it from starting."""
    sweeps: tuple[Command, ...] = ()
    """Of the base: what shuts out environments that the spec no longer has, server by server."""
    native: tuple[Service, ...] = ()
    """Services that run on the desk at present, as the spec has them."""
    colours: tuple[Stack, ...] = ()
    """The application, once for each colour, where it is deployed beside the one that runs."""
    part_of: str = ""
    """Of a colour: the environment."""
    release: int = 0
    """Of a colour that is deployed: which release it is."""

    @property
    def environment(self) -> str:
        """Whose values and part of the servers it uses."""
        return self.part_of or self.target

    def service(self, name: str) -> Service:
        """Return a service; `KeyError` when it does not exist."""
        for service in self.services:
            if service.name == name:
                return service
        raise KeyError(name)

    def network(self, key: str) -> Network:
        """Return a network; `KeyError` when it does not exist."""
        for network in self.networks:
            if network.key == key:
                return network
        raise KeyError(key)


@dataclass(frozen=True, slots=True)
class System:
    """Every stack of one project."""

    project: str
    base: Stack
    environments: tuple[Stack, ...]
    substitutes: Mapping[str, str]
    """Official image → recipe image, for a host that reaches no registry."""
    digests: Mapping[str, str] = field(default_factory=dict)
    """Image of a registry → digest that the lock holds it to."""

    def pinned(self, reference: str) -> str:
        """Return a reference with its digest, when it is locked."""
        return f"{reference}@{self.digests[reference]}" if reference in self.digests else reference

    def unpinned(self, reference: str) -> str:
        """Return a reference without the digest that the lock gave it; one that the spec wrote stays."""
        name, _, digest = reference.partition("@")
        return name if digest and self.digests.get(name) == digest else reference

    @property
    def stacks(self) -> tuple[Stack, ...]:
        """The base first."""
        return (self.base, *self.environments)

    @property
    def parts(self) -> tuple[Stack, ...]:
        """Every Compose project: the base first, an environment before its colours."""
        return (self.base, *(part for one in self.environments for part in (one, *one.colours)))

    def stack(self, target: str) -> Stack:
        """Return the stack of a target or a colour; `KeyError` when it does not exist."""
        for stack in self.parts:
            if stack.target == target:
                return stack
        raise KeyError(target)


def secret_references(stack: Stack) -> tuple[SecretRef, ...]:
    """Return every secret that a stack's services mention, each once."""
    templates = [mount.content for service in stack.services for mount in service.secrets]
    templates += [value for service in stack.services for value in service.templated.values()]
    return tuple(dict.fromkeys(ref for template in templates for ref in references(template)))
