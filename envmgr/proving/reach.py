"""Where a container of an environment must not get, address by address and name by name, and what answers prove."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from envmgr import naming
from envmgr.model.observed import Container, Observed, State
from envmgr.model.proof import Finding, Outcome
from envmgr.model.stack import Service, Stack, System
from envmgr.proving.scan import Seen
from envmgr.proving.sockets import Listener

HOST = "host"
NETWORK = "network"
_CONTAINERS, _PORTS, _NAMES, _LISTENERS = (
    "reach containers",
    "reach published ports",
    "resolve names",
    "reach listeners",
)
_GATEWAY_MODE = "com.docker.network.bridge.gateway_mode_ipv4"
_NUMBER = re.compile(r"(\d+):\d+(?:/tcp)?$")
_ROWS = {_CONTAINERS: NETWORK, _PORTS: NETWORK, _NAMES: NETWORK, _LISTENERS: HOST}


@dataclass(frozen=True, slots=True)
class Machine:
    """The host, as far as it can be seen from here."""

    addresses: tuple[str, ...] = ()
    """Of its own interfaces, without the bridges."""
    listeners: tuple[Listener, ...] = ()
    is_known: bool = False
    """False where the engine runs elsewhere."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything at one moment that attempts are made from."""

    system: System
    observed: Observed
    machine: Machine
    listening: Mapping[str, tuple[Listener, ...]] = field(default_factory=dict)
    """Id of a container → what listens in it."""

    def running(self, stack: Stack) -> tuple[Container, ...]:
        """Return the containers of a stack that run."""
        found = (c for piece in pieces(stack) for c in self.observed.of(piece.compose_project))
        return tuple(c for c in found if c.state is State.RUNNING)

    def applications(self, stack: Stack) -> tuple[Container, ...]:
        """Return one running container of each service of an environment's application."""
        found: dict[tuple[str, str], Container] = {}
        for container in self.running(stack):
            service = service_of(stack, container)
            if service and not service.is_server and not service.is_job and service.kind != naming.KIND_NATIVE:
                found.setdefault((container.compose_project, container.service), container)
        return tuple(found.values())

    def places(self, container: Container, *, outside: Iterable[str] = ()) -> Iterator[tuple[str, str]]:
        """Yield `ADDRESS:PORT` of what listens in a container, but for its addresses in some networks, with a decoy."""
        for network, address in container.addresses.items():
            if network not in outside:
                for one in self.listening.get(container.id, ()):
                    if not one.is_loopback and (one.is_everywhere or one.address == address):
                        decoy = self._decoy(network)
                        yield f"{address}:{one.port}", f"{decoy}:{one.port}" if decoy else ""

    def _decoy(self, network: str) -> str:
        """Return an address beside those of a network's containers, that Docker gives to nobody before it has to."""
        subnets = (s for one in self.observed.networks if one.name == network for s in one.subnets if ":" not in s)
        return next((str(ipaddress.IPv4Network(subnet)[-2]) for subnet in subnets), "")


@dataclass(frozen=True, slots=True)
class Target:
    """One address or name that must not be reached."""

    other: str
    what: str
    place: str
    thing: str
    decoy: str = ""
    """The same port of an address that nobody has: where that answers too, somebody outside answers for any address."""


@dataclass(frozen=True, slots=True)
class Round:
    """What one container tries."""

    targets: tuple[Target, ...]
    own_places: tuple[str, ...]
    """What it may reach: at least one has to answer."""
    own_names: tuple[str, ...]

    @property
    def places(self) -> tuple[str, ...]:
        """Every address to knock at."""
        knocked = [place for t in self.targets if t.what != _NAMES for place in (t.place, t.decoy) if place]
        return tuple(dict.fromkeys((*self.own_places, *knocked)))

    @property
    def names(self) -> tuple[str, ...]:
        """Every name to ask for."""
        return tuple(dict.fromkeys((*self.own_names, *(t.place for t in self.targets if t.what == _NAMES))))


def service_of(stack: Stack, container: Container) -> Service | None:
    """Return the service that a container is of; None when the spec no longer has it."""
    return next((one for one in piece_of(stack, container).services if one.name == container.service), None)


def pieces(stack: Stack) -> tuple[Stack, ...]:
    """Return every Compose project of a target: its own, and those of its colours."""
    return (stack, *stack.colours)


def piece_of(stack: Stack, container: Container) -> Stack:
    """Return the Compose project of a target that a container belongs to."""
    return next((one for one in pieces(stack) if one.compose_project == container.compose_project), stack)


