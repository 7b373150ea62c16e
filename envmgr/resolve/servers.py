"""Servers: the base's, an environment's own, or managed ones; each becomes a service, or only an address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from envmgr import naming
from envmgr.catalog.kind import Address, Binding, Client, Draft, Server
from envmgr.catalog.registry import INFRA
from envmgr.model.stack import Condition, Dependency, Service
from envmgr.resolve.services import publications, resources, service_of
from envmgr.spec.schema import EnvironmentSpec, InfraSpec, Mode, Spec


def base_servers(spec: Spec) -> dict[str, Server]:
    """Return the servers of the base."""
    return _linked(spec.base, spec, {})


def environment_servers(spec: Spec, environment: EnvironmentSpec) -> dict[str, Server]:
    """Return every server as an environment reaches it: shared, its own, or managed."""
    mine = {name: infra for name, infra in environment.infra.items() if infra.table.mode is not Mode.SHARED}
    return base_servers(spec) | _linked(mine, spec, base_servers(spec), environment.name)


def bind_servers(spec: Spec, environment: EnvironmentSpec) -> dict[str, Binding]:
    """Return what an environment gets from each server that its services use."""
    client = Client(environment.name, environment.prefix)
    reached = environment_servers(spec, environment)
    used = dict.fromkeys(name for service in environment.services.values() for name in service.table.uses)
    return {name: INFRA[reached[name].kind].bind(reached[name], client) for name in used}


def draft_servers(servers: Mapping[str, Server]) -> dict[str, Draft]:
    """Return the drafts of servers that envmgr starts; what must know the others is not complete yet."""
    return {name: INFRA[one.kind].draft(one) for name, one in servers.items() if one.address is None}


def infra_service(infra: InfraSpec, server: Server, draft: Draft) -> Service:
    """Resolve a server that envmgr starts."""
    kind = INFRA[infra.kind]
    service = service_of(infra.name, infra.kind, infra.table, draft, server.resources, kind.defaults)
    ports = publications(draft, infra.table.port, infra.table.ports)
    wanted = (("publish", bool(ports)), ("egress", draft.egress))
    return replace(
        service,
        networks=("data", *(key for key, is_wanted in wanted if is_wanted)),
        ports=ports,
        depends_on=tuple(
            Dependency(name, Condition.HEALTHY)
            for name, peer in server.peers.items()
            if peer.address is None and peer.target == server.target
        ),
        uses=tuple(name for name, peer in server.peers.items() if peer.target != server.target),
        aliases=(naming.alias(infra.name, server.target),)
        if server.target != naming.INFRA and draft.target_port
        else (),
        is_server=True,
        faces_environments=draft.faces_environments,
        places=infra.places,
    )


def _linked(
    tables: Mapping[str, InfraSpec], spec: Spec, others: Mapping[str, Server], target: str = naming.INFRA
) -> dict[str, Server]:
    """Make servers, each after those that it uses; the spec has no circle among them."""
    made: dict[str, Server] = {}

    def server(name: str) -> Server:
        if name not in tables:
            return others[name]
        if name not in made:
            peers = {peer: server(peer) for peer in tables[name].table.uses}
            made[name] = _server(spec, tables[name], target, peers)
        return made[name]

    return {name: server(name) for name in tables}


def _server(spec: Spec, infra: InfraSpec, target: str, peers: Mapping[str, Server]) -> Server:
    table = infra.table
    is_external = table.mode is Mode.EXTERNAL and table.url is not None
    server = Server(
        project=spec.project.name,
        target=target,
        name=infra.name,
        options=infra.options,
        resources=resources(table, INFRA[infra.kind].defaults.resources),
        image=table.image,
        port=table.port,
        ports=table.ports,
        peers=peers,
        kind=infra.kind,
        address=Address.of(table.url or "") if is_external else None,
        is_provisioned=table.provision or not is_external,
    )
    # The programs that talk to a managed server are those of the image that would have been started.
    programs = INFRA[infra.kind].draft(server).image.reference
    return replace(server, programs=programs, client=programs if is_external else "")
