"""Bring stacks up and prove them healthy."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from envmgr import layout, naming
from envmgr.engine.ports import holder_of, is_free
from envmgr.errors import EngineError, PreflightError, UsageError
from envmgr.health.verdict import judge
from envmgr.model.observed import Host, Observed, State
from envmgr.model.plan import Plan, Step, Subject
from envmgr.model.result import UpResult
from envmgr.model.stack import Service, Stack
from envmgr.operations.addresses import addresses
from envmgr.operations.base import bring_base_up, refuse_lost_of_base
from envmgr.operations.checks import check
from envmgr.operations.config_checks import refuse_wrong_configs
from envmgr.operations.cut_off import refuse_cut_off
from envmgr.operations.image_source import Source, choose_source
from envmgr.operations.images import ensure_images
from envmgr.operations.interruption import interruptible
from envmgr.operations.keeping import note_values
from envmgr.operations.ownership import is_inside, own, refuse_lost, shut_out
from envmgr.operations.plan import Selected, propose
from envmgr.operations.rendering import write_native_documents
from envmgr.operations.session import BASE_WAIT, Session
from envmgr.operations.start import Started, remove, start, without
from envmgr.operations.values import Values, gather
from envmgr.operations.volumes import create_volumes
from envmgr.records.journal import Journal
from envmgr.render.files import render
from envmgr.render.folder import write
from envmgr.secrets.deliver import deliver

Agree = Callable[[Plan], None]
"""Shows a plan, and returns when it may be carried out; raises otherwise."""


@dataclass(frozen=True, slots=True)
class UpOptions:
    """What the operator chose."""

    build: bool = False
    """Build the project's own images anew when their source has changed."""
    images: Source | None = None
    new_secrets: bool = False
    allows_weak: bool = False
    """Weak values keep nothing from starting: for what exchanges them."""
    trusts_ground: bool = False
    """Where nothing of it changes, the engine's word that the base is healthy will do, and what a running environment
    owns there is not made sure of again: for a quick switch of one service."""
    leaves_releases: bool = False
    """What was deployed and taken down stays down: for what is about to deploy."""


@dataclass(frozen=True, slots=True)
class _Ground:
    """What environments stand on, once the base is up: their values, the plan, and where their images come from."""

    values: dict[str, Values]
    plan: Plan
    source: Source
    base: Started


def refuse_to_disturb(plan: Plan) -> None:
    """Agree to everything but to cutting a protected environment that runs: where nobody can be asked.

    Raises: `UsageError`.
    """
    if plan.disturbs:
        raise UsageError(
            f"this cuts {', '.join(plan.disturbs)}, which is protected and runs, and nobody can be asked",
            state="Nothing was changed.",
        )


def up(session: Session, names: tuple[str, ...], options: UpOptions, agree: Agree = refuse_to_disturb) -> UpResult:
    """Show what will change, carry exactly that out, the base first, and return when everything is proven healthy.

    `names` are targets, or one target and some of its services, which come with what they depend on.

    Raises: `SpecError`, `StaleError`, `LockedError`, `PreflightError`, `EngineError`, `NotHealthyError`, and what
    `agree` raises; the error says what state things are in.
    """
    chosen, services = session.project.choose(names)
    selected = {stack.target: session.project.services(stack, services) for stack in chosen}
    return up_selected(session, selected, options, agree, f"envmgr up {' '.join(names)}")


def up_selected(session: Session, selected: Selected, options: UpOptions, agree: Agree, again: str) -> UpResult:
    """Do the same for services that are known; `again` is the command to type when it was interrupted."""
    system = session.project.system
    environments = tuple(stack for stack in system.environments if stack.target in selected)
    stacks = (system.base, *environments)
    with session.locks.acquire_all(tuple(s.target for s in environments)), interruptible(session, stacks, again):
        for stack in environments:
            _tell_cut(session, stack)
        return up_locked(session, selected, options, agree)


def _tell_cut(session: Session, stack: Stack) -> None:
    """Say that an operation of several steps was cut: `up` brings things to the spec, and ends none."""
    entry = Journal(session.project.folder, stack.target).read()
    if entry is not None:
        session.caution(stack.target, f"{entry.operation} of {entry.subject} was cut; to go on: {entry.command}")


def up_locked(session: Session, selected: Selected, options: UpOptions, agree: Agree) -> UpResult:
    """Do the same for an operation that holds the environments' locks."""
    began = time.monotonic()
    system = session.project.system
    environments = tuple(stack for stack in system.environments if stack.target in selected)
    stacks = (system.base, *environments)
    ground = _lay_ground(session, stacks, selected, options, agree)
    started = [ground.base]
    for stack in environments:
        started.append(_bring_up(session, stack, selected[stack.target], ground))
    for stack in environments:
        if stack.colours and not options.leaves_releases:
            _bring_release_up(session, stack)
    return UpResult(
        targets=tuple(stack.target for stack in stacks),
        services=tuple(health for one in started for health in one.healths),
        addresses=tuple(address for stack in stacks for address in addresses(stack)),
        seconds=time.monotonic() - began,
        changed=sum(one.touched for one in started),
    )


def _bring_release_up(session: Session, stack: Stack) -> None:
    """Start what was deployed and taken down since; nothing else touches what serves."""
    from envmgr.operations.colour import bring_up

    bring_up(session, stack)


