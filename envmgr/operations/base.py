"""The shared base: brought up, kept, and connected to the networks of the environments."""

from __future__ import annotations

from envmgr import naming
from envmgr.model.health import ServiceHealth
from envmgr.model.observed import Observed, State
from envmgr.model.stack import Service, Stack
from envmgr.operations.image_source import Source, base_volumes, create_volumes
from envmgr.operations.session import Session
from envmgr.operations.start import desired, start
from envmgr.operations.values import Values, lost, store_generated
from envmgr.secrets.deliver import deliver

_RECOVER = (
    "If it is gone for good, stop the base, remove the file users.acl from the Redis volume and run "
    "`envmgr up infra --new-secrets`."
)


def bring_base_up(
    session: Session,
    services: tuple[Service, ...],
    values: Values,
    source: Source,
    *,
    is_asked_for: bool,
    new_secrets: bool,
) -> tuple[tuple[ServiceHealth, ...], int]:
    """Bring services of the base up, prove them, and connect them to every environment's network that exists.

    Unless it `is_asked_for`, what runs of it is left alone: bringing one environment up never disturbs another.

    Raises: `SpecError` when its passwords are missing although its volumes exist; `NotHealthyError`.
    """
    base = session.project.system.base
    if not base.services:
        return (), 0
    observed = session.observe()
    existing = base_volumes(session, observed)
    if values.to_generate and existing and not new_secrets:
        raise lost(session, base, values, f"volume {existing[0].name}", _RECOVER)
    values = store_generated(session, base, values)
    revisions = deliver(session.project.folder, base, values.plain(base), session.vault)
    create_volumes(session, observed, source)
    wanted = desired(session, base, revisions, source)
    healths, touched = start(session, base, services, wanted, source, keeps_running=not is_asked_for)
    connect_all(session)
    return healths, touched


def connect_all(session: Session) -> None:
    """Connect the base to every environment's network that exists: a recreated container has lost its connections."""
    observed = session.observe()
    existing = {network.name for network in observed.networks}
    for stack in session.project.system.environments:
        if naming.data_network(stack.project, stack.target) in existing:
            connect(session, stack, observed)


def connect(session: Session, stack: Stack, observed: Observed) -> None:
    """Connect the servers that an environment uses to its network, under their names."""
    base = session.project.system.base
    network = naming.data_network(stack.project, stack.target)
    for server in servers_of(stack):
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
