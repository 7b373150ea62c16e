"""What the engine and the socket table say without asking anybody: networks, mounts, secrets, published ports."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote

from envmgr import layout, naming
from envmgr.model.observed import Container
from envmgr.model.proof import Finding, Outcome
from envmgr.model.secret import SecretValue
from envmgr.model.stack import Stack
from envmgr.proving.reach import HOST, NETWORK, Scene, is_loopback, pieces, published_for_all
from envmgr.proving.scan import Seen

FILES = "files"
_SHORTEST = 8
"""Characters of a value that is looked for: a shorter one may stand anywhere."""


def networks(scene: Scene, stack: Stack, container: Container) -> Iterator[Finding]:
    """Say which networks of others a container has joined."""
    for other in (one for one in scene.system.stacks if one.target != stack.target):
        theirs = {network.name for piece in pieces(other) for network in piece.networks if not network.is_foreign}
        if joined := sorted(theirs & set(container.networks)):
            closes = f"envmgr up {stack.target}"
            yield _found(stack, container, other.target, NETWORK, "join networks", joined, closes)
        else:
            yield _found(stack, container, other.target, NETWORK, "join networks", [])


def mounts(scene: Scene, stack: Stack, container: Container, folder: str) -> Iterator[Finding]:
    """Say which files and volumes of others, and whether the engine's socket, are mounted in a container."""
    closes = f"take it out of the spec, or undo it by hand; then: envmgr up {stack.target}"
    sockets = [source for source in container.binds.values() if source.rstrip("/").endswith("docker.sock")]
    yield _found(stack, container, HOST, HOST, "hold the engine's socket", sockets, closes)
    for other in (one for one in scene.system.stacks if one.target != stack.target):
        volumes = {volume.name for piece in pieces(other) for volume in piece.volumes}
        runtime = tuple(f"{folder}/{layout.RUNTIME}/{piece.target}/" for piece in pieces(other))
        held = [mount.source for mount in container.settings.mounts if mount.source in volumes]
        held += [source for source in container.binds.values() if f"{source}/".startswith(runtime)]
        yield _found(stack, container, other.target, FILES, "mount files or volumes", held, closes)


def secrets(
    scene: Scene,
    stack: Stack,
    container: Container,
    seen: Seen,
    values: Mapping[str, Mapping[str, SecretValue]],
) -> Iterator[Finding]:
    """Say whether a container's secret files hold a value of another environment, or of the base."""
    own = {value.reveal() for value in values.get(stack.target, {}).values()}
    for other in (one for one in scene.system.stacks if one.target != stack.target):
        wanted = {need.name for need in other.needed if need.is_secret}
        theirs = {n: v.reveal() for n, v in values.get(other.target, {}).items() if n in wanted}
        held = [
            f"{name} of {other.target} in /run/secrets/{file}"
            for name, value in theirs.items()
            if len(value) >= _SHORTEST and value not in own
            for file, content in seen.files.items()
            if value.encode() in content or quote(value, safe="").encode() in content
        ]
        yield _found(stack, container, other.target, FILES, "hold secrets", held, f"envmgr up {stack.target}")


def same_secrets(scene: Scene, stack: Stack, values: Mapping[str, Mapping[str, SecretValue]]) -> Iterator[Finding]:
    """Say which secrets have one value in two environments: who holds the one holds the other."""
    mine = _secrets(stack, values)
    for other in (one for one in scene.system.stacks if one.target != stack.target):
        theirs = _secrets(other, values)
        equal = sorted(n for n, v in mine.items() if len(v) >= _SHORTEST and v in theirs.values())
        outcome = Outcome.OPEN if equal else Outcome.REFUSED
        detail = ", ".join(equal) if equal else f"{len(mine)} values differ"
        closes = f"give {stack.target} other values in .env.{stack.target}" if equal else ""
        yield Finding(stack.target, other.target, FILES, "share secrets", outcome, detail, "", closes)


def _secrets(stack: Stack, values: Mapping[str, Mapping[str, SecretValue]]) -> dict[str, str]:
    wanted = {need.name for need in stack.needed if need.is_secret}
    return {name: value.reveal() for name, value in values.get(stack.target, {}).items() if name in wanted}


def publications(scene: Scene, stacks: Iterable[Stack]) -> Iterator[Finding]:
    """Say what is published beyond loopback although the spec does not say so."""
    for stack in stacks:
        allowed = published_for_all(stack)
        ports = {
            (port.port, container.service): port.host_ip
            for container in scene.running(stack)
            for port in container.ports
        }
        found = [
            f"{service} on {address}:{port}"
            for (port, service), ip in ports.items()
            if port not in allowed
            for address in sorted({ip, *_socket(scene, port)})
            if not is_loopback(address)
        ]
        outcome = Outcome.OPEN if found else Outcome.REFUSED
        detail = ", ".join(found) if found else f"{len(ports)} ports on loopback alone"
        closes = f"envmgr up {stack.target}" if found else ""
        yield Finding(stack.target, HOST, HOST, "publish beyond loopback", outcome, detail, "", closes, len(ports))


def _socket(scene: Scene, port: int) -> Iterator[str]:
    """Yield where the host itself listens on a port, whoever holds it."""
    yield from (one.address for one in scene.machine.listeners if one.port == port and not one.is_loopback)


def _found(
    stack: Stack, container: Container, other: str, area: str, what: str, held: list[str], closes: str = ""
) -> Finding:
    place = f"{stack.target} {container.service}"
    if held:
        return Finding(stack.target, other, area, what, Outcome.OPEN, ", ".join(held), place, closes)
    return Finding(stack.target, other, area, what, Outcome.REFUSED, "none", place)


def common(stack: Stack, base: Stack) -> Iterator[Finding]:
    """Say what environments have in common because they are on one host."""
    texts = ["one kernel and one Docker daemon"]
    monitors = [one.name for one in base.services if one.faces_environments and one.kind == "prometheus"]
    texts += [f"what {name} measures: every environment can read it" for name in monitors]
    for text in texts:
        yield Finding(stack.target, naming.INFRA, HOST, text, Outcome.SHARED)
