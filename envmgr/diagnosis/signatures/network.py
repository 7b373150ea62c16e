"""Who cannot be found or reached: names, connections, and where a program listens."""

from __future__ import annotations

import re
from collections.abc import Iterator

from envmgr.diagnosis.evidence import Listener, Node
from envmgr.diagnosis.scene import SPEC, Scene, edit, named
from envmgr.diagnosis.signature import Explanation, Fact, Hit, Words
from envmgr.model.stack import HttpProbe

_ADDRESS = re.compile(r"\d+(?:\.\d+){3}|[0-9a-f:]*:[0-9a-f:]+")
_CHECKED_PORT = re.compile(r"(?:127\.0\.0\.1|localhost)['\"]?\s*[:,]\s*(\d{2,5})")
_EGRESS = "egress"
_ITSELF = ("127.0.0.1", "localhost", "::1")
_HOST_AND_PORT = re.compile(
    r"(?P<scheme>[a-z][\w+.-]*://)?(?:[^@/\s]*@)?(?P<host>[A-Za-z][\w.-]*)(?::(?P<port>\d{1,5}))?(?:/\S*)?"
)


# ---- names


def _not_found(scene: Scene, hit: Hit) -> Explanation | None:
    host = hit.get("host").rstrip(".")
    if not host:
        return _some_server_not_found(scene)
    node = scene.known(host)
    if node is None:
        return _unknown_host(scene, host)
    if not scene.runs(node):
        return Explanation(f"{scene.name} cannot find {host}: {named(node)} does not run", scene.up, node)
    return _running_but_not_found(scene, host, node)


def _running_but_not_found(scene: Scene, host: str, node: Node) -> Explanation:
    if node[0] == scene.target or node in scene.servers:
        # Whether it is connected is looked at on the server's side, once for all who use it.
        return Explanation(f"{scene.name} cannot find {host}, although {named(node)} runs", scene.up, node)
    return Explanation(
        f"{scene.name} reaches for {named(node)}, which it does not use according to the spec",
        edit(SPEC, scene.place("uses"), f"has to name {node[1]}", f"envmgr up {scene.target}"),
    )


def _unknown_host(scene: Scene, host: str) -> Explanation:
    if "." in host and _EGRESS not in scene.service.networks:
        return Explanation(
            f"{scene.name} cannot find {host}: it has no way to the outside",
            scene.edit("egress", "= true"),
        )
    what = "the host cannot resolve it" if "." in host else "there is no service of that name"
    variable = next((f".{name}" for name, named_host, _ in _named_hosts(scene) if named_host == host), "")
    return Explanation(
        f"{scene.name} cannot find {host}: {what}",
        scene.edit(f"variables{variable}", f"or what else names {host} has to name another"),
    )


def _some_server_not_found(scene: Scene) -> Explanation | None:
    """Explain a name that the log does not tell: of those that it may mean, the one that is not there."""
    needs = [(scene.target, dependency.service) for dependency in scene.service.depends_on]
    for node in (*scene.servers, *needs):
        if scene.evidence.witness(node) is not None:
            return Explanation(f"{scene.name} cannot find {node[1]}", scene.up, node)
    for _, host, _ in _named_hosts(scene):
        if scene.known(host) is None:
            return _unknown_host(scene, host)
    return Explanation(f"{scene.name} cannot find a host that it needs", scene.logs, is_own=False)


def _named_hosts(scene: Scene) -> Iterator[tuple[str, str, str]]:
    """Yield the variables from the spec that hold a URL or host and port, with the host and the port."""
    for name, value in scene.service.variables.items():
        found = _HOST_AND_PORT.fullmatch(value)
        if found is not None and (found["scheme"] or found["port"]) and found["host"] not in _ITSELF:
            yield name, found["host"], found["port"] or ""


# ---- connections


