"""An environment that is deployed blue-green: an edge with what the environment has for itself, and two colours.

A colour is the whole application in a Compose project and on networks of its own, so that its services find each other
under the names that they have everywhere, and never one of the other colour. What listens is asked through the edge;
what finds its work by itself runs in the colour that serves, and in no other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from envmgr import naming
from envmgr.catalog import edge
from envmgr.model.stack import (
    Command,
    CommandProbe,
    HttpProbe,
    Network,
    Probe,
    Publication,
    Service,
    Stack,
    Volume,
)
from envmgr.resolve.edge_ports import listeners
from envmgr.resolve.networks import networks_of
from envmgr.resolve.services import service_of
from envmgr.resolve.subnets import Block
from envmgr.spec.schema import CommonTable, EnvironmentSpec

_SECONDS = 4
_STATE = f"{naming.EDGE}-state"
"""Volume that holds the choice."""


def in_colours(
    whole: Stack, moving: tuple[str, ...], environment: EnvironmentSpec, blocks: Mapping[str, Block]
) -> Stack:
    """Return the stack of what stays, which holds a stack for each colour of what moves."""
    application = tuple(service for service in whole.services if service.name in moving)
    staying = tuple(service for service in whole.services if service.name not in moving)
    colours = tuple(_colour(whole, application, staying, name, blocks) for name in naming.COLOURS)
    joined = tuple(
        Network(name, naming.data_network(whole.project, colour.target), colour.network("data").subnet, True, True)
        for name, colour in zip(naming.COLOURS, colours, strict=True)
    )
    services = (*(_reachable(service) for service in staying), _edge(whole, application, environment))
    kept = {mount.volume for service in staying for mount in service.volumes}
    return replace(
        whole,
        services=services,
        networks=(
            *networks_of(whole.project, whole.target, blocks[whole.target], services, is_external=True),
            *joined,
            *(network for network in whole.networks if network.is_foreign and _uses(services, network.key)),
        ),
        volumes=(
            *(volume for volume in whole.volumes if volume.key in kept),
            Volume(_STATE, f"{whole.compose_project}-{_STATE}", naming.EDGE),
        ),
        colours=colours,
    )


def _edge(whole: Stack, application: tuple[Service, ...], environment: EnvironmentSpec) -> Service:
    led = listeners(application)
    draft = edge.draft(whole.target, led)
    service = service_of(naming.EDGE, naming.EDGE, CommonTable(), draft, edge.defaults.resources, edge.defaults)
    ports = tuple(Publication(one.port, one.published) for one in led if one.published)
    return replace(
        service,
        networks=("data", *naming.COLOURS, *(("publish",) if ports else ())),
        ports=ports,
        aliases=(naming.alias(naming.EDGE, whole.target),),
        places={"": environment.places.get("deploy", f"environments.{whole.target}.deploy")},
    )


def _reachable(server: Service) -> Service:
    """Return a server of the environment's own where both colours reach it."""
    return replace(server, networks=(*server.networks, *naming.COLOURS))


def _uses(services: tuple[Service, ...], network: str) -> bool:
    return any(network in service.networks for service in services)


def _colour(
    whole: Stack, application: tuple[Service, ...], staying: tuple[Service, ...], name: str, blocks: Mapping[str, Block]
) -> Stack:
    target = naming.colour(whole.target, name)
    gone = {service.name for service in staying}
    services = tuple(_moved(whole, service, target, gone) for service in application)
    mounted = {mount.volume for service in services for mount in service.volumes}
    return replace(
        whole,
        target=target,
        compose_project=naming.compose_project(whole.project, target),
        services=services,
        networks=(
            *networks_of(whole.project, target, blocks[target], services, is_external=True),
            *(network for network in whole.networks if network.is_foreign and _uses(services, network.key)),
        ),
        volumes=tuple(replace(one, is_external=True) for one in whole.volumes if one.key in mounted),
        needed=(),
        grants=(),
        part_of=whole.target,
    )


def _moved(whole: Stack, service: Service, target: str, gone: set[str]) -> Service:
    """Return a service as one colour has it: it publishes nothing, and no other colour answers to its name."""
    own = naming.alias(service.name, whole.target)
    return replace(
        service,
        ports=(),
        networks=tuple(key for key in service.networks if key != "publish"),
        aliases=tuple(naming.alias(service.name, target) if alias == own else alias for alias in service.aliases),
        depends_on=tuple(need for need in service.depends_on if need.service not in gone),
        probe=_asked_by_edge(service, whole.target, target),
    )


def _asked_by_edge(service: Service, environment: str, target: str) -> Probe | None:
    """Return a probe that goes the way of the requests: what would ask a published port asks from within the edge."""
    match service.probe:
        case HttpProbe(path=path):
            url = f"http://{naming.alias(service.name, target)}:{service.listens}{path}"
            argv = ("curl", "-sS", "--globoff", "--fail-with-body", "-m", str(_SECONDS), url)
            return CommandProbe(Command(environment, naming.EDGE, argv))
        case CommandProbe(command=command) if command.target == environment and command.service == service.name:
            return CommandProbe(replace(command, target=target))
        case other:
            return other