def round_of(scene: Scene, stack: Stack, container: Container) -> Round:
    """Return what a container of an environment tries."""
    others = [one for one in scene.system.environments if one.target != stack.target]
    targets = [target for other in others for target in _against(scene, other)]
    targets += [*_against_base(scene, stack), *_against_host(scene)]
    piece = piece_of(stack, container)
    base = [c for c in scene.running(scene.system.base) if _data(piece) in c.addresses]
    own = [c for c in scene.running(stack) if c.id != container.id or not base]
    reachable = [f"{c.addresses[_data(piece)]}:{port}" for c in (*base, *own) for port in _ports(scene, piece, c)]
    names = (*(c.service for c in base), *(alias for s in piece.services for alias in s.aliases))
    return Round(tuple(dict.fromkeys(targets)), tuple(reachable), names)


def _ports(scene: Scene, stack: Stack, container: Container) -> tuple[int, ...]:
    if _data(stack) not in container.addresses:
        return ()
    return tuple(one.port for one in scene.listening.get(container.id, ()) if not one.is_loopback)


def _data(stack: Stack) -> str:
    return naming.data_network(stack.project, stack.target)


def _against(scene: Scene, other: Stack) -> Iterator[Target]:
    for container in scene.running(other):
        thing = f"{other.target} {container.service}"
        for place, decoy in scene.places(container):
            yield Target(other.target, _CONTAINERS, place, thing, decoy)
        yield from _published(scene, container, other)
        yield Target(other.target, _NAMES, container.name, thing)
    for service in (one for piece in pieces(other) for one in piece.services):
        for alias in service.aliases:
            yield Target(other.target, _NAMES, alias, f"{other.target} {service.name}")


def _against_base(scene: Scene, stack: Stack) -> Iterator[Target]:
    """Yield what of the base is not for this environment: servers that it does not use, and their other addresses."""
    base = scene.system.base
    for container in scene.running(base):
        service = service_of(base, container)
        thing = f"{base.target} {container.service}"
        for place, decoy in scene.places(container, outside=_own_networks(stack)):
            yield Target(base.target, _CONTAINERS, place, thing, decoy)
        yield from _published(scene, container, base)
        if service and not service.faces_environments and not _uses(stack, service.name):
            yield Target(base.target, _NAMES, service.name, thing)


def _uses(stack: Stack, server: str) -> bool:
    services = [one for piece in pieces(stack) for one in piece.services]
    return any(server in service.uses or service.name == server for service in services)


def _own_networks(stack: Stack) -> frozenset[str]:
    return frozenset(network.name for piece in pieces(stack) for network in piece.networks)


def _published(scene: Scene, container: Container, other: Stack) -> Iterator[Target]:
    """Yield what is published for the host alone; what the spec publishes for everybody is for containers too."""
    public = published_for_all(other)
    for port in container.ports:
        if port.protocol == "tcp" and port.port not in public:
            for address in _host_addresses(scene):
                thing = f"{other.target} {container.service}, published on {port.host_ip}"
                yield Target(other.target, _PORTS, f"{address}:{port.port}", thing)


def published_for_all(stack: Stack) -> frozenset[int]:
    """Return the ports that the spec publishes beyond loopback, in raw Compose keys too."""
    services = [one for piece in pieces(stack) for one in piece.services]
    own = {port.published for one in services for port in one.ports if not is_loopback(port.host_ip)}
    raw = (str(entry) for one in services for entry in one.compose.get("ports", ()))
    return frozenset(own | {int(found[1]) for entry in raw if (found := _NUMBER.search(entry))})


def is_loopback(address: str) -> bool:
    """Tell whether only the host itself reaches an address; what is no address is none of the loopback."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _against_host(scene: Scene) -> Iterator[Target]:
    published = {port.port for container in scene.observed.containers for port in container.ports}
    for one in scene.machine.listeners:
        if one.is_loopback or one.port in published:
            continue
        for address in _host_addresses(scene):
            if one.is_everywhere or one.address == address:
                yield Target(HOST, _LISTENERS, f"{address}:{one.port}", f"port {one.port} of the host")


def _host_addresses(scene: Scene) -> tuple[str, ...]:
    """Return the host's addresses: its own, and the gateways of every network that a container of the project joins."""
    names = {name for container in scene.observed.containers for name in container.networks}
    gateways = [
        str(next(ipaddress.ip_network(subnet).hosts()))
        for network in scene.observed.networks
        # An isolated bridge has no address of the host: the first one of its subnet is a container's.
        if network.name in names and network.options.get(_GATEWAY_MODE) != "isolated"
        for subnet in network.subnets
        if ":" not in subnet
    ]
    return tuple(dict.fromkeys((*gateways, *scene.machine.addresses)))