def _refused(scene: Scene, hit: Hit) -> Explanation | None:
    host, port = hit.get("host"), hit.get("port")
    node = scene.known(host) if host and not _ADDRESS.fullmatch(host) else None
    if node is None and port and host not in _ITSELF:
        node = scene.listening_on(int(port))
    if node is None:
        return _nobody_known(scene, host, port)
    where = f"{node[1]}:{port}" if port else node[1]
    if scene.evidence.witness(node) is None:
        return _wrong_port(scene, node, where, "variables")
    return Explanation(f"{scene.name} cannot connect to {where}", scene.up, node)


def _wrong_port(scene: Scene, node: Node, where: str, key: str) -> Explanation:
    return Explanation(
        f"{scene.name} cannot connect to {where}, although {named(node)} is healthy: nothing listens on that port",
        scene.edit(key, f"has to name the port of {node[1]}"),
    )


def _nobody_known(scene: Scene, host: str, port: str) -> Explanation:
    where = f"{host}:{port}" if host and port else host or "a server that it needs"
    if host in _ITSELF:
        return Explanation(
            f"{scene.name} looks for a server inside its own container, at {where}, where none runs",
            scene.edit("variables", "has to name the server, as in the URLs that envmgr hands over"),
        )
    for name, named_host, named_port in _named_hosts(scene) if not host else ():
        node = scene.known(named_host)
        if node is not None and named_port and scene.listening_on(int(named_port)) != node:
            return _wrong_port(scene, node, f"{named_host}:{named_port}", f"variables.{name}")
    return Explanation(f"{scene.name} cannot connect to {where}", scene.logs, is_own=False)


def _unreachable(scene: Scene, hit: Hit) -> Explanation:
    host = hit.get("host") or "the outside"
    if _EGRESS in scene.service.networks:
        return Explanation(f"{scene.name} cannot reach {host}", scene.logs, is_own=False)
    return Explanation(
        f"{scene.name} cannot reach {host}: it has no way to the outside", scene.edit("egress", "= true"), is_own=False
    )


# ---- where it listens


def _only_inside(scene: Scene) -> Explanation | None:
    port, found = _expected(scene), scene.witness.listeners
    on_port = [one for one in found or () if one.port == port]
    if not on_port or not all(one.is_local for one in on_port) or not scene.witness.probe:
        return None
    return Explanation(
        f"{scene.name} listens on {on_port[0].address}:{port}, which only its own container reaches",
        scene.edit("variables", f"or its code has to make it listen on 0.0.0.0:{port}"),
    )


def _other_port(scene: Scene) -> Explanation | None:
    port, found = _expected(scene), scene.witness.listeners
    if not found or port is None or any(one.port == port for one in found):
        return None
    ports = ", ".join(str(number) for number in sorted({one.port for one in found}))
    return Explanation(
        f"{scene.name} listens on port {ports}, and is expected on {port}",
        scene.edit("variables", f"or its code has to make it listen on {port}"),
    )


def _expected(scene: Scene) -> int | None:
    """Return the port on which a service should listen, as far as it can be told."""
    if not scene.witness.runs:
        return None
    if isinstance(scene.service.probe, HttpProbe):
        probed = scene.service.probe.port
        return next((one.target for one in scene.service.ports if one.published == probed), None)
    check = scene.service.healthcheck
    found = _CHECKED_PORT.search(" ".join(check.test)) if check else None
    return int(found[1]) if found else None


def listeners(text: str) -> tuple[Listener, ...]:
    """Read what /proc/net/tcp and tcp6 hold: the sockets that listen, but for the engine's own name server."""
    found = []
    for line in text.splitlines():
        fields = line.split()
        if len(fields) > 3 and fields[3] == "0A" and ":" in fields[1]:
            address, _, port = fields[1].partition(":")
            found.append(Listener(_address(address), int(port, 16)))
    return tuple(one for one in dict.fromkeys(found) if one.address != "127.0.0.11")


