"""What only the catalog can know to be wrong with a spec: ports, images, names that two sides want to set."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from envmgr.catalog.kind import Address, Binding, Draft, Manageable, Selective, Server
from envmgr.catalog.registry import INFRA, SERVICES
from envmgr.errors import Problem
from envmgr.resolve import compose_keys
from envmgr.resolve.deploy_checks import check_deploy
from envmgr.resolve.servers import base_servers, bind_servers, draft_servers, environment_servers
from envmgr.resolve.services import draft_service
from envmgr.resolve.variables import goes_to
from envmgr.spec.checks import RESERVED
from envmgr.spec.schema import EnvironmentSpec, InfraSpec, Mode, ServiceSpec, Spec
from envmgr.spec.suggest import did_you_mean, listing
from envmgr.spec.vocabulary import keys_of


def check(spec: Spec) -> tuple[Problem, ...]:
    """Return every problem, each once however many environments show it."""
    problems = [*_base(spec)]
    for environment in spec.environments.values():
        bindings = bind_servers(spec, environment)
        problems += _passwords(spec, bindings)
        problems += _servers(spec, environment)
        problems += _refused(spec, environment)
        problems += (*_routes(environment), *_reload(environment), *check_deploy(spec, environment))
        for service in environment.services.values():
            draft = draft_service(spec, environment, service)
            problems += (*_program(service), *_port(environment, service, draft), *_alone(service))
            problems += (*_health(environment, service, draft), *_given_twice(spec, service, bindings))
            problems += compose_keys.check(_raw(service, is_server=False, given=(*RESERVED, *spec.variables)))
    return tuple(dict.fromkeys(problems))


# ---- servers


def _reload(environment: EnvironmentSpec) -> Iterable[Problem]:
    if environment.table.reload and environment.table.protected:
        yield Problem(
            "a protected environment runs what was built, not what lies on somebody's desk",
            environment.places.get("reload", f"environments.{environment.name}.reload"),
            hint="set reload = false here",
        )


def _base(spec: Spec) -> Iterable[Problem]:
    for infra in spec.infra.values():
        yield from _image(infra.table.image, infra)
        yield from _managed(infra)
        yield from compose_keys.check(_raw(infra, is_server=True))
    is_strict = not all(environment.table.debug for environment in spec.environments.values())
    for name, draft in draft_servers(base_servers(spec)).items():
        yield from _server(spec.infra[name], draft, is_strict=is_strict)


def _servers(spec: Spec, environment: EnvironmentSpec) -> Iterable[Problem]:
    """Check the servers that an environment does not share."""
    for infra in environment.infra.values():
        if infra.table.mode is not Mode.SHARED:
            yield from _image(infra.table.image, infra)
            yield from _managed(infra)
            yield from compose_keys.check(_raw(infra, is_server=True))
    mine = {n: one for n, one in environment_servers(spec, environment).items() if one.target == environment.name}
    for name, draft in draft_servers(mine).items():
        yield from _server(environment.infra[name], draft, is_strict=not environment.table.debug)


def _managed(infra: InfraSpec) -> Iterable[Problem]:
    """Check that a server which envmgr does not start is of a kind that can be managed, and reached this way."""
    kind, url = INFRA[infra.kind], infra.table.url
    if infra.table.mode is not Mode.EXTERNAL:
        return
    if not isinstance(kind, Manageable):
        able = listing(name for name, one in INFRA.items() if isinstance(one, Manageable))
        yield Problem(f"a {infra.kind} cannot be external", _at(infra, "mode"), hint=f"kinds that can: {able}")
    elif url is not None and Address.of(url).scheme not in kind.schemes:
        schemes = " or ".join(f"{scheme}://" for scheme in kind.schemes)
        yield Problem(f"expected the URL of a {infra.kind} to begin with {schemes}", _at(infra, "url"))


def _server(infra: InfraSpec, draft: Draft, *, is_strict: bool) -> Iterable[Problem]:
    if not draft.image.reference:
        yield Problem("has nothing to run", _at(infra), hint='set image = "name:1.2"')
    if infra.table.port and draft.target_port is None:
        yield Problem("it listens on no port that is known", _at(infra, "port"), hint="set container_port too")
    yield from _named_ports(infra, draft)
    if is_strict and draft.healthcheck is None and draft.probe is None:
        yield Problem("nothing tells when it is ready", _at(infra), hint="set healthcheck or health_path")


def _refused(spec: Spec, environment: EnvironmentSpec) -> Iterable[Problem]:
    """Ask the kind of each server, whose problems name a key of the server's table."""
    for name, server in environment_servers(spec, environment).items():
        kind = INFRA[server.kind]
        if isinstance(kind, Selective):
            yield from _placed(environment.infra[name].places, server, kind.refuse(server, _users(environment, name)))


def _users(environment: EnvironmentSpec, server: str) -> dict[str, str]:
    """Return the services that use a server, with their kinds."""
    return {one.name: one.kind for one in environment.services.values() if server in one.table.uses}


