"""What an environment owns on the shared base: its network, and its part of every server that it uses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from envmgr import naming
from envmgr.errors import EngineError
from envmgr.model.stack import Grant, Stack
from envmgr.operations.base import connect
from envmgr.operations.session import Session
from envmgr.operations.start import ensure
from envmgr.operations.values import Values, is_password_of, lost, store_generated

_RECOVER = (
    "If it is new in the spec, or gone for good, `envmgr up {target} --new-secrets` makes new values and sets them in "
    "the servers; what old keys signed or encrypted is no longer readable."
)


def own(session: Session, stack: Stack, values: Values, *, is_sure: bool = False) -> Values:
    """Give an environment its network and its part of shared and managed servers; return its values, with new ones.

    `is_sure`: its part is known to be there, unless a value is new.
    """
    is_new = bool(values.to_generate)
    _make_network(session, stack)
    values = store_generated(session, stack, values)
    if is_new or not is_sure:
        with _untouched(stack):
            ensure(session, tuple(grant for grant in stack.grants if not is_inside(stack, grant)))
    return values


@contextmanager
def _untouched(stack: Stack) -> Iterator[None]:
    """Say in every error what state things are in."""
    try:
        yield
    except EngineError as error:
        error.state = error.state or f"No container of {stack.target} was started or stopped."
        raise


def is_inside(stack: Stack, grant: Grant) -> bool:
    """Tell whether a grant concerns a server of the stack's own, which starts with it and goes with it."""
    return grant.target == stack.target and not grant.is_external


def refuse_lost(session: Session, stack: Stack, values: Values) -> None:
    """Refuse when secrets are missing that open what the environment already owns.

    A server's password concerns what is owned in that server; any other secret may have signed or encrypted all of it.

    Raises: `SpecError`.
    """
    if not values.to_generate:
        return
    others = [need for need in values.to_generate if not any(is_password_of(need, g.server) for g in stack.grants)]
    with _untouched(stack):
        owned = _owned(session, stack, values, is_any=bool(others))
    owned += [f"volume {name}" for name in _written(session, stack, values, is_any=bool(others))]
    if owned:
        raise lost(session, stack, values, ", ".join(owned), _RECOVER.format(target=stack.target))


def _owned(session: Session, stack: Stack, values: Values, *, is_any: bool) -> list[str]:
    """Return what the stack owns in servers that go on without it, and that a missing value opens."""
    provisioner = session.provisioner()
    return [
        grant.title
        for grant in stack.grants
        if not is_inside(stack, grant) and not grant.is_given
        if is_any or any(is_password_of(need, grant.server) for need in values.to_generate)
        if provisioner.exists(grant)
    ]


def _written(session: Session, stack: Stack, values: Values, *, is_any: bool) -> tuple[str, ...]:
    """Return the volumes of the stack's own servers that exist and that a missing value opens."""
    existing = {volume.name for volume in session.observe().volumes}
    return tuple(
        volume.name
        for volume in stack.volumes
        if volume.name in existing and stack.service(volume.service).is_server
        if is_any or any(is_password_of(need, volume.service) for need in values.to_generate)
    )


def _make_network(session: Session, stack: Stack) -> None:
    labels = {naming.LABEL_PROJECT: stack.project, naming.LABEL_ENVIRONMENT: stack.target}
    for network in stack.networks:
        if network.is_external:
            session.engine.create_network(network, labels)
    if session.project.system.base.services:
        for part in (stack, *stack.colours):
            connect(session, part, session.observe())
