"""Restart containers in place, and prove them healthy again."""

from __future__ import annotations

import time

from envmgr.errors import UsageError
from envmgr.health.wait import Waiter
from envmgr.model.health import ServiceHealth
from envmgr.model.observed import State
from envmgr.model.progress import Progress
from envmgr.model.result import UpResult
from envmgr.model.stack import Service, Stack
from envmgr.operations.base import connect_all
from envmgr.operations.diagnosis import not_healthy
from envmgr.operations.order import waves
from envmgr.operations.session import Session
from envmgr.operations.up import addresses, interruptible
from envmgr.operations.values import vault_of

_BASE_WAIT = 600


def restart(session: Session, names: tuple[str, ...]) -> UpResult:
    """Restart targets, or some services of one target, in the order of their dependencies.

    Raises: `UsageError` when one of them has no container; `NotHealthyError`.
    """
    began = time.monotonic()
    stacks, services = session.project.choose(names)
    chosen = {s.target: tuple(o for o in session.project.services(s, services) if not o.is_job) for s in stacks}
    vault_of(session, session.project.system.stacks)
    targets = tuple(stack.target for stack in stacks)
    with session.locks.acquire_all(targets, base_wait=_BASE_WAIT), interruptible(session, stacks):
        for stack in stacks:
            _require_running(session, stack, chosen[stack.target])
        healths = tuple(health for stack in stacks for health in _restart(session, stack, chosen[stack.target]))
        if any(stack.is_base for stack in stacks):
            connect_all(session)
    where = tuple(address for stack in stacks for address in addresses(stack))
    return UpResult(targets, healths, where, time.monotonic() - began, len(healths))


def _require_running(session: Session, stack: Stack, services: tuple[Service, ...]) -> None:
    observed = session.observe()
    for service in services:
        if not observed.of(stack.compose_project, service.name):
            raise UsageError(
                f"{service.name} of {stack.target} has no container to restart",
                state="Nothing was restarted.",
                help=f"envmgr up {stack.target}",
            )


def _restart(session: Session, stack: Stack, services: tuple[Service, ...]) -> tuple[ServiceHealth, ...]:
    healths: list[ServiceHealth] = []
    with session.engine.events(stack.project) as events:
        for wave in waves(stack, stack.services):
            chosen = tuple(service for service in wave if service in services)
            if not chosen:
                continue
            session.step(stack.target, f"restarting {', '.join(service.name for service in chosen)}")
            for service in chosen:
                for container in session.observe().of(stack.compose_project, service.name):
                    if container.state is not State.REMOVING:
                        session.engine.restart(container.id, service.stop_seconds)
            waiter = Waiter(stack, session.observe, events, session.prober(), lambda h: session.listen(Progress(h)))
            verdicts = waiter.wait(chosen)
            healths += verdicts
            if not all(health.verdict.is_good for health in verdicts):
                raise not_healthy(session, stack, tuple(healths))
    return tuple(healths)