def _placed(places: Mapping[str, str], server: Server, problems: Iterable[Problem]) -> Iterable[Problem]:
    for problem in problems:
        yield replace(problem, path=places.get(problem.path, f"{server.place}.{problem.path}"))


# ---- services


def _program(service: ServiceSpec) -> Iterable[Problem]:
    if service.table.build is None and service.table.image is None:
        hint = 'set build = "…", a table of [builds], or image = "…"'
        yield Problem("has nothing to run", f"services.{service.name}", hint=hint)
    yield from _image(service.table.image, service)


def _port(environment: EnvironmentSpec, service: ServiceSpec, draft: Draft) -> Iterable[Problem]:
    yield from _named_ports(service, draft)
    place = f"environments.{environment.name}.ports.{service.name}"
    is_published = service.name in environment.table.ports
    if service.table.replicas > 1 and (is_published or service.table.ports):
        where = place if is_published else _at(service, "ports")
        yield Problem(f"{service.table.replicas} replicas cannot share one port of the host", where)
    if draft.target_port is not None:
        return
    for where in (*([place] if is_published else []), *([_at(service, "routes")] if service.table.routes else [])):
        can = SERVICES[service.kind].defaults.listens
        hint = "set container_port, where it listens inside its container" if can else ""
        yield Problem(
            f"a {service.kind} listens on no port" if not can else "it listens on no port that is known",
            where,
            hint=hint,
        )


def _routes(environment: EnvironmentSpec) -> Iterable[Problem]:
    owners: dict[str, ServiceSpec] = {}
    for service in environment.services.values():
        for route in service.table.routes:
            first = owners.setdefault(route, service)
            if first is not service:
                yield Problem(f"{route} leads to {first.name} already", _at(service, "routes"))


def _alone(service: ServiceSpec) -> Iterable[Problem]:
    if service.table.replicas > 1 and SERVICES[service.kind].defaults.is_single:
        message = f"a {service.kind} runs once: two of them would do everything twice"
        yield Problem(message, _at(service, "replicas"), hint="leave replicas out")


def _health(environment: EnvironmentSpec, service: ServiceSpec, draft: Draft) -> Iterable[Problem]:
    is_exempt = environment.table.debug or SERVICES[service.kind].defaults.is_job
    if draft.healthcheck is None and not is_exempt:
        message = f"nothing tells when it is ready, which {environment.name} needs: only debug environments do without"
        yield Problem(message, _at(service), hint="set healthcheck or health_path")


# ---- both


def _at(declared: InfraSpec | ServiceSpec, key: str = "") -> str:
    section = "infra" if isinstance(declared, InfraSpec) else "services"
    table = f"{section}.{declared.name}"
    return declared.places.get(key) or (f"{table}.{key}" if key else table)


def _raw(declared: InfraSpec | ServiceSpec, *, is_server: bool, given: Collection[str] = ()) -> compose_keys.RawKeys:
    options = {*keys_of(type(declared.options)), *keys_of(type(declared.table))}
    return compose_keys.RawKeys(declared.table.compose, declared.places, options, is_server, given)


def _image(reference: str | None, declared: InfraSpec | ServiceSpec) -> Iterable[Problem]:
    if reference is None or "@sha256:" in reference:
        return
    tag = reference.rpartition("/")[2].partition(":")[2]
    if tag in ("", "latest"):
        message = "names no version: what runs would change by itself"
        yield Problem(message, _at(declared, "image"), hint='write a tag, "name:1.2"')


def _named_ports(declared: InfraSpec | ServiceSpec, draft: Draft) -> Iterable[Problem]:
    known = draft.more_ports
    for name in declared.table.ports:
        if name not in known:
            hint = did_you_mean(name, known) or f"it has: {listing(known)}"
            yield Problem(f'a {declared.kind} has no port "{name}"', _at(declared, f"ports.{name}"), hint=hint)


# ---- what is given by two sides


def _passwords(spec: Spec, bindings: Mapping[str, Binding]) -> Iterable[Problem]:
    for server, binding in bindings.items():
        for need in binding.needed:
            if need.name in spec.variables:
                message = f"envmgr keeps the password for {server} under this name"
                yield Problem(message, f"variables.{need.name}", hint="choose another name")


def _given_twice(spec: Spec, service: ServiceSpec, bindings: Mapping[str, Binding]) -> Iterable[Problem]:
    givers: dict[str, str] = {}
    for server in dict.fromkeys(service.table.uses):
        for mount in bindings[server].secrets:
            first = givers.setdefault(mount.name, server)
            if first != server:
                message = f"{first} and {server} both give it {mount.name}"
                yield Problem(message, f"services.{service.name}.uses", hint="use one of them here")
    for name, table in spec.variables.items():
        if name in givers and goes_to(table, service.name):
            message = f"{service.name} gets it from {givers[name]} already"
            yield Problem(message, f"variables.{name}", hint="choose another name, or leave that service out")
