"""What a door or a monitor sees: every service that listens, in the whole system or in one environment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from envmgr import naming
from envmgr.catalog.kind import Binding, Draft, Endpoint, Server, Site
from envmgr.model.stack import Service
from envmgr.resolve.edge_ports import listeners
from envmgr.resolve.servers import base_servers, bind_servers, draft_servers, environment_servers
from envmgr.resolve.services import app_service
from envmgr.spec.schema import EnvironmentSpec, Spec


@dataclass(frozen=True, slots=True)
class Drafted:
    """One environment, drafted."""

    spec: EnvironmentSpec
    servers: Mapping[str, Server]
    """Every one that it reaches."""
    own: Mapping[str, Draft]
    bindings: Mapping[str, Binding]
    pairs: tuple[tuple[Service, Draft], ...]


def drafted(spec: Spec, environment: EnvironmentSpec) -> Drafted:
    """Draft an environment's servers and services."""
    servers = environment_servers(spec, environment)
    bindings = bind_servers(spec, environment)
    pairs = tuple(
        app_service(spec, environment, one, [bindings[name] for name in dict.fromkeys(one.table.uses)], servers)
        for one in environment.services.values()
    )
    mine = {name: server for name, server in servers.items() if server.target == environment.name}
    return Drafted(environment, servers, draft_servers(mine), bindings, pairs)


def site(spec: Spec, applications: Iterable[Drafted]) -> Site:
    """Return what the base's door and monitors see."""
    servers = base_servers(spec)
    found = [_of_server(servers[name], draft, name) for name, draft in draft_servers(servers).items()]
    for one in applications:
        environment = one.spec.name
        drafts = one.own.items()
        found += [_of_server(one.servers[n], d, naming.alias(n, environment)) for n, d in drafts]
        found += _in_colours(one) if one.spec.table.deploy.has_colours else _as_they_are(one)
    hosts = {one.spec.name: one.spec.table.hosts for one in applications}
    return Site(spec.project.name, tuple(endpoint for endpoint in found if endpoint), hosts)


def site_within(spec: Spec, application: Drafted) -> Site:
    """Return what an environment's own door and monitors see: nothing of another environment."""
    found = [_of_server(application.servers[name], draft, name) for name, draft in application.own.items()]
    found += [_of_service(application.spec, pair, pair[0].name) for pair in application.pairs]
    hosts = {application.spec.name: application.spec.table.hosts}
    return Site(spec.project.name, tuple(endpoint for endpoint in found if endpoint), hosts)


def _as_they_are(one: Drafted) -> list[Endpoint | None]:
    return [_of_service(one.spec, pair, naming.alias(pair[0].name, one.spec.name)) for pair in one.pairs]


def _in_colours(one: Drafted) -> list[Endpoint | None]:
    """Return where a door finds the colour that serves, and where a monitor finds each of them."""
    led = {listener.service: listener for listener in listeners(tuple(service for service, _ in one.pairs))}
    edge = naming.alias(naming.EDGE, one.spec.name)
    found: list[Endpoint | None] = []
    for service, draft in one.pairs:
        for colour in naming.COLOURS:
            host = naming.alias(service.name, naming.colour(one.spec.name, colour))
            endpoint = _of_service(one.spec, (service, draft), host)
            if endpoint:
                found.append(replace(endpoint, routes=(), is_watched_only=True))
        endpoint = _of_service(one.spec, (service, draft), edge)
        if endpoint:
            found.append(replace(endpoint, port=led[service.name].port, metrics=None))
    return found


def _of_server(server: Server, draft: Draft, host: str) -> Endpoint | None:
    if draft.target_port is None:
        return None
    return Endpoint(server.target, server.name, server.kind, host, draft.target_port, draft.metrics)


def _of_service(environment: EnvironmentSpec, pair: tuple[Service, Draft], host: str) -> Endpoint | None:
    service, draft = pair
    if draft.target_port is None:
        return None
    routes = environment.services[service.name].table.routes
    return Endpoint(environment.name, service.name, service.kind, host, draft.target_port, draft.metrics, routes)
