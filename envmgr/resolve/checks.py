"""What only the catalog can know to be wrong with a spec: ports, images, names that two sides want to set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from envmgr.catalog.kind import Binding
from envmgr.catalog.registry import SERVICES
from envmgr.errors import Problem
from envmgr.resolve.servers import bind_servers
from envmgr.resolve.variables import goes_to
from envmgr.spec.schema import EnvironmentSpec, ServiceSpec, Spec


def check(spec: Spec) -> tuple[Problem, ...]:
    """Return every problem, each once however many environments show it."""
    problems = [p for infra in spec.infra.values() for p in _image(infra.table.image, f"infra.{infra.name}.image")]
    for environment in spec.environments.values():
        bindings = bind_servers(spec, environment)
        problems += _passwords(spec, bindings)
        for service in environment.services.values():
            problems += (*_program(service), *_port(environment, service), *_given_twice(spec, service, bindings))
    return tuple(dict.fromkeys(problems))


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
