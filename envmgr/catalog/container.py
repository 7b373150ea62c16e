"""A service that no kind covers: the spec says everything about it, in the base or in the application."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from envmgr.catalog import http
from envmgr.catalog.kind import Application, Binding, Client, Defaults, Draft, Metrics, Server
from envmgr.catalog.programs import FilePath, Path, ProgramOptions
from envmgr.model.needed import Needed, Origin
from envmgr.model.secret import SecretRef
from envmgr.model.stack import CommandProbe, Healthcheck, HttpProbe, Image, Resources, SecretMount, Tmpfs
from envmgr.spec.values import ContainerPath, Memory, Name, Port, Value, VariableName, memory_bytes

_MEGABYTE = 1024**2
_ASK = {"wget": http.wget, "curl": http.curl, "python": http.python, "node": http.node}


class Options(ProgramOptions):
    """What `kind = "container"` adds to a table of `[services]`."""

    command: tuple[str, ...] = ()
    """Program and arguments, no shell reads them; what the image runs by itself when left out."""
    container_port: Port | None = None
    """Where it listens inside its container; the port on the host stands in `[environments.NAME.ports]`."""
    container_ports: dict[Name, Port] = Field(default_factory=dict)
    """Further ports inside its container, by the names under which `ports` publishes them."""
    tmpfs: dict[FilePath, Memory] = Field(default_factory=dict)
    """Folder → size: writable places in memory besides /tmp, for its root cannot be written."""
    healthcheck: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """Program of its image and arguments, no shell reads them; exit code 0 is healthy."""
    health_path: Path | None = None
    """Instead of `healthcheck`: below 400 is healthy."""
    health_program: Literal["wget", "curl", "python", "node"] = "wget"
    """What its image has to ask for `health_path` with."""
    metrics_path: Path | None = None
    """Where it answers in Prometheus's text format; it is not scraped when left out."""

    @model_validator(mode="after")
    def _fits(self) -> Options:
        if self.healthcheck and self.health_path:
            raise ValueError('either "healthcheck" or "health_path", not both')
        for key in ("health_path", "metrics_path"):
            if getattr(self, key) and self.container_port is None:
                raise ValueError(f'"{key}" needs container_port, where it listens inside its container')
        return self


class InfraOptions(Options):
    """What `kind = "container"` adds to a table of `[infra]`."""

    volumes: dict[Name, ContainerPath] = Field(default_factory=dict)
    """Named volume → folder in the container."""
    variables: dict[VariableName, Value] = Field(default_factory=dict)
    secrets: tuple[VariableName, ...] = ()
    """Each reaches it as /run/secrets/NAME, named by NAME_FILE; generated when nobody has set it in .env.infra."""
    egress: bool = False
    """May reach the outside."""


_DEFAULTS = Defaults(
    Resources(cpus=1.0, memory=256 * _MEGABYTE, pids=128),
    start_seconds=60,
    stop_seconds=30,
)


class Container:
    """The kind `container` of the application."""

    name = "container"
    Options = Options
    defaults = _DEFAULTS

    def draft(self, application: Application) -> Draft:
        """Return the service as the spec describes it."""
        options: Options = application.options
        check = _healthcheck(options)
        return Draft(
            image=application.image,
            user=options.user,
            command=options.command,
            healthcheck=check,
            probe=_asked(options, application.port) or _run(application, check),
            target_port=options.container_port,
            more_ports=options.container_ports,
            tmpfs=_tmpfs(options),
            metrics=_metrics(options),
        )


class InfraContainer:
    """The kind `container` of the base."""

    name = "container"
    Options = InfraOptions
    defaults = _DEFAULTS

    def draft(self, server: Server) -> Draft:
        """Return the server as the spec describes it."""
        options: InfraOptions = server.options
        check = _healthcheck(options)
        files = {f"{name}_FILE": f"/run/secrets/{name}" for name in options.secrets}
        return Draft(
            image=Image(server.image or ""),
            user=options.user,
            command=options.command,
            healthcheck=check,
            probe=_asked(options, server.port) or _run(server, check),
            target_port=options.container_port,
            more_ports=options.container_ports,
            variables=options.variables | files,
            secrets=tuple(SecretMount(name, (SecretRef(name, server.target),)) for name in options.secrets),
            volumes=options.volumes,
            tmpfs=_tmpfs(options),
            needed=tuple(
                Needed(name, server.target, True, Origin.GENERATED, place=server.place) for name in options.secrets
            ),
            metrics=_metrics(options),
            egress=options.egress,
        )

    def bind(self, server: Server, client: Client) -> Binding:  # noqa: ARG002 - the question that every kind is asked
        """Return nothing: what an environment could own inside it is not known, and services reach it by its name."""
        return Binding()


def _healthcheck(options: Options) -> Healthcheck | None:
    if options.healthcheck:
        return Healthcheck(("CMD", *options.healthcheck))
    if options.health_path and options.container_port:
        return _ASK[options.health_program](options.container_port, options.health_path)
    return None


def _asked(options: Options, port: int | None) -> HttpProbe | None:
    return HttpProbe(port, options.health_path) if port and options.health_path else None


def _run(service: Application | Server, check: Healthcheck | None) -> CommandProbe | None:
    return CommandProbe(service.command(*check.test[1:])) if check else None


def _tmpfs(options: Options) -> tuple[Tmpfs, ...]:
    sizes = {"/tmp": "16M", **options.tmpfs}  # noqa: S108 - a path inside the container
    return tuple(Tmpfs(path, memory_bytes(size) // _MEGABYTE) for path, size in sizes.items())


def _metrics(options: Options) -> Metrics | None:
    is_scraped = options.metrics_path and options.container_port
    return Metrics(options.container_port or 0, options.metrics_path or "") if is_scraped else None
