"""Take stacks down; volumes always stay."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from envmgr import naming
from envmgr.errors import EngineError, UsageError
from envmgr.model.observed import Container, Observed
from envmgr.model.plan import Plan
from envmgr.model.result import DownResult
from envmgr.model.stack import Stack
from envmgr.operations.base import disconnect
from envmgr.operations.interruption import interruptible
from envmgr.operations.plan import leaving
from envmgr.operations.session import BASE_WAIT, Session
from envmgr.operations.start import remove_leftovers
from envmgr.planning.leaving import plan_down

Show = Callable[[Plan], None]
_SECONDS = 60
"""For Compose itself, besides the services' own time to stop."""


def down(session: Session, names: tuple[str, ...], show: Show = lambda _plan: None) -> DownResult:
    """Stop and remove the containers and networks of some targets, or some services of one target.

    What goes is shown first.

    Raises: `UsageError` when the base would be taken from under an environment that runs.
    """
    stacks, services = session.project.choose(names)
    targets = tuple(stack.target for stack in stacks)
    environments = tuple(stack for stack in stacks if not stack.is_base)
    takes_base = any(stack.is_base for stack in stacks)
    # Nobody may bring an environment up while its base goes away.
    locked = session.project.system.environments if takes_base else environments
    again = f"envmgr down {' '.join(names)}"
    with session.locks.acquire_all(tuple(s.target for s in locked)), interruptible(session, stacks, again):
        if takes_base:
            refuse_under_environments(session, session.observe(), besides=targets)
        show(plan_down(leaving(session, (*environments, *_base(stacks)), session.observe()), services))
        removed = [name for stack in environments for name in take_down(session, stack, services)]
        if takes_base and session.project.system.base.services:
            with session.locks.acquire(naming.INFRA, wait=BASE_WAIT):
                removed += take_down(session, session.project.system.base, services)
    return DownResult(tuple(s.target for s in stacks), tuple(removed), _kept(session, stacks))


def _base(stacks: tuple[Stack, ...]) -> tuple[Stack, ...]:
    return tuple(stack for stack in stacks if stack.is_base)


def refuse_under_environments(session: Session, observed: Observed, besides: tuple[str, ...]) -> None:
    """Refuse while an environment that is not taken down too still runs.

    Raises: `UsageError`.
    """
    running = [
        stack.target
        for stack in session.project.system.environments
        if stack.target not in besides and any(c.state.has_process for c in observed.of(stack.compose_project))
    ]
    if running:
        raise UsageError(
            f"{naming.INFRA} carries {', '.join(running)}, which still run",
            state="Nothing was stopped.",
            help=f"envmgr down {' '.join(running)} {naming.INFRA}",
        )


def take_down(session: Session, stack: Stack, services: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Stop and remove a stack's containers and networks, or some services; return the containers' names."""
    colours = () if services else tuple(name for one in stack.colours for name in take_down(session, one))
    containers = session.observe().of(stack.compose_project)
    if services:
        chosen = tuple(container for container in containers if container.service in services)
        _remove(session, stack, chosen)
        return tuple(container.name for container in chosen)
    if session.project.declared.stack(stack.target).services:
        _compose_down(session, stack)
    _remove_networks(session, stack)
    return (*colours, *(container.name for container in containers))


def _compose_down(session: Session, stack: Stack) -> None:
    # The document of all services, whichever run on the desk now: what they have in Docker goes too.
    declared = session.project.declared.stack(stack.target)
    files = tuple(Path(file) for file in session.compose_files(declared, uses_recipes=False))
    # Compose removes what its document has; a service that left it would hold the networks.
    remove_leftovers(session, stack)
    names = [container.name for container in session.observe().of(stack.compose_project)]
    if names:
        session.step(stack.target, f"stopping {', '.join(names)}")
    patience = _SECONDS + max(service.stop_seconds for service in declared.services)
    session.engine.compose_down(files, stack.compose_project, deadline=patience)


def _remove_networks(session: Session, stack: Stack) -> None:
    """Remove the networks that Compose leaves: those that envmgr made for the base to join."""
    existing = {network.name for network in session.observe().networks}
    for network in stack.networks:
        # A colour's is the environment's to make and to remove: its edge joins it too.
        if network.is_external and network.name in existing and not stack.part_of:
            _remove_network(session, stack, network.name)


def _remove_network(session: Session, stack: Stack, name: str) -> None:
    _disconnect(session, stack)
    try:
        session.engine.remove_network(name)
    except EngineError:
        # An `up infra` at the same moment connects its new containers to every network that it sees.
        _disconnect(session, stack)
        session.engine.remove_network(name)


def _disconnect(session: Session, stack: Stack) -> None:
    observed = session.observe()
    for part in (stack, *stack.colours):
        disconnect(session, part, observed)


def _remove(session: Session, stack: Stack, containers: tuple[Container, ...]) -> None:
    for container in containers:
        session.step(stack.target, f"stopping {container.name}")
        session.engine.stop(container.id, stack.service(container.service).stop_seconds)
        session.engine.remove_container(container.id)


def _kept(session: Session, stacks: tuple[Stack, ...]) -> tuple[str, ...]:
    names = {volume.name for stack in stacks for volume in stack.volumes}
    return tuple(volume.name for volume in session.observe().volumes if volume.name in names)
