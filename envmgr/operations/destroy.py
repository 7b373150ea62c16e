"""Delete a target with its data, after showing what would be lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from envmgr import naming
from envmgr.errors import EngineError, UsageError
from envmgr.model.observed import State
from envmgr.model.plan import Plan
from envmgr.model.result import DownResult
from envmgr.model.stack import Grant, Stack
from envmgr.operations.down import refuse_under_environments, take_down
from envmgr.operations.interruption import interruptible
from envmgr.operations.ownership import is_inside
from envmgr.operations.plan import leaving
from envmgr.operations.session import BASE_WAIT, Session
from envmgr.operations.values import vault_of
from envmgr.planning.leaving import plan_destroy
from envmgr.secrets.deliver import withdraw

Confirm = Callable[[str, Plan], None]
"""(target, what goes) → returns when the operator agrees, raises otherwise."""


def destroy(session: Session, targets: tuple[str, ...], confirm: Confirm, *, protected: bool) -> Iterator[DownResult]:
    """Delete targets, the base last: containers, networks, volumes and everything that they own in shared servers.

    Yields each result when its target is gone. What can be refused for any of them is refused before the first.

    Raises: `UsageError` for a protected target without its own flag, for the base under a running environment, and when
    the operator does not agree; `EngineError` when the shared servers that hold its data do not run.
    """
    stacks = sorted(session.project.stacks(targets), key=lambda stack: stack.is_base)
    guarded = [stack.target for stack in stacks if stack.is_protected]
    if guarded and not protected:
        raise UsageError(
            f"{', '.join(guarded)} is protected",
            state="Nothing was deleted.",
            help=f"envmgr destroy {' '.join(targets)} --protected",
        )
    if stacks[-1].is_base:
        refuse_under_environments(session, session.observe(), besides=targets)
    vault_of(session, session.project.system.stacks)
    for stack in stacks:
        yield _destroy(session, stack, confirm)


def _destroy(session: Session, stack: Stack, confirm: Confirm) -> DownResult:
    locked = session.project.system.environments if stack.is_base else (stack,)
    with session.locks.acquire_all(tuple(one.target for one in locked)):
        if stack.is_base:
            refuse_under_environments(session, session.observe(), besides=())
        confirm(stack.target, what_goes(session, stack))
        again = f"envmgr destroy {stack.target}{' --protected' if stack.is_protected else ''}"
        with interruptible(session, (stack,), again), session.locks.acquire(naming.INFRA, wait=BASE_WAIT):
            return _delete(session, stack)


def what_goes(session: Session, stack: Stack) -> Plan:
    """Return what would be deleted, data with its amount.

    Raises: `EngineError` when a shared server that holds data of it does not run.
    """
    grants = _outside(session, stack)
    _require_servers(session, stack, grants)
    provisioner = session.provisioner()
    owned = {grant.title: provisioner.measure(grant) for grant in grants if provisioner.exists(grant)}
    return plan_destroy(leaving(session, (stack,), session.observe()), owned)


def _outside(session: Session, stack: Stack) -> tuple[Grant, ...]:
    """Return what does not go with the stack's own volumes: in the base's servers, when they hold data, and managed."""
    has_data = _base_has_data(session)
    grants = () if stack.is_base else stack.grants
    owned = (grant for grant in grants if not grant.is_given)
    return tuple(grant for grant in owned if grant.is_external or (not is_inside(stack, grant) and has_data))


def _delete(session: Session, stack: Stack) -> DownResult:
    removed = take_down(session, stack)
    provisioner = session.provisioner()
    for grant in _outside(session, stack):
        session.step(stack.target, f"deleting the {grant.title}")
        provisioner.revoke(grant)
    existing = {volume.name for volume in session.observe().volumes}
    for volume in dict.fromkeys(volume for part in (stack, *stack.colours) for volume in part.volumes):
        if volume.name in existing:
            session.step(stack.target, f"deleting volume {volume.name}")
            session.engine.remove_volume(volume.name)
    for part in (*stack.colours, stack):
        withdraw(session.project.folder, part.target)
    return DownResult((stack.target,), removed, ())


def _base_has_data(session: Session) -> bool:
    names = {volume.name for volume in session.project.system.base.volumes}
    return any(volume.name in names for volume in session.observe().volumes)


def _require_servers(session: Session, stack: Stack, grants: tuple[Grant, ...]) -> None:
    base = session.project.system.base
    observed = session.observe()
    for server in sorted({grant.server for grant in grants if not grant.is_external}):
        if not any(c.state is State.RUNNING for c in observed.of(base.compose_project, server)):
            raise EngineError(
                f"{server} of {base.target} does not run, and it may hold data of {stack.target}",
                state=f"Nothing of {stack.target} was deleted.",
                help=f"envmgr up {base.target}",
            )
