"""What only the catalog can know to be wrong with a spec: ports, images, names that two sides want to set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from envmgr.catalog.kind import Binding, InfraKind, Manageable, Selective, Server
from envmgr.catalog.registry import INFRA, SERVICES
from envmgr.errors import Problem
from envmgr.resolve.servers import bind_servers, environment_servers
from envmgr.resolve.variables import goes_to
from envmgr.spec.schema import EnvironmentSpec, ServiceSpec, Spec


def check(spec: Spec) -> tuple[Problem, ...]:
    """Return every problem, each once however many environments show it."""
    problems = [p for infra in spec.infra.values() for p in _image(infra.table.image, f"infra.{infra.name}.image")]
    for environment in spec.environments.values():
        bindings = bind_servers(spec, environment)
        problems += _passwords(spec, bindings)
        for server in environment_servers(spec, environment).values():
            problems += _refused(environment, server)
        for service in environment.services.values():
            problems += (*_program(service), *_port(environment, service), *_given_twice(spec, service, bindings))
    return tuple(dict.fromkeys(problems))


def _refused(environment: EnvironmentSpec, server: Server) -> Iterable[Problem]:
    """Ask a server's kind, whose problems name a key of the server's table."""
    kind = INFRA[server.kind]
    found = [*_unmanageable(kind, server)]
    if isinstance(kind, Selective) and not found:
        services = environment.services.values()
        found += kind.refuse(server, {one.name: one.kind for one in services if server.name in one.table.uses})
    places = environment.infra[server.name].places
    for problem in found:
        yield replace(problem, path=places.get(problem.path, f"{server.place}.{problem.path}"))


def _unmanageable(kind: InfraKind, server: Server) -> Iterable[Problem]:
    if server.address is None:
        return
    if not isinstance(kind, Manageable):
        yield Problem(f"envmgr reaches no managed {server.kind}", "mode", hint='write mode = "own" or leave it out')
    elif server.address.scheme not in kind.schemes:
        expected = " or ".join(f"{scheme}://" for scheme in kind.schemes)
        yield Problem(f"a {server.kind} is reached by {expected}", "url")


def _program(service: ServiceSpec) -> Iterable[Problem]:
    place = f"services.{service.name}"
    if service.table.build is None and service.table.image is None:
        yield Problem("has nothing to run", place, hint='set build = "…", a table of [builds], or image = "…"')
    yield from _image(service.table.image, f"{place}.image")


def _image(reference: str | None, place: str) -> Iterable[Problem]:
    if reference is None or "@sha256:" in reference:
        return
    tag = reference.rpartition("/")[2].partition(":")[2]
    if tag in ("", "latest"):
        yield Problem("names no version: what runs would change by itself", place, hint='write a tag, "name:1.2"')


def _port(environment: EnvironmentSpec, service: ServiceSpec) -> Iterable[Problem]:
    if service.name not in environment.table.ports:
        return
    place = f"environments.{environment.name}.ports.{service.name}"
    if service.table.replicas > 1:
        yield Problem(f"{service.table.replicas} replicas cannot share one port of the host", place)
    if not SERVICES[service.kind].defaults.listens:
        yield Problem(f"a {service.kind} listens on no port", place)


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