def findings(scene: Scene, stack: Stack, container: Container, tried: Round, seen: Seen | None) -> list[Finding]:
    """Return what one container's round has shown, a finding for each row and environment."""
    place = f"{stack.target} {container.service}"
    rows: dict[tuple[str, str], list[Target]] = {}
    for target in tried.targets:
        rows.setdefault((target.other, target.what), []).append(target)
    return [_finding(scene, stack, tried, seen, key, targets, place) for key, targets in rows.items()] + list(
        _missing(scene, stack, place, rows)
    )


def _finding(
    scene: Scene,
    stack: Stack,
    tried: Round,
    seen: Seen | None,
    key: tuple[str, str],
    targets: list[Target],
    place: str,
) -> Finding:
    other, what = key
    outcome, detail, crossed = Outcome.NOT_TRIED, _why_not(tried, seen, what), []
    if seen is not None and not detail:
        crossed = [target for target in targets if _is_open(scene, seen, target)]
        unasked = [target for target in targets if target.place not in (seen.names if what == _NAMES else seen.places)]
        outcome = _crossed(what) if crossed else Outcome.NOT_TRIED if unasked else Outcome.REFUSED
        detail = _told(crossed) or ("no answer to the question" if unasked else _said(seen, targets, what))
    closes = _closing(stack, other, what) if crossed else ""
    return Finding(stack.target, other, _ROWS[what], what, outcome, detail, place, closes, len(targets))


def _crossed(what: str) -> Outcome:
    return Outcome.EXPOSED if what == _LISTENERS else Outcome.OPEN


def _told(crossed: Iterable[Target]) -> str:
    """Name what was reached, each thing once: the host alone has an address in every network."""
    places: dict[str, list[str]] = {}
    for target in crossed:
        places.setdefault(target.thing, []).append(target.place)
    more = {thing: f" and {len(found) - 1} more" if len(found) > 1 else "" for thing, found in places.items()}
    return ", ".join(f"{found[0]}{more[thing]} ({thing})" for thing, found in places.items())


def _why_not(tried: Round, seen: Seen | None, what: str) -> str:
    if seen is None:
        return "no image of the project has a program that can knock (python3, or bash with getent and timeout)"
    if what == _NAMES:
        answers = [name for name in tried.own_names if seen.names.get(name, "none") != "none"]
        return "" if answers else "it finds no name of its own either"
    return (
        "" if any(seen.places.get(one) == "open" for one in tried.own_places) else "nothing of its own answers either"
    )


def _is_open(scene: Scene, seen: Seen, target: Target) -> bool:
    if target.what != _NAMES:
        return seen.places.get(target.place) == "open" and seen.places.get(target.decoy) != "open"
    stack = scene.system.stack(target.other)
    # A name server of the outside may have an answer for any name: only the other's own address is one.
    theirs = {address for container in scene.running(stack) for address in container.addresses.values()}
    return seen.names.get(target.place) in theirs


def _said(seen: Seen, targets: list[Target], what: str) -> str:
    if what == _NAMES:
        return f"{len(targets)} names unknown"
    # What is open and no crossing was answered by somebody outside.
    words = sorted({seen.places[target.place].replace("open", "answered from outside") for target in targets})
    return f"{len(targets)} addresses: {', '.join(words)}"


def _closing(stack: Stack, other: str, what: str) -> str:
    if what == _LISTENERS:
        return firewall(stack)
    if what == _PORTS:
        return f"envmgr up {other}"
    return f"envmgr up {stack.target}" if other == naming.INFRA else f"envmgr up {stack.target} {other}"


def firewall(stack: Stack) -> str:
    """Return the line that keeps an environment's containers from the host's own listeners.

    Answers to what the host itself asks, as Docker's proxy does for a published port, still pass.
    """
    networks = (network for piece in pieces(stack) for network in piece.networks)
    outward = [network.subnet for network in networks if not network.is_internal and network.subnet]
    sources = ",".join(outward)
    return f"iptables -I INPUT -s {sources} -m conntrack --ctstate NEW -j REJECT"


def _missing(scene: Scene, stack: Stack, place: str, rows: Mapping[tuple[str, str], list[Target]]) -> Iterator[Finding]:
    """Say what there was nothing to try against."""
    for other in scene.system.environments:
        if other.target != stack.target and not scene.running(other):
            why = f"{other.target} does not run"
            yield Finding(stack.target, other.target, NETWORK, _CONTAINERS, Outcome.NOT_TRIED, why, place, tries=0)
    if not scene.machine.is_known:
        why = "the engine runs on another machine, whose listeners cannot be seen from here"
        yield Finding(stack.target, HOST, HOST, _LISTENERS, Outcome.NOT_TRIED, why, place, tries=0)
    elif (HOST, _LISTENERS) not in rows:
        none = "the host has no listener beyond loopback"
        yield Finding(stack.target, HOST, HOST, _LISTENERS, Outcome.NOT_TRIED, none, place, tries=0)
