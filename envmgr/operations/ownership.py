"""What an environment owns on the shared base: its network, and its part of every server that it uses."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from envmgr import naming
from envmgr.model.stack import Stack
from envmgr.operations.base import connect, servers_of
from envmgr.operations.session import Session
from envmgr.operations.values import Values, is_password_of, lost, store_generated

_RECOVER = (
    "If it is new in the spec, or gone for good, `envmgr up {target} --new-secrets` makes new values and sets them in "
    "the servers; what old keys signed or encrypted is no longer readable."
)


def own(session: Session, stack: Stack, values: Values) -> Values:
    """Give an environment its network and its part of the shared servers; return its values, with those now made."""
    _make_network(session, stack)
    values = store_generated(session, stack, values)
    provisioner = session.provisioner()
    with ThreadPoolExecutor(max_workers=max(1, len(stack.grants))) as pool:
        list(pool.map(provisioner.ensure, stack.grants))
    return values


def refuse_lost(session: Session, stack: Stack, values: Values) -> None:
    """Refuse when secrets are missing that open what the environment already owns.

    A server's password concerns what is owned in that server; any other secret may have signed or encrypted all of it.

    Raises: `SpecError`.
    """
    if not values.to_generate:
        return
    others = [need for need in values.to_generate if not any(is_password_of(need, g.server) for g in stack.grants)]
    provisioner = session.provisioner()
    owned = [
        grant.title
        for grant in stack.grants
        if others or any(is_password_of(need, grant.server) for need in values.to_generate)
        if provisioner.exists(grant)
    ]
    if owned:
        raise lost(session, stack, values, ", ".join(owned), _RECOVER.format(target=stack.target))


def _make_network(session: Session, stack: Stack) -> None:
    labels = {naming.LABEL_PROJECT: stack.project, naming.LABEL_ENVIRONMENT: stack.target}
    for network in stack.networks:
        if network.is_external:
            session.engine.create_network(network, labels)
    if servers_of(stack):
        connect(session, stack, session.observe())
