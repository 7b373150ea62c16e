"""One declared service and its kind become one resolved service."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from envmgr import naming
from envmgr.catalog.kind import Application, Binding, Client, Defaults, Draft, Server
from envmgr.catalog.registry import INFRA, SERVICES
from envmgr.model.stack import (
    Build,
    Condition,
    Dependency,
    Image,
    Publication,
    Resources,
    Service,
    VolumeMount,
)
from envmgr.resolve.variables import Supply, supply
from envmgr.spec.schema import (
    CommonTable,
    EnvironmentSpec,
    InfraSpec,
    ServiceSpec,
    Spec,
    memory_bytes,
)


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


def server(spec: Spec, infra: InfraSpec) -> Server:
    """Return a service of the base as its kind sees it."""
    return Server(
        project=spec.project.name,
        target=naming.INFRA,
        name=infra.name,
        options=infra.options,
        resources=resources(infra.table, INFRA[infra.kind].defaults.resources),
        image=infra.table.image,
        port=infra.table.port,
    )


def infra_service(spec: Spec, infra: InfraSpec) -> tuple[Service, Draft]:
    """Resolve a service of the base."""
    kind = INFRA[infra.kind]
    seen = server(spec, infra)
    draft = kind.draft(seen)
    service = _service(infra.name, infra.kind, infra.table, draft, seen.resources, kind.defaults)
    networks = ("data", "publish") if infra.table.port else ("data",)
    return replace(service, networks=networks, ports=_ports(draft, infra.table.port)), draft


def bind_servers(spec: Spec, environment: EnvironmentSpec) -> dict[str, Binding]:
    """Return what an environment gets from each server of the base that it uses."""
    client = Client(environment.name, environment.prefix)
    used = dict.fromkeys(name for service in environment.services.values() for name in service.table.uses)
    return {name: INFRA[spec.infra[name].kind].bind(server(spec, spec.infra[name]), client) for name in used}


def app_service(
    spec: Spec, environment: EnvironmentSpec, declared: ServiceSpec, bindings: Iterable[Binding]
) -> tuple[Service, Draft]:
    """Resolve a service of the application in one environment."""
    kind = SERVICES[declared.kind]
    table = declared.table
    port = environment.table.ports.get(declared.name)
    limits = resources(table, kind.defaults.resources)
    draft = kind.draft(
        Application(
            project=spec.project.name,
            environment=environment.name,
            prefix=environment.prefix,
            name=declared.name,
            options=declared.options,
            resources=limits,
            image=image(spec, environment.name, declared),
            workers=environment.table.workers,
            debug=environment.table.debug,
            log_level=environment.table.log_level,
            port=port,
        )
    )
    service = _service(declared.name, declared.kind, table, draft, limits, kind.defaults)
    service = _supplied(service, supply(spec, environment, declared, bindings))
    return replace(
        service,
        replicas=table.replicas,
        networks=("data", *(("publish",) if port else ()), *(("egress",) if table.egress else ())),
        ports=_ports(draft, port),
        depends_on=_dependencies(environment, declared),
        uses=table.uses,
    ), draft


def image(spec: Spec, environment: str, declared: ServiceSpec) -> Image:
    """Return the image that the spec names or that the project builds."""
    table = declared.table
    if table.build is None:
        return Image(table.image or "")
    source = spec.builds[table.build]
    return Image(
        naming.built_image(spec.project.name, table.build, environment),
        Build(table.build, source.context, source.dockerfile, source.target),
    )


def _service(name: str, kind: str, table: CommonTable, draft: Draft, limits: Resources, defaults: Defaults) -> Service:
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
        variables=draft.variables,
        secrets=draft.secrets,
        configs=draft.configs,
        volumes=tuple(VolumeMount(f"{name}-{key}", target) for key, target in draft.volumes.items()),
        tmpfs=draft.tmpfs,
        healthcheck=draft.healthcheck,
        stop_signal=draft.stop_signal,
        shm_megabytes=draft.shm_megabytes,
        probe=draft.probe,
        login=draft.login,
    )


def _supplied(service: Service, given: Supply) -> Service:
    return replace(
        service,
        variables={**given.variables, **service.variables},
        supplied=given.supplied,
        templated=given.templated,
        secrets=(*service.secrets, *given.secrets),
    )


def _ports(draft: Draft, published: int | None) -> tuple[Publication, ...]:
    if published is None or draft.target_port is None:
        return ()
    return (Publication(draft.target_port, published),)


def _dependencies(environment: EnvironmentSpec, declared: ServiceSpec) -> tuple[Dependency, ...]:
    def condition(name: str) -> Condition:
        is_job = SERVICES[environment.services[name].kind].defaults.is_job
        return Condition.COMPLETED if is_job else Condition.HEALTHY

    return tuple(Dependency(name, condition(name)) for name in declared.table.after)
