"""Start services of one stack in the order of their dependencies, and prove each before the next."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from envmgr import naming
from envmgr.engine.protocol import EventStream
from envmgr.errors import EngineError
from envmgr.health.wait import Waiter
from envmgr.model.health import ServiceHealth
from envmgr.model.observed import Container, EngineHealth, Observed, State
from envmgr.model.progress import Progress
from envmgr.model.stack import Service, Stack
from envmgr.operations.diagnosis import not_healthy, refused
from envmgr.operations.image_source import Source
from envmgr.operations.images import effective_ids
from envmgr.operations.order import waves
from envmgr.operations.session import Session
from envmgr.render.files import service_hashes

_COMPOSE_SECONDS = 180
"""Creating and replacing containers; a replaced one has its own time to stop besides."""
_HALF_REPLACED = re.compile(r"[0-9a-f]{12}_.+")
"""Compose's name for a container on its way out, or not yet in place."""
_STOP_SECONDS = 60
"""For a service that the spec no longer has: its own time to stop is not known, and a worker has tasks to finish."""


@dataclass(frozen=True, slots=True)
class Desired:
    """What the containers of a stack should carry."""

    hashes: Mapping[str, str]
    revisions: Mapping[str, str]
    image_ids: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Started:
    """How a start went."""

    healths: tuple[ServiceHealth, ...] = ()
    touched: int = 0
    """Services whose containers were created, recreated or started."""


def desired(session: Session, stack: Stack, revisions: Mapping[str, str], source: Source) -> Desired:
    """Return what the containers of a stack should carry."""
    hashes = service_hashes(stack, session.project.folder)
    return Desired(hashes, revisions, effective_ids(session, stack, source))


def start(
    session: Session,
    stack: Stack,
    services: tuple[Service, ...],
    wanted: Desired,
    source: Source,
    *,
    keeps_running: bool = False,
) -> Started:
    """Start what is not as it should be, and wait until all of it is proven healthy.

    With `keeps_running`, what runs is left alone even where it differs: others depend on it.

    Raises: `NotHealthyError` with the first cause.
    """
    healths: list[ServiceHealth] = []
    touched = 0
    remove_leftovers(session, stack, keeps_running=keeps_running)
    with session.engine.events(stack.project) as events:
        for wave in waves(stack, services):
            observed = session.observe()
            pending = tuple(s for s in wave if not is_as_wanted(stack, s, observed, wanted))
            if keeps_running:
                pending = _not_running(session, stack, pending, observed)
            if pending:
                session.step(stack.target, f"starting {', '.join(service.name for service in pending)}")
                _compose_up(session, stack, pending, source)
                touched += len(pending)
            healths += prove(session, stack, wave, events, observed, tuple(healths))
    return Started(tuple(healths), touched)


def prove(
    session: Session,
    stack: Stack,
    services: tuple[Service, ...],
    events: EventStream,
    before: Observed,
    earlier: tuple[ServiceHealth, ...],
) -> tuple[ServiceHealth, ...]:
    """Wait until services are healthy; restarts that `before` shows already are no crashes.

    Raises: `NotHealthyError` with the first cause among these verdicts and the `earlier` ones.
    """
    restarts = {container.id: container.restart_count for container in before.of(stack.compose_project)}
    waiter = Waiter(stack, session.observe, events, session.prober(), lambda h: session.listen(Progress(h)), restarts)
    healths = waiter.wait(services)
    if not all(health.verdict.is_good for health in healths):
        raise not_healthy(session, stack, (*earlier, *healths))
    return healths


def _not_running(
    session: Session, stack: Stack, services: tuple[Service, ...], observed: Observed
) -> tuple[Service, ...]:
    running = tuple(s for s in services if any(_is_alive(s, c) for c in _of(stack, s, observed)))
    if running:
        names = ", ".join(service.name for service in running)
        text = f"{names} differs from the spec and keeps running as it is; to apply: envmgr up {stack.target}"
        session.caution(stack.target, text)
    return tuple(service for service in services if service not in running)


def is_as_wanted(stack: Stack, service: Service, observed: Observed, wanted: Desired) -> bool:
    """Tell whether a service's containers run, or a job has succeeded, with the very definition that is wanted."""
    containers = _of(stack, service, observed)
    return len(containers) == service.replicas and all(_matches(service, c, wanted) for c in containers)


def _matches(service: Service, container: Container, wanted: Desired) -> bool:
    return (
        _is_alive(service, container)
        and container.labels.get(naming.LABEL_HASH) == wanted.hashes[service.name]
        and container.revision == wanted.revisions[service.name]
        and container.image_id == wanted.image_ids[service.name]
    )


def _is_alive(service: Service, container: Container) -> bool:
    if service.is_job:
        return container.state is State.EXITED and container.exit_code == 0
    return container.state is State.RUNNING and container.health is not EngineHealth.UNHEALTHY


def _of(stack: Stack, service: Service, observed: Observed) -> tuple[Container, ...]:
    return observed.of(stack.compose_project, service.name)


def _compose_up(session: Session, stack: Stack, services: tuple[Service, ...], source: Source) -> None:
    files = session.compose_files(stack, uses_recipes=source is Source.RECIPES)
    deadline = _COMPOSE_SECONDS + max(service.stop_seconds for service in services)
    try:
        session.engine.compose_up(
            tuple(Path(file) for file in files),
            stack.compose_project,
            tuple(service.name for service in services),
            deadline=deadline,
        )
    except EngineError as error:
        raise refused(session, stack, error) from error


def remove_leftovers(session: Session, stack: Stack, *, keeps_running: bool = False) -> None:
    """Remove what is not to run: services that left the spec, and containers of a replacement that was cut short.

    With `keeps_running`, a service that left the spec goes only when it does not run: others may still use it.
    """
    known = {service.name for service in stack.services}
    for container in session.observe().of(stack.compose_project):
        if container.service not in known:
            why = f"the spec no longer has {container.service}"
            if keeps_running and container.state.has_process:
                text = f"{container.name} keeps running although {why}; to remove it: envmgr up {stack.target}"
                session.caution(stack.target, text)
                continue
        elif _HALF_REPLACED.fullmatch(container.name):
            why = "left by a command that was cut short"
        else:
            continue
        session.note(stack.target, f"removing {container.name}: {why}")
        session.engine.stop(container.id, _STOP_SECONDS)
        session.engine.remove_container(container.id)
