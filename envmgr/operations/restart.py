"""Restart containers in place, and prove them healthy again."""

from __future__ import annotations

import time

from envmgr.errors import UsageError
from envmgr.model.health import ServiceHealth
from envmgr.model.observed import State
from envmgr.model.result import UpResult
from envmgr.model.stack import Service, Stack
from envmgr.operations.addresses import addresses
from envmgr.operations.base import connect_all
from envmgr.operations.interruption import interruptible
from envmgr.operations.order import waves
from envmgr.operations.session import BASE_WAIT, Session
from envmgr.operations.start import prove
from envmgr.operations.values import read_all, vault_of
from envmgr.operations.weak import refuse_weak


def restart(session: Session, names: tuple[str, ...]) -> UpResult:
    """Restart targets, or some services of one target, in the order of their dependencies.

    Raises: `UsageError` when one of them has no container, or is a job; `NotHealthyError`.
    """
    began = time.monotonic()
    stacks, services = session.project.choose(names, takes_colours=True)
    chosen = {stack.target: session.project.services(stack, services) for stack in stacks}
    if services:
        _refuse_jobs(stacks[0], chosen[stacks[0].target])
    vault_of(session, session.project.system.stacks)
    refuse_weak(session, stacks, read_all(session, stacks))
    targets = tuple(dict.fromkeys(stack.environment for stack in stacks))
    again = f"envmgr restart {' '.join(names)}"
    with session.locks.acquire_all(targets, base_wait=BASE_WAIT), interruptible(session, stacks, again):
        for stack in stacks:
            _require_containers(session, stack, chosen[stack.target])
        healths = tuple(health for stack in stacks for health in _restart(session, stack, chosen[stack.target]))
        if any(stack.is_base for stack in stacks):
            connect_all(session)
    where = tuple(address for stack in stacks for address in addresses(stack))
    return UpResult(targets, healths, where, time.monotonic() - began, len(healths))


def _refuse_jobs(stack: Stack, services: tuple[Service, ...]) -> None:
    for service in services:
        if service.is_job:
            raise UsageError(
                f"{service.name} of {stack.target} is a job: it runs once, and there is nothing to restart",
                state="Nothing was restarted.",
                help=f"envmgr up {stack.target} {service.name} runs it when it has changed or failed",
            )


def _require_containers(session: Session, stack: Stack, services: tuple[Service, ...]) -> None:
    observed = session.observe()
    for service in services:
        if not service.is_job and not observed.of(stack.compose_project, service.name):
            raise UsageError(
                f"{service.name} of {stack.target} has no container to restart",
                state="Nothing was restarted.",
                help=f"envmgr up {stack.target}",
            )


def _restart(session: Session, stack: Stack, services: tuple[Service, ...]) -> tuple[ServiceHealth, ...]:
    healths: list[ServiceHealth] = []
    with session.engine.events(stack.project) as events:
        for wave in waves(stack, stack.services):
            chosen = tuple(service for service in wave if service in services and not service.is_job)
            if not chosen:
                continue
            session.step(stack.target, f"restarting {', '.join(service.name for service in chosen)}")
            before = session.observe()
            for service in chosen:
                for container in before.of(stack.compose_project, service.name):
                    if container.state is not State.REMOVING:
                        session.engine.restart(container.id, service.stop_seconds)
            healths += prove(session, stack, chosen, events, before, tuple(healths))
    return tuple(healths)