def _address(digits: str) -> str:
    """Turn the kernel's hexadecimal into an address: words of four bytes, the last byte first."""
    data = b"".join(bytes.fromhex(digits[i : i + 8])[::-1] for i in range(0, len(digits), 8))
    if len(data) == 4:
        return ".".join(str(byte) for byte in data)
    if data[:12] == bytes(10) + b"\xff\xff":
        return ".".join(str(byte) for byte in data[12:])
    return "::" if not any(data) else "::1" if data == bytes(15) + b"\x01" else "an IPv6 address"


def _taken_inside(scene: Scene, hit: Hit) -> Explanation:
    port = hit.get("port")
    where = f"port {port}" if port else "its port"
    return Explanation(
        f"{scene.name} cannot listen on {where}: another program in its container does",
        scene.logs,
    )


_HOST = r"(?P<host>[A-Za-z0-9][\w.-]*)"
FACTS = (Fact("only-inside", _only_inside), Fact("other-port", _other_port))
WORDS = (
    Words(
        "name-not-found",
        _not_found,
        rf'could not translate host name "{_HOST}"',
        rf"failed to resolve host '{_HOST}'",
        rf'host not found in upstream "{_HOST}',
        rf"getaddrinfo (?:ENOTFOUND|EAI_AGAIN) {_HOST}",
        rf"Error -\d+ connecting to {_HOST}:\d+",
        rf"lookup {_HOST}(?: on \S+)?: (?:no such host|server misbehaving)",
        rf"[Cc]ould not resolve host: {_HOST}",
        rf"Failed to resolve '{_HOST}'",
        r"Name or service not known|Temporary failure in name resolution|Name does not resolve|nodename nor servname",
        r"No address associated with hostname|getaddrinfo failed",
    ),
    Words(
        "port-taken-inside",
        _taken_inside,
        r"[Aa]ddress already in use\s+\S*?:(?P<port>\d+)",
        r"'[^']*', (?P<port>\d+)\): (?:\[[^]]*\] )?address already in use",
        r"[Aa]ddress already in use|\bEADDRINUSE\b",
    ),
    Words(
        "connection-refused",
        _refused,
        rf'connection to server at "{_HOST}"[^,]*, port (?P<port>\d+) failed: (?:Connection refused|timeout expired)',
        rf"Error \d+ connecting to {_HOST}:(?P<port>\d+)",
        rf"Connect call failed \('{_HOST}', (?P<port>\d+)",
        rf"ECONNREFUSED {_HOST}:(?P<port>\d+)",
        rf"dial tcp {_HOST}:(?P<port>\d+): (?:connect: connection refused|i/o timeout)",
        rf"host='{_HOST}', port=(?P<port>\d+)\): Max retries exceeded",
        rf"refused\) while connecting to upstream.*upstream: \"\w+://{_HOST}:(?P<port>\d+)",
        rf"Cannot connect to \w+://(?:[^@\s]*@)?{_HOST}:(?P<port>\d+)",
        rf"(?:[Cc]onnection refused|[Tt]imed out)\D*\b{_HOST}:(?P<port>\d+)",
        rf"{_HOST}:(?P<port>\d+)\S* .*(?:[Cc]onnection refused|[Tt]imed out)",
        rf"Could not connect to the endpoint URL: \"\w+://{_HOST}(?::(?P<port>\d+))?",
        r"[Cc]onnection refused|\bECONNREFUSED\b|\bETIMEDOUT\b|[Cc]onnection timed out|All connection attempts failed",
        r"the database system is (?:starting up|shutting down|in recovery)|\bLOADING \w+ is loading",
        r"[Cc]onnection reset by peer|[Ss]erver closed the connection unexpectedly|Connection closed by server",
    ),
    Words(
        "no-way-outside",
        _unreachable,
        rf"(?:Network is unreachable|No route to host|ENETUNREACH|EHOSTUNREACH)\s+{_HOST}",
        r"[Nn]etwork is unreachable|[Nn]o route to host|\bENETUNREACH\b|\bEHOSTUNREACH\b",
    ),
)
