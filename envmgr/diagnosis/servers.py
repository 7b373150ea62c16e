"""Servers that run and still do not serve an environment: out of its network, or closed to its credentials."""

from __future__ import annotations

from collections.abc import Iterator

from envmgr import naming
from envmgr.diagnosis.evidence import BrokenGrant, Evidence, Node
from envmgr.diagnosis.scene import edit, named, operator_file
from envmgr.diagnosis.signature import Explanation, Finding
from envmgr.model.observed import State

_REFUSALS = {
    "wrong-password": ("password authentication failed", "WRONGPASS", "NOAUTH", "InvalidAccessKeyId", "SignatureDoes"),
    "missing-database": ("does not exist",),
    "not-permitted": ("NOPERM", "permission denied", "not permitted to log in", "AccessDenied"),
}
"""What a server says that does not know an environment as its `.env` file has it."""


def unserved(evidence: Evidence) -> Iterator[tuple[Node, Finding]]:
    """Yield the servers that run well and do not serve the environment, and why."""
    if evidence.stack.is_base:
        return
    lost = tuple(_unconnected(evidence))
    yield from lost
    for broken in evidence.grants:
        node = (broken.grant.target, broken.grant.server)
        # One reason for each server: what is not healthy serves nobody, what is not connected is mended by the same.
        if evidence.witness(node) is None and node not in {one for one, _ in lost}:
            yield node, _refused(evidence, node, broken)


def _unconnected(evidence: Evidence) -> Iterator[tuple[Node, Finding]]:
    environment, base = evidence.stack.target, evidence.base
    network = naming.data_network(evidence.stack.project, environment)
    if not evidence.observed.of(evidence.stack.compose_project):
        return  # An environment that is down is connected to nothing.
    used = {name for service in evidence.stack.services for name in service.uses}
    for server in base.services:
        node = (base.target, server.name)
        if server.name not in used or evidence.witness(node) is not None:
            continue
        running = [c for c in evidence.observed.of(base.compose_project, server.name) if c.state is State.RUNNING]
        if running and not any(server.name in c.networks.get(network, ()) for c in running):
            sentence = f"{named(node)} runs, but is not connected to the network of {environment}"
            yield node, Finding("not-connected", Explanation(sentence, f"envmgr up {environment}"))


def _refused(evidence: Evidence, node: Node, broken: BrokenGrant) -> Finding:
    message = " ".join(broken.message.split())
    signature = next((name for name, words in _REFUSALS.items() if any(w in message for w in words)), "refused-grant")
    environment = evidence.stack.target
    file = operator_file(environment)
    needs = evidence.stack.needed
    value = next((n.name for n in needs if n.place == f"infra.{node[1]}" and n.is_secret), "the password")
    if signature == "wrong-password":
        sentence = f"{named(node)} refuses {environment}: {value} of {file} is not the password that it knows"
    else:
        sentence = f"{named(node)} does not serve {environment} ({broken.grant.title}): {message}"
    command = f"envmgr up {environment}"
    if broken.grant.is_external and signature == "wrong-password":
        command = edit(file, value, "has to be what the server knows", command)
    return Finding(signature, Explanation(sentence, command), "probe", message)
