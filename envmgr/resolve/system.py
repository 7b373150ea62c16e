"""A whole spec becomes a system: the base and every environment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from envmgr import naming
from envmgr.catalog.kind import Binding, Draft, Overseer, Server, Site
from envmgr.catalog.registry import INFRA
from envmgr.errors import SpecError
from envmgr.model.needed import Needed
from envmgr.model.recipe import Recipe
from envmgr.model.stack import Grant, Network, Service, Stack, System, Volume
from envmgr.resolve.checks import check
from envmgr.resolve.colours import in_colours
from envmgr.resolve.networks import networks_of
from envmgr.resolve.servers import base_servers, draft_servers, infra_service
from envmgr.resolve.site import Drafted, drafted, site, site_within
from envmgr.resolve.strictness import base_refuses_weak, refuses_weak
from envmgr.resolve.subnets import Block, allocate
from envmgr.resolve.trials import sweeps
from envmgr.resolve.variables import declared
from envmgr.spec.schema import EnvironmentSpec, Spec


def resolve(spec: Spec, recipes: Mapping[str, Recipe]) -> System:
    """Resolve every stack.

    Raises: `SpecError` with every clash between stacks.
    """
    blocks, problems = allocate(spec.project.name, spec.networks.range, _targets(spec))
    problems += check(spec)
    if problems:
        raise SpecError("the spec is not valid", problems)
    environments = [drafted(spec, environment) for environment in spec.environments.values()]
    return System(
        project=spec.project.name,
        base=_base(spec, blocks[naming.INFRA], site(spec, environments)),
        environments=tuple(_environment(spec, one, blocks) for one in environments),
        substitutes={r.replaces: r.image for r in recipes.values() if r.replaces},
    )


def _targets(spec: Spec) -> dict[str, str | None]:
    """Return everything that has networks of its own, with the subnet that the spec gives it."""
    targets: dict[str, str | None] = {naming.INFRA: None}
    for name, environment in spec.environments.items():
        targets[name] = environment.table.subnet
        if environment.table.deploy.has_colours:
            written = environment.table.deploy.subnets
            targets |= {naming.colour(name, colour): written.get(colour) for colour in naming.COLOURS}
    return targets


def _base(spec: Spec, block: Block, seen: Site) -> Stack:
    servers = base_servers(spec)
    drafts = _overseen(servers, draft_servers(servers), seen)
    services = tuple(infra_service(spec.infra[name], servers[name], draft) for name, draft in drafts.items())
    return Stack(
        project=spec.project.name,
        target=naming.INFRA,
        compose_project=naming.compose_project(spec.project.name, naming.INFRA),
        services=services,
        networks=networks_of(spec.project.name, naming.INFRA, block, services, is_external=False),
        volumes=_volumes(spec.project.name, naming.INFRA, services),
        needed=_unique(_needed(drafts.values())),
        grants=_grants(drafts.values()),
        sweeps=sweeps(servers, [environment.prefix for environment in spec.environments.values()]),
        is_protected=any(e.table.protected for e in spec.environments.values()),
        is_base=True,
        refuses_weak=base_refuses_weak(spec),
    )


def _overseen(servers: Mapping[str, Server], drafts: Mapping[str, Draft], seen: Site) -> dict[str, Draft]:
    """Complete the drafts of servers that have to know the others."""
    complete = dict(drafts)
    for name, draft in drafts.items():
        kind = INFRA[servers[name].kind]
        if isinstance(kind, Overseer):
            complete[name] = kind.oversee(draft, servers[name], seen)
    return complete


def _environment(spec: Spec, application: Drafted, blocks: Mapping[str, Block]) -> Stack:
    whole = _whole(spec, application, blocks[application.spec.name])
    if not application.spec.table.deploy.has_colours:
        return whole
    return in_colours(whole, tuple(service.name for service, _ in application.pairs), application.spec, blocks)


def _whole(spec: Spec, application: Drafted, block: Block) -> Stack:
    environment = application.spec
    own = _overseen(application.servers, application.own, site_within(spec, application))
    servers = (infra_service(environment.infra[n], application.servers[n], draft) for n, draft in own.items())
    services = (*servers, *(service for service, _ in application.pairs))
    bindings = application.bindings.values()
    drafts = (*own.values(), *(draft for _, draft in application.pairs))
    return Stack(
        project=spec.project.name,
        target=environment.name,
        compose_project=naming.compose_project(spec.project.name, environment.name),
        services=services,
        networks=(
            *networks_of(spec.project.name, environment.name, block, services, is_external=True),
            *_joined(environment),
        ),
        volumes=_volumes(spec.project.name, environment.name, services),
        needed=_unique((*declared(spec, environment), *_bound(bindings), *_needed(drafts))),
        grants=(*(grant for binding in bindings for grant in binding.grants), *_grants(drafts)),
        prefix=environment.prefix,
        is_protected=environment.table.protected,
        refuses_weak=refuses_weak(spec, environment),
    )


def _joined(environment: EnvironmentSpec) -> tuple[Network, ...]:
    """Return the host's own networks that services of an environment join."""
    names = dict.fromkeys(name for one in environment.services.values() for name in one.table.joins)
    return tuple(Network(naming.joined(name), name, "", is_internal=False, is_foreign=True) for name in names)


def _volumes(project: str, target: str, services: tuple[Service, ...]) -> tuple[Volume, ...]:
    found: dict[str, Volume] = {}
    for service in services:
        for mount in service.volumes:
            name = f"{project}-{target}-{mount.volume}"
            found.setdefault(mount.volume, Volume(mount.volume, name, service.name))
    return tuple(found.values())


def _grants(drafts: Iterable[Draft]) -> tuple[Grant, ...]:
    return tuple(grant for draft in drafts for grant in draft.grants)


def _needed(drafts: Iterable[Draft]) -> tuple[Needed, ...]:
    return tuple(need for draft in drafts for need in draft.needed)


def _bound(bindings: Iterable[Binding]) -> tuple[Needed, ...]:
    return tuple(need for binding in bindings for need in binding.needed)


def _unique(needed: tuple[Needed, ...]) -> tuple[Needed, ...]:
    return tuple({need.name: need for need in needed}.values())
