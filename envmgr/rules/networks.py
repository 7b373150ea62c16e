"""Rules about networks and ports, within one file and across environments."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from envmgr.rules.document import Document, Port, Service, is_on, is_open, ports, sequence, table
from envmgr.rules.rule import HIGH, INFO, LOW, MEDIUM, Breach, Rule, Said, of_document, of_service, refs
from envmgr.rules.tree import Keys

STORES = frozenset(
    (
        *("postgres", "postgis", "pgvector", "timescaledb", "mysql", "mariadb", "percona", "mongo", "mongodb"),
        *("redis", "valkey", "keydb", "memcached", "qdrant", "elasticsearch", "opensearch", "minio", "rustfs"),
        *("seaweedfs", "garage", "rabbitmq", "cassandra", "clickhouse-server", "etcd", "influxdb", "neo4j"),
    )
)
"""Images of servers that hold data."""
_EDGES = ("nginx", "traefik", "caddy", "haproxy", "envoy", "httpd", "swag")
"""How names of images begin that are made to face everybody."""
_BRIDGE = "com.docker.network.bridge."
_EVERYWHERE = ("0.0.0.0", "::", "")  # noqa: S104 - looked for, not listened on


def _joined(service: Service) -> list[str]:
    given = service.body.get("networks")
    return [str(one) for one in given] if isinstance(given, (dict, list)) else []


def _no_network(service: Service) -> Iterator[Said]:
    mode = service.body.get("network_mode")
    if mode in ("bridge", "default"):
        yield ("network_mode",), "it is on the bridge that all projects of the host share"
    elif (mode is None and not _joined(service)) or "default" in _joined(service):
        yield ("networks",), "it is on the default network, with everything else of the project"


def _open_store(service: Service) -> Iterator[Said]:
    networks = dict(service.document.section("networks"))
    if service.image_name not in STORES or not _joined(service):
        return
    if not any(is_on(one.get("internal")) or one.get("external") for one in map(networks.get, _joined(service)) if one):
        yield ("networks",), "it holds data, and none of its networks is cut off from outside"


def _gateway(document: Document) -> Iterator[Said]:
    for name, network in document.section("networks"):
        mode = table(network.get("driver_opts")).get(f"{_BRIDGE}gateway_mode_ipv4")
        if is_on(network.get("internal")) and mode != "isolated":
            yield ("networks", name), f"network {name}: its gateway leads to what the host listens on"


def _neighbours(service: Service) -> Iterator[Said]:
    networks = dict(service.document.section("networks"))
    known = [networks[one] for one in _joined(service) if one in networks]
    closed = [one for one in known if not is_on(table(one.get("driver_opts")).get(f"{_BRIDGE}enable_icc", True))]
    if next(ports(service), None) and _joined(service) and not closed and not any(one.get("external") for one in known):
        yield ("networks",), "what reaches its published port may go on to all its neighbours"


def _subnet(document: Document) -> Iterator[Said]:
    for name, network in document.section("networks"):
        if network.get("external"):
            continue
        given = [table(one).get("subnet") for one in sequence(table(network.get("ipam")).get("config"))]
        if not given:
            yield ("networks", name), f"network {name}: Docker takes any addresses, those of your office too"
        for index, one in enumerate(given):
            if _is_large(one):
                yield ("networks", name, "ipam", "config", index), f"network {name}: {one} is more than it needs"


def _is_large(subnet: object) -> bool:
    try:
        found = ipaddress.ip_network(str(subnet), strict=False)
    except ValueError:
        return False
    return found.version == 4 and found.prefixlen < 20


def _shared_networks(documents: tuple[Document, ...]) -> Iterator[Breach]:
    yield from _twice(documents, "networks", "its containers would meet those of the other")


def _shared_volumes(documents: tuple[Document, ...]) -> Iterator[Breach]:
    yield from _twice(documents, "volumes", "its data would be that of the other")


def _twice(documents: tuple[Document, ...], section: str, why: str) -> Iterator[Breach]:
    """Yield names that two projects give to a network or volume which each of them would make."""
    seen: dict[str, Document] = {}
    for one in documents:
        for key, body in one.section(section):
            name = body.get("name")
            if not isinstance(name, str) or body.get("external") or is_open(name):
                continue
            other = seen.setdefault(name, one)
            if other is not one and other.name != one.name:
                yield one, (section, key, "name"), f"{section[:-1]} {key}: {name} is in {other.files[0]} too; {why}"


# ---- ports


def _unbound(service: Service) -> Iterator[Said]:
    for port in ports(service):
        if port.host_ip == "":
            yield ("ports", port.index), "its port is published on every address, past the host's firewall"


def _public(service: Service) -> Iterator[Said]:
    if service.image_name.startswith(_EDGES):
        return
    for port in ports(service):
        if port.host_ip and not is_open(port.host_ip) and not _is_loopback(port.host_ip) and port.host_ip != "?":
            yield ("ports", port.index), f"its port is published on {port.host_ip}, and it is no edge"


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def _same_port(documents: tuple[Document, ...]) -> Iterator[Breach]:
    """Yield host ports that are published twice, in one file or in two."""
    seen: list[tuple[Document, Service, Port]] = []
    for one in documents:
        for service in one.services:
            for port in ports(service):
                for other, holder, first in seen:
                    if _collide(port, first):
                        where = "" if other is one else f" in {other.files[0]}"
                        keys: Keys = (*service.keys, "ports", port.index)
                        text = f"{service.name}: host port {_shown(port)} is that of {holder.name}{where} too"
                        yield one, keys, text
                        break
                seen.append((one, service, port))


def _collide(one: Port, other: Port) -> bool:
    if one.published is None or other.published is None or one.protocol != other.protocol:
        return False
    meets = one.published.start < other.published.stop and other.published.start < one.published.stop
    same = one.host_ip == other.host_ip or one.host_ip in _EVERYWHERE or other.host_ip in _EVERYWHERE
    # A range of several for one port: Docker takes the first that is free.
    takes_any = any(len(it.published or ()) > len(it.target or ()) for it in (one, other) if it.target)
    return meets and same and not takes_any and 0 not in (one.published.start, other.published.start)


def _shown(port: Port) -> str:
    found = port.published or range(0)
    return str(found.start) if len(found) == 1 else f"{found.start}-{found.stop - 1}"


RULES = (
    Rule(
        "EM-S14-network",
        MEDIUM,
        "A service is on networks that are named",
        "networks: with one network for data, one for what publishes",
        of_service(_no_network, only_whole=True),
        refs("Networks Not Set", "5.30", "5"),
    ),
    Rule(
        "EM-S14-open-store",
        LOW,
        "What holds data is on an internal network",
        "a network with internal: true",
        of_service(_open_store),
        refs(cis="5.30", owasp="5"),
    ),
    Rule(
        "EM-S14-gateway",
        LOW,
        "An internal network does not lead to the host",
        f'driver_opts: {{ {_BRIDGE}gateway_mode_ipv4: "isolated" }}',
        of_document(_gateway),
    ),
    Rule(
        "EM-S14-neighbours",
        INFO,
        "What publishes has a bridge without neighbours",
        f'a network with driver_opts: {{ {_BRIDGE}enable_icc: "false" }}',
        of_service(_neighbours),
        refs(cis="5.30"),
    ),
    Rule(
        "EM-S14-subnet",
        INFO,
        "A network has a small subnet of its own",
        'ipam: { config: [{ subnet: "10.200.1.0/26" }] }',
        of_document(_subnet),
    ),
    Rule(
        "EM-S14-shared-network",
        HIGH,
        "No two environments make one network",
        "a name for each environment",
        _shared_networks,
        refs(cis="5.30", owasp="5"),
    ),
    Rule(
        "EM-S15-unbound-port",
        HIGH,
        "A port is bound to an address of the host",
        'host_ip: "127.0.0.1" (short syntax: "127.0.0.1:8000:8000")',
        of_service(_unbound),
        refs("Container Traffic Not Bound To Host Interface", "5.14", "5a"),
    ),
    Rule(
        "EM-S15-public-port",
        HIGH,
        "Only an edge is published beyond loopback",
        'host_ip: "127.0.0.1", with a proxy in front',
        of_service(_public),
        refs(cis="5.14", owasp="5a"),
    ),
    Rule(
        "EM-S15-same-port",
        HIGH,
        "No host port is published twice, in no two environments either",
        "another host port",
        _same_port,
    ),
    Rule(
        "EM-S18-shared-data",
        HIGH,
        "No two environments have one volume",
        "a name for each environment",
        _shared_volumes,
    ),
)
