"""The shared base: brought up, kept, and connected to the networks of the environments."""

from __future__ import annotations

from contextlib import suppress

from envmgr import naming
from envmgr.errors import EnvmgrError
from envmgr.model.observed import Observed, State
from envmgr.model.plan import Step
from envmgr.model.stack import Service, Stack
from envmgr.operations.image_source import Source, server_volumes
from envmgr.operations.keeping import note_values
from envmgr.operations.session import Session
from envmgr.operations.start import Started, remove, start
from envmgr.operations.values import Values, is_password_of, lost, store_generated
from envmgr.operations.volumes import create_volumes
from envmgr.secrets.deliver import deliver

_RECOVER = (
    "If it is gone for good, stop the base, remove the file users.acl from the Redis or Valkey volume and run "
    "`envmgr up infra --new-secrets`."
)


def bring_base_up(
    session: Session,
    services: tuple[Service, ...],
    values: Values,
    source: Source,
    steps: tuple[Step, ...],
) -> Started:
    """Carry out the plan's steps for the base, prove its services, and connect them to every environment's network.

    Raises: `NotHealthyError`.
    """
    base = session.project.system.base
    if not base.services:
        return Started()
    values = store_generated(session, base, values)
    deliver(session.project.folder, base, values.plain(base), session.vault)
    note_values(session, base)
    create_volumes(session, base, steps, source)
    try:
        remove(session, base, steps)
        started = start(session, base, services, steps, source, base.grants)
    except (EnvmgrError, KeyboardInterrupt):
        # One server that fails must not take those that were recreated beside it away from the environments.
        with suppress(EnvmgrError):
            connect_all(session)
        raise
    connect_all(session)
    return started


def refuse_lost_of_base(session: Session, values: Values, observed: Observed) -> None:
    """Refuse when a password of the base is missing whose server has written data already.

    Raises: `SpecError`.
    """
    base = session.project.system.base
    there = {volume.name for volume in server_volumes(session, observed)}
    for volume in base.volumes:
        if volume.name in there and any(is_password_of(need, volume.service) for need in values.to_generate):
            raise lost(session, base, values, f"volume {volume.name}", _RECOVER)


def connect_all(session: Session) -> None:
    """Connect the base to every environment's network that exists: a recreated container has lost its connections."""
    observed = session.observe()
    existing = {network.name for network in observed.networks}
    for stack in session.project.system.parts[1:]:
        if naming.data_network(stack.project, stack.target) in existing:
            connect(session, stack, observed)


def connect(session: Session, stack: Stack, observed: Observed) -> None:
    """Connect what an environment uses of the base, and what oversees all of them, to its network."""
    base = session.project.system.base
    network = naming.data_network(stack.project, stack.target)
    overseers = tuple(service.name for service in base.services if service.faces_environments)
    for server in dict.fromkeys((*servers_of(stack), *overseers)):
        for container in observed.of(base.compose_project, server):
            if container.state is State.RUNNING and server not in container.networks.get(network, ()):
                session.engine.connect(network, container.id, (server,))


def servers_of(stack: Stack) -> tuple[str, ...]:
    """Return the services of the base that an environment uses."""
    return tuple(dict.fromkeys(name for service in stack.services for name in service.uses))


def disconnect(session: Session, stack: Stack, observed: Observed) -> None:
    """Take the base's containers out of an environment's network."""
    base = session.project.system.base
    network = naming.data_network(stack.project, stack.target)
    for container in observed.of(base.compose_project):
        if network in container.networks:
            session.engine.disconnect(network, container.id)
