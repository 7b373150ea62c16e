"""A whole spec becomes a system: the base and every environment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from envmgr import naming
from envmgr.catalog.kind import Binding, Draft
from envmgr.errors import SpecError
from envmgr.model.stack import Needed, Network, Service, Stack, System, Volume
from envmgr.resolve.checks import check
from envmgr.resolve.services import app_service, bind_servers, infra_service
from envmgr.resolve.subnets import Block, allocate
from envmgr.resolve.variables import declared
from envmgr.spec.recipes import Recipe
from envmgr.spec.schema import EnvironmentSpec, Spec


def resolve(spec: Spec, recipes: Mapping[str, Recipe]) -> System:
    """Resolve every stack.

    Raises: `SpecError` with every clash between stacks.
    """
    targets = {naming.INFRA: None, **{name: e.table.subnet for name, e in spec.environments.items()}}
    blocks, problems = allocate(spec.project.name, spec.networks.range, targets)
    problems += check(spec)
    if problems:
        raise SpecError("the spec is not valid", problems)
    return System(
        project=spec.project.name,
        base=_base(spec, blocks[naming.INFRA]),
        environments=tuple(_environment(spec, e, blocks[name]) for name, e in spec.environments.items()),
        substitutes={r.replaces: r.image for r in recipes.values() if r.replaces},
    )


def _base(spec: Spec, block: Block) -> Stack:
    pairs = [infra_service(spec, infra) for infra in spec.infra.values()]
    services = tuple(service for service, _ in pairs)
    return Stack(
        project=spec.project.name,
        target=naming.INFRA,
        compose_project=naming.compose_project(spec.project.name, naming.INFRA),
        services=services,
        networks=_networks(spec.project.name, naming.INFRA, block, services, is_external=False),
        volumes=_volumes(spec.project.name, naming.INFRA, services),
        needed=_unique(_needed(draft for _, draft in pairs)),
        is_protected=any(e.table.protected for e in spec.environments.values()),
        is_base=True,
    )


def _environment(spec: Spec, environment: EnvironmentSpec, block: Block) -> Stack:
    bindings = bind_servers(spec, environment)
    pairs = [
        app_service(spec, environment, service, (bindings[name] for name in dict.fromkeys(service.table.uses)))
        for service in environment.services.values()
    ]
    services = tuple(service for service, _ in pairs)
    return Stack(
        project=spec.project.name,
        target=environment.name,
        compose_project=naming.compose_project(spec.project.name, environment.name),
        services=services,
        networks=_networks(spec.project.name, environment.name, block, services, is_external=True),
        volumes=_volumes(spec.project.name, environment.name, services),
        needed=_unique(
            (*declared(spec, environment), *_bound(bindings.values()), *_needed(draft for _, draft in pairs))
        ),
        grants=tuple(grant for binding in bindings.values() for grant in binding.grants),
        prefix=environment.prefix,
        is_protected=environment.table.protected,
    )


def _networks(
    project: str, target: str, block: Block, services: tuple[Service, ...], *, is_external: bool
) -> tuple[Network, ...]:
    wanted = {key for service in services for key in service.networks}
    every = (
        # Envmgr makes an environment's data network itself: the base's containers join it, under their own names.
        Network("data", naming.data_network(project, target), block.data, is_internal=True, is_external=is_external),
        Network(
            "publish",
            naming.publish_network(project, target),
            block.publish,
            is_internal=False,
            allows_neighbours=False,
        ),
        Network(
            "egress",
            naming.egress_network(project, target),
            block.egress,
            is_internal=False,
            allows_neighbours=False,
            masquerades=True,
        ),
    )
    return tuple(network for network in every if network.key in wanted)


def _volumes(project: str, target: str, services: tuple[Service, ...]) -> tuple[Volume, ...]:
    return tuple(
        Volume(mount.volume, f"{project}-{target}-{mount.volume}", service.name)
        for service in services
        for mount in service.volumes
    )


def _needed(drafts: Iterable[Draft]) -> tuple[Needed, ...]:
    return tuple(need for draft in drafts for need in draft.needed)


def _bound(bindings: Iterable[Binding]) -> tuple[Needed, ...]:
    return tuple(need for binding in bindings for need in binding.needed)


def _unique(needed: tuple[Needed, ...]) -> tuple[Needed, ...]:
    return tuple({need.name: need for need in needed}.values())
