"""One declared service and its kind become one resolved service."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import replace

from envmgr import naming
from envmgr.catalog.kind import Application, Binding, Defaults, Draft, Server
from envmgr.catalog.registry import SERVICES
from envmgr.model.desk import NativeCommand
from envmgr.model.stack import (
    Build,
    Condition,
    ConfigMount,
    Dependency,
    Image,
    Publication,
    Resources,
    Service,
    VolumeMount,
)
from envmgr.resolve.reload import reloading
from envmgr.resolve.variables import Supply, supply
from envmgr.spec.schema import CommonTable, EnvironmentSpec, ServiceSpec, Spec
from envmgr.spec.values import memory_bytes


def resources(table: CommonTable, defaults: Resources) -> Resources:
    """Return a kind's limits with the spec's in their place; a reservation never exceeds its limit."""
    cpus = table.cpus or defaults.cpus
    memory = memory_bytes(table.memory) if table.memory else defaults.memory
    reserved = memory_bytes(table.memory_reserved) if table.memory_reserved else defaults.memory_reserved
    return Resources(
        cpus=cpus,
        memory=memory,
        pids=table.pids or defaults.pids,
        cpus_reserved=min(table.cpus_reserved, cpus) if table.cpus_reserved else None,
        memory_reserved=min(reserved, memory) if reserved else None,
    )


def app_service(
    spec: Spec,
    environment: EnvironmentSpec,
    declared: ServiceSpec,
    bindings: Iterable[Binding],
    servers: Mapping[str, Server],
) -> tuple[Service, Draft]:
    """Resolve a service of the application in one environment."""
    kind = SERVICES[declared.kind]
    table = declared.table
    port = environment.table.ports.get(declared.name)
    draft = draft_service(spec, environment, declared)
    limits = resources(table, kind.defaults.resources)
    used = [servers[name] for name in dict.fromkeys(table.uses)]
    service = service_of(declared.name, declared.kind, table, draft, limits, kind.defaults)
    service = _supplied(service, supply(spec, environment, declared, bindings))
    ports = publications(draft, port, table.ports)
    leaves = table.egress or draft.egress or any(server.address for server in used)
    if environment.table.reload:
        service = reloading(spec, environment, declared, draft, service)
    return replace(
        service,
        replicas=table.replicas,
        networks=(
            *("data", *(("publish",) if ports else ()), *(("egress",) if leaves else ())),
            *(naming.joined(name) for name in table.joins),
        ),
        ports=ports,
        volumes=(*service.volumes, *(VolumeMount(name, path) for name, path in table.volumes.items())),
        depends_on=(*_dependencies(environment, declared), *_own(used, environment)),
        uses=tuple(server.name for server in used if server.target == naming.INFRA),
        listens=draft.target_port,
        aliases=(*((naming.alias(declared.name, environment.name),) if draft.target_port else ()), *table.aliases),
        configs=(*service.configs, *_files(environment.name, declared)),
        gpus=table.gpus,
        native=_native(spec, declared, draft),
        places=_places(environment, declared),
    ), draft


def _native(spec: Spec, declared: ServiceSpec, draft: Draft) -> NativeCommand | None:
    """Return how a service runs on the desk; what is only an image does not."""
    table = declared.table
    command = table.native.command or (draft.desk.command if draft.desk else draft.command)
    if not command or (table.build is None and table.native.command is None):
        return None
    folder = table.native.folder or (spec.builds[table.build].context if table.build else ".")
    watch = (".",) if table.native.watch is None else table.native.watch
    return NativeCommand(
        argv=command,
        folder=folder,
        watch=tuple(posixpath.normpath(posixpath.join(folder, path)) for path in watch),
        variables=draft.desk.variables if draft.desk else {},
    )


def _files(environment: str, declared: ServiceSpec) -> tuple[ConfigMount, ...]:
    """Return the files whose content stands in the spec."""
    folder = f"files/{environment}/{declared.name}"
    return tuple(
        ConfigMount(
            f"{folder}/{naming.slug(target)}-{naming.short_hash(target.encode(), 8)}",
            target,
            "files/file.j2",
            {"content": text},
        )
        for target, text in declared.table.files.items()
    )


def draft_service(spec: Spec, environment: EnvironmentSpec, declared: ServiceSpec) -> Draft:
    """Return what a service's kind makes of it in one environment."""
    kind = SERVICES[declared.kind]
    return kind.draft(
        Application(
            project=spec.project.name,
            environment=environment.name,
            prefix=environment.prefix,
            name=declared.name,
            options=declared.options,
            resources=resources(declared.table, kind.defaults.resources),
            image=image(spec, environment.name, declared),
            workers=environment.table.workers,
            debug=environment.table.debug,
            log_level=environment.table.log_level,
            port=environment.table.ports.get(declared.name),
        )
    )


