"""Bring stacks up and prove them healthy."""

from __future__ import annotations

import time
from dataclasses import dataclass

from envmgr import layout, naming
from envmgr.engine.ports import holder_of, is_free
from envmgr.model.result import UpResult
from envmgr.model.stack import Service, Stack
from envmgr.operations.addresses import addresses
from envmgr.operations.base import bring_base_up
from envmgr.operations.checks import check
from envmgr.operations.image_source import Source, check_volumes, choose_source, create_volumes
from envmgr.operations.images import ensure_images
from envmgr.operations.interruption import interruptible
from envmgr.operations.ownership import ensure, is_inside, own, refuse_lost
from envmgr.operations.session import BASE_WAIT, Session
from envmgr.operations.start import Started, desired, start
from envmgr.operations.values import Values, gather
from envmgr.render.files import render
from envmgr.render.folder import write
from envmgr.secrets.deliver import deliver


@dataclass(frozen=True, slots=True)
class UpOptions:
    """What the operator chose."""

    build: bool = False
    """Build the project's own images anew when their source has changed."""
    images: Source | None = None
    new_secrets: bool = False


@dataclass(frozen=True, slots=True)
class _Ground:
    """What environments stand on, once the base is up: their values, and where their images come from."""

    values: dict[str, Values]
    source: Source
    base: Started


def up(session: Session, names: tuple[str, ...], options: UpOptions) -> UpResult:
    """Bring targets up, the base first, and return when everything is proven healthy.

    `names` are targets, or one target and some of its services, which come with what they depend on.

    Raises: `SpecError`, `StaleError`, `LockedError`, `PreflightError`, `EngineError`, `NotHealthyError`; the error says
    what state things are in.
    """
    began = time.monotonic()
    project = session.project
    chosen, services = project.choose(names)
    selected = {stack.target: project.services(stack, services) for stack in chosen}
    environments = tuple(stack for stack in chosen if not stack.is_base)
    stacks = (project.system.base, *environments)
    again = f"envmgr up {' '.join(names)}"
    with session.locks.acquire_all(tuple(s.target for s in environments)), interruptible(session, stacks, again):
        ground = _lay_ground(session, stacks, selected, options)
        started = [ground.base]
        for stack in environments:
            started.append(_bring_up(session, stack, selected[stack.target], ground))
    return UpResult(
        targets=tuple(stack.target for stack in stacks),
        services=tuple(health for one in started for health in one.healths),
        addresses=tuple(address for stack in stacks for address in addresses(stack)),
        seconds=time.monotonic() - began,
        changed=sum(one.touched for one in started),
    )


def _lay_ground(
    session: Session, stacks: tuple[Stack, ...], selected: dict[str, tuple[Service, ...]], options: UpOptions
) -> _Ground:
    """Bring the base up and give every environment its part of it, while nobody else works on the base."""
    base, *environments = stacks
    with session.locks.acquire(naming.INFRA, wait=BASE_WAIT):
        # Not before the locks: whoever held them may have made values meanwhile.
        values = gather(session, stacks)
        source = _prepare(session, stacks, options)
        started = bring_base_up(
            session,
            selected.get(base.target, base.services),
            values[base.target],
            source,
            is_asked_for=base.target in selected,
            new_secrets=options.new_secrets,
        )
        if not options.new_secrets:
            for stack in environments:
                refuse_lost(session, stack, values[stack.target])
        owned = {stack.target: own(session, stack, values[stack.target]) for stack in environments}
    return _Ground(owned, source, started)


def _prepare(session: Session, stacks: tuple[Stack, ...], options: UpOptions) -> Source:
    """Do all that can be refused before anything is started."""
    project = session.project
    changes = write(project.folder / layout.COMPOSE, render(project.system, project.folder))
    if changes:
        session.note("", f"rendered {layout.COMPOSE}/: {', '.join(change.path for change in changes)}")
    observed, host = session.observe(), session.engine.host()
    findings = check(project.system, stacks, observed, host, is_free=is_free, holder_of=holder_of)
    findings.raise_problems()
    for caution in findings.cautions:
        session.caution("", caution)
    source = choose_source(session, observed, options.images)
    check_volumes(session, observed, source)
    ensure_images(session, stacks, source, build=options.build)
    return source


def _bring_up(session: Session, stack: Stack, services: tuple[Service, ...], ground: _Ground) -> Started:
    plain = ground.values[stack.target].plain(stack)
    revisions = deliver(session.project.folder, stack, plain, session.vault)
    _start_servers(session, stack, revisions, ground.source)
    return start(session, stack, services, desired(session, stack, revisions, ground.source), ground.source)


def _start_servers(session: Session, stack: Stack, revisions: dict[str, str], source: Source) -> None:
    """Start the servers that an environment has for itself, and make in them what its services need."""
    servers = tuple(service for service in stack.services if service.is_server)
    if not servers:
        return
    create_volumes(session, stack, session.observe(), source)
    start(session, stack, servers, desired(session, stack, revisions, source), source)
    ensure(session, tuple(grant for grant in stack.grants if is_inside(stack, grant)))