def _lay_ground(
    session: Session, stacks: tuple[Stack, ...], selected: Selected, options: UpOptions, agree: Agree
) -> _Ground:
    """Bring the base up and give every environment its part of it, while nobody else works on the base."""
    base, *environments = stacks
    with session.locks.acquire(naming.INFRA, wait=BASE_WAIT):
        with ThreadPoolExecutor(1) as meanwhile:
            host = meanwhile.submit(session.engine.host)
            # Not before the locks: whoever held them may have made values meanwhile.
            values = gather(session, stacks, allows_weak=options.allows_weak)
            observed = session.observe()
        plan, source = _agreed(session, stacks, selected, values, options, agree, observed, host.result())
        _write_documents(session)
        if plan.of("", Subject.IMAGE):
            ensure_images(session, stacks, source, build=options.build)
        unproven = _to_prove(session, selected.get(base.target, base.services), plan, options)
        started = bring_base_up(
            session,
            unproven,
            values[base.target],
            source,
            plan.of(base.target),
        )
        if not options.trusts_ground:
            shut_out(session)
        if not options.new_secrets:
            for stack in environments:
                refuse_lost(session, stack, values[stack.target])
        owned = {
            stack.target: own(
                session,
                stack,
                values[stack.target],
                is_sure=options.trusts_ground and not unproven and _stands(session, stack, plan),
            )
            for stack in environments
        }
    return _Ground(owned, plan, source, started)


def _stands(session: Session, stack: Stack, plan: Plan) -> bool:
    """Tell whether an environment runs and nothing gives reason to look at what it owns in the base."""
    grounds = (Subject.GRANT, Subject.NETWORK, Subject.VOLUME)
    runs = any(container.state is State.RUNNING for container in session.observe().of(stack.compose_project))
    return runs and not any(step.subject in grounds for step in plan.of(stack.target))


def _to_prove(session: Session, services: tuple[Service, ...], plan: Plan, options: UpOptions) -> tuple[Service, ...]:
    """Return the services of the base to bring up and to probe."""
    base = session.project.system.base
    if not options.trusts_ground or plan.of(base.target):
        return services
    observed, now = session.observe(), datetime.now(UTC)
    judged = [judge(service, observed.of(base.compose_project, service.name), now)[0] for service in services]
    return () if all(verdict.is_good for verdict in judged) else services


def _agreed(
    session: Session,
    stacks: tuple[Stack, ...],
    selected: Selected,
    values: dict[str, Values],
    options: UpOptions,
    agree: Agree,
    observed: Observed,
    host: Host,
) -> tuple[Plan, Source]:
    """Find out what has to be done, and have it agreed to; all that can be refused is refused, and nothing changes."""
    project = session.project
    for stack in stacks:
        refuse_cut_off(session, stack)
    findings = check(project.system, stacks, observed, host, is_free=is_free, holder_of=holder_of)
    findings.raise_problems()
    for caution in findings.cautions:
        session.caution("", caution)
    source = choose_source(session, observed, options.images)
    plan = propose(session, stacks, selected, values, source, observed=observed, build=options.build)
    if plan.refusals:
        raise PreflightError("the start was refused", plan.refusals, state="Nothing was started.")
    if not options.new_secrets:
        _refuse_lost_values(session, stacks, values, observed)
    refuse_wrong_configs(session, stacks, plan, observed)
    _tell(session, plan)
    agree(plan)
    return plan, source


def _refuse_lost_values(
    session: Session, stacks: tuple[Stack, ...], values: dict[str, Values], observed: Observed
) -> None:
    """Refuse before anybody is asked to agree to containers with new values; a server that is down is asked later."""
    base, *environments = stacks
    refuse_lost_of_base(session, values[base.target], observed)
    for stack in environments:
        with suppress(EngineError):
            refuse_lost(session, stack, values[stack.target])


def _tell(session: Session, plan: Plan) -> None:
    """Say what the plan leaves as it is."""
    for remark in plan.remarks:
        session.note(remark.target, remark.text)
    differing = ", ".join(step.name for step in plan.kept if not step.reason)
    apply = f"envmgr up {naming.INFRA}"
    if differing:
        text = f"{differing} differs from the spec and keeps running as it is; to apply: {apply}"
        session.caution(naming.INFRA, text)
    for step in plan.kept:
        if step.reason:
            text = f"{', '.join(step.containers)} keeps running although {step.reason}; to remove it: {apply}"
            session.caution(naming.INFRA, text)


def _write_documents(session: Session) -> None:
    project = session.project
    changes = write(project.folder / layout.COMPOSE, render(project.declared, project.folder))
    if changes:
        session.note("", f"rendered {layout.COMPOSE}/: {', '.join(change.path for change in changes)}")
    for stack in project.system.environments:
        if stack.native:
            write_native_documents(project, stack)


def _bring_up(session: Session, stack: Stack, services: tuple[Service, ...], ground: _Ground) -> Started:
    plain = ground.values[stack.target].plain(stack)
    deliver(session.project.folder, stack, plain, session.vault)
    note_values(session, stack)
    steps = ground.plan.of(stack.target)
    remove(session, stack, steps)
    create_volumes(session, stack, steps, ground.source)
    servers = tuple(service for service in stack.services if service.is_server)
    first = _start_servers(session, stack, servers, steps, ground.source)
    started = start(session, stack, services, without(steps, servers), ground.source)
    return Started(started.healths, started.touched + first)


def _start_servers(
    session: Session, stack: Stack, servers: tuple[Service, ...], steps: tuple[Step, ...], source: Source
) -> int:
    """Start the servers that an environment has for itself, and make in them what its services need."""
    if not servers:
        return 0
    grants = tuple(grant for grant in stack.grants if is_inside(stack, grant))
    return start(session, stack, servers, steps, source, grants).touched
