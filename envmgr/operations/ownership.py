"""What an environment owns on the shared base: its network, and its part of every server that it uses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from envmgr import naming
from envmgr.engine.commands import NotRunning
from envmgr.errors import EngineError
from envmgr.model.stack import Command, Grant, Stack
from envmgr.operations.base import connect
from envmgr.operations.session import Session
from envmgr.operations.start import ensure
from envmgr.operations.values import Values, is_password_of, lost, store_generated
from envmgr.provision.grants import Provisioner

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
    part(session, stack)
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
        for piece in (stack, *stack.colours):
            connect(session, piece, session.observe())


def part(session: Session, stack: Stack) -> None:
    """Take the containers of an environment out of others' networks, and those of others out of its own."""
    system, observed = session.project.system, session.observe()
    owners = {
        network.name: one
        for one in system.stacks
        for piece in (one, *one.colours)
        for network in piece.networks
        if not network.is_foreign
    }
    for one in system.environments:
        for container in (c for piece in (one, *one.colours) for c in observed.of(piece.compose_project)):
            for name in container.networks:
                owner = owners.get(name, one)
                if owner is not one and stack in (one, owner):
                    session.engine.disconnect(name, container.id)
                    session.caution(
                        stack.target, f"closed what had been opened by hand: {container.name} was in {name}"
                    )


def shut_out(session: Session) -> None:
    """Close what environments hold in the base's servers that the spec no longer has, and say what is left of them.

    Their data stays. A server that cannot be asked is asked at the next `up`.
    """
    provisioner = session.provisioner()
    for command in session.project.system.base.sweeps:
        with suppress(NotRunning):
            for who in _swept(session, provisioner, command):
                again = "to delete it, put the environment back into the spec and `envmgr destroy` it"
                session.caution(command.target, f"{command.service}: {who}; {again}")


def _swept(session: Session, provisioner: Provisioner, command: Command) -> tuple[str, ...]:
    try:
        return provisioner.sweep(command)
    except EngineError as error:
        session.caution(command.target, str(error))
        return ()
