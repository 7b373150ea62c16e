"""Carry out the steps of a plan that concern containers, in the order of their dependencies, and prove each wave."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from envmgr import layout
from envmgr.engine.protocol import EventStream, Recreate
from envmgr.errors import EngineError
from envmgr.health.wait import Waiter
from envmgr.model.health import ServiceHealth
from envmgr.model.observed import Container, Observed
from envmgr.model.plan import Action, Step, Subject
from envmgr.model.progress import Progress
from envmgr.model.stack import Grant, Service, Stack
from envmgr.operations.image_source import Source
from envmgr.operations.order import waves
from envmgr.operations.session import Session, locator
from envmgr.planning.leftovers import leftovers

_COMPOSE_SECONDS = 180
"""Creating and replacing containers; a replaced one has its own time to stop besides."""
_STOP_SECONDS = 60
"""For a container that does not say it: a worker has tasks to finish."""


@dataclass(frozen=True, slots=True)
class Started:
    """How a start went."""

    healths: tuple[ServiceHealth, ...] = ()
    touched: int = 0
    """Services whose containers were created, recreated or started."""


def start(
    session: Session,
    stack: Stack,
    services: tuple[Service, ...],
    steps: tuple[Step, ...],
    source: Source,
    grants: tuple[Grant, ...] = (),
) -> Started:
    """Carry out the steps that bring services up, and wait until these, and all they depend on, are proven healthy.

    `grants` are made in a server once it is proven, before what depends on it starts: that may need them to be healthy.

    Raises: `NotHealthyError` with the first cause; `EngineError` when a server refuses a grant.
    """
    healths: list[ServiceHealth] = []
    touched: set[str] = set()
    with session.engine.events(stack.project) as events:
        for wave in waves(stack, services):
            observed = session.observe()
            names = {service.name for service in wave}
            pending = tuple(step for step in _starting(steps) if step.name in names)
            if pending:
                session.step(stack.target, f"starting {', '.join(dict.fromkeys(step.name for step in pending))}")
                _carry_out(session, stack, pending, source)
                touched |= {step.name for step in pending}
            healths += prove(session, stack, wave, events, observed, tuple(healths), is_fresh=not pending)
            ensure(session, tuple(grant for grant in grants if grant.server in names))
    return Started(tuple(healths), len(touched))


def ensure(session: Session, grants: tuple[Grant, ...]) -> None:
    """Create or repair what some grants stand for, side by side; their servers run."""
    if not grants:
        return
    from concurrent.futures import ThreadPoolExecutor

    provisioner = session.provisioner()
    with ThreadPoolExecutor(max_workers=max(1, len(grants))) as pool:
        for grant, closed in zip(grants, pool.map(provisioner.ensure, grants), strict=True):
            for what in closed:
                session.caution(grant.target, f"{grant.server}: closed what had been opened by hand: {what}")


def _starting(steps: Iterable[Step]) -> tuple[Step, ...]:
    return tuple(s for s in steps if s.subject is Subject.SERVICE and s.action is not Action.REMOVE)


def without(steps: Iterable[Step], services: Iterable[Service]) -> tuple[Step, ...]:
    """Return the steps that do not bring up one of these services."""
    names = {service.name for service in services}
    return tuple(step for step in steps if step.subject is not Subject.SERVICE or step.name not in names)


def prove(
    session: Session,
    stack: Stack,
    services: tuple[Service, ...],
    events: EventStream,
    before: Observed,
    earlier: tuple[ServiceHealth, ...],
    *,
    is_fresh: bool = False,
) -> tuple[ServiceHealth, ...]:
    """Wait until services are healthy; restarts that `before` shows already are no crashes.

    `is_fresh`: nothing was done since `before` was taken, which will do for the first look.

    Raises: `NotHealthyError` with the first cause among these verdicts and the `earlier` ones.
    """
    restarts = {container.id: container.restart_count for container in before.of(stack.compose_project)}
    latest = _Latest(session, before, is_fresh)
    prober = replace(session.prober(), locate=latest.locate)
    waiter = Waiter(stack, latest.observe, events, prober, lambda h: session.listen(Progress(h)), restarts)
    healths = waiter.wait(services)
    if not all(health.verdict.is_good for health in healths):
        from envmgr.operations.diagnosis import not_healthy  # what knows every cause is large, and seldom needed

        raise not_healthy(session, stack, (*earlier, *healths))
    return healths


@dataclass(slots=True)
class _Latest:
    """The last snapshot, where probes find the containers that it showed to be healthy."""

    session: Session
    observed: Observed
    is_fresh: bool
    """It will do for the next look."""

    def observe(self) -> Observed:
        if not self.is_fresh:
            self.observed = self.session.observe()
        self.is_fresh = False
        return self.observed

    def locate(self, target: str, service: str) -> str | None:
        return locator(self.session.project, self.observed)(target, service)


def _carry_out(session: Session, stack: Stack, steps: tuple[Step, ...], source: Source) -> None:
    for step in steps:
        if step.action is Action.RESTART:
            _restart(session, stack, step)
    for mode in Recreate:
        names = tuple(step.name for step in steps if step.action is not Action.RESTART and _mode(step) is mode)
        if names:
            _compose_up(session, stack, names, mode, source)


def _mode(step: Step) -> Recreate:
    """Return how Compose has to be asked, so that it does what the step says and no more."""
    if step.action is not Action.RECREATE:
        return Recreate.NEVER
    return Recreate.ALWAYS if step.is_drift else Recreate.CHANGED


def _restart(session: Session, stack: Stack, step: Step) -> None:
    for container in session.observe().of(stack.compose_project, step.name):
        if container.name in step.containers:
            session.engine.restart(container.id, stack.service(step.name).stop_seconds)


def _compose_up(session: Session, stack: Stack, names: tuple[str, ...], mode: Recreate, source: Source) -> None:
    files = session.compose_files(stack, uses_recipes=source is Source.RECIPES)
    deadline = _COMPOSE_SECONDS + max(stack.service(name).stop_seconds for name in names)
    try:
        session.engine.compose_up(
            tuple(Path(file) for file in files),
            stack.compose_project,
            names,
            deadline=deadline,
            recreate=mode,
            folder=session.project.folder / layout.COMPOSE,
        )
    except EngineError as error:
        from envmgr.operations.diagnosis import refused

        raise refused(session, stack, error) from error


def remove(session: Session, stack: Stack, steps: tuple[Step, ...]) -> None:
    """Remove the containers that the plan names; what has gone meanwhile is gone."""
    removals = tuple(step for step in steps if step.subject is Subject.SERVICE and step.action is Action.REMOVE)
    found = {container.name: container for container in session.observe().of(stack.compose_project)} if removals else {}
    for step in removals:
        for name in step.containers:
            if name in found:
                _remove_container(session, stack, found[name], step.reason)


def remove_leftovers(session: Session, stack: Stack) -> None:
    """Remove the containers that are not to run whatever else does."""
    for one in leftovers(stack, session.observe()):
        _remove_container(session, stack, one.container, one.reason)


def _remove_container(session: Session, stack: Stack, container: Container, reason: str) -> None:
    session.note(stack.target, f"removing {container.name}: {reason}")
    session.engine.stop(container.id, container.settings.stop_seconds or _STOP_SECONDS)
    session.engine.remove_container(container.id)