def image(spec: Spec, environment: str, declared: ServiceSpec) -> Image:
    """Return the image that the spec names or that the project builds."""
    table = declared.table
    if table.build is None:
        return Image(table.image or "")
    source = spec.builds[table.build]
    return Image(
        naming.built_image(spec.project.name, table.build, environment),
        Build(table.build, source.context, source.dockerfile, source.target, source.args),
    )


def service_of(
    name: str, kind: str, table: CommonTable, draft: Draft, limits: Resources, defaults: Defaults
) -> Service:
    """Return what every service has, of the base or of the application."""
    return Service(
        name=name,
        kind=kind,
        image=draft.image,
        user=draft.user,
        command=draft.command,
        resources=limits,
        start_seconds=table.start_seconds or defaults.start_seconds,
        stop_seconds=table.stop_seconds or defaults.stop_seconds,
        is_job=defaults.is_job,
        is_single=defaults.is_single,
        variables=draft.variables,
        templated=draft.templated,
        secrets=draft.secrets,
        configs=draft.configs,
        volumes=tuple(VolumeMount(f"{name}-{key}", target) for key, target in draft.volumes.items()),
        tmpfs=draft.tmpfs,
        healthcheck=draft.healthcheck,
        stop_signal=draft.stop_signal,
        shm_megabytes=draft.shm_megabytes,
        probe=draft.probe,
        login=draft.login,
        compose=table.compose,
    )


def _supplied(service: Service, given: Supply) -> Service:
    said = {*given.supplied, *given.templated}
    return replace(
        service,
        # What the spec says itself comes before what its kind would set.
        variables={**{n: v for n, v in service.variables.items() if n not in said}, **given.variables},
        supplied=given.supplied,
        templated={**service.templated, **given.templated},
        secrets=(*service.secrets, *given.secrets),
    )


def publications(draft: Draft, port: int | None, more: Mapping[str, int]) -> tuple[Publication, ...]:
    """Return the ports on the host: the kind's main one, and those that the spec names."""
    main = [Publication(draft.target_port, port)] if port and draft.target_port else []
    named = [Publication(draft.more_ports[name], published, name=name) for name, published in more.items()]
    return (*main, *named)


def _own(servers: Iterable[Server], environment: EnvironmentSpec) -> tuple[Dependency, ...]:
    mine = (server for server in servers if server.target == environment.name and server.address is None)
    return tuple(Dependency(server.name, Condition.HEALTHY) for server in mine)


def _places(environment: EnvironmentSpec, declared: ServiceSpec) -> dict[str, str]:
    """Return where everything that shapes a service is written: the environment's keys, under them its own."""
    shared = ("prefix", "debug", "log_level", "workers", f"ports.{declared.name}")
    found = {key: environment.places[key] for key in shared if key in environment.places}
    found |= {key: place for key, place in environment.places.items() if key.startswith("variables.")}
    if f"ports.{declared.name}" in found:
        found["port"] = found.pop(f"ports.{declared.name}")
    return found | dict(declared.places)


def _dependencies(environment: EnvironmentSpec, declared: ServiceSpec) -> tuple[Dependency, ...]:
    def condition(name: str) -> Condition:
        is_job = SERVICES[environment.services[name].kind].defaults.is_job
        return Condition.COMPLETED if is_job else Condition.HEALTHY

    return tuple(Dependency(name, condition(name)) for name in declared.table.after)
