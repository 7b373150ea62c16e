"""Restart containers in place, and prove them healthy again."""

from __future__ import annotations

import time

from envmgr import naming
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


def restart(session: Session, target: str, services: tuple[str, ...]) -> UpResult:
    """Restart a target's services, or some of them, in the order of their dependencies.

    Raises: `UsageError` when one of them does not run; `NotHealthyError`.
    """
    began = time.monotonic()
    (stack,) = session.project.stacks((target,))
    chosen = tuple(s for s in session.project.services(stack, services) if not s.is_job)
    vault_of(session, session.project.system.stacks)
    wait = _BASE_WAIT if target == naming.INFRA else 0
    with session.locks.acquire(target, wait=wait), interruptible(session, (stack,)):
        _require_running(session, stack, chosen)
        healths = _restart(session, stack, chosen)
        if stack.is_base:
            connect_all(session)
    return UpResult((target,), healths, addresses(stack), time.monotonic() - began, len(chosen))


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
