"""Subnets: a /24 for the base and each environment, found from its name, so that adding one moves no other."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass

from envmgr.errors import Problem

_PRIVATE = tuple(ipaddress.IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))


@dataclass(frozen=True, slots=True)
class Block:
    """The subnets of one target."""

    data: str
    """126 addresses: every service, and during a release every service twice."""
    publish: str
    egress: str


def block_of(network: ipaddress.IPv4Network) -> Block:
    """Cut a /24."""
    data, rest = network.subnets(new_prefix=25)
    publish, egress = rest.subnets(new_prefix=26)
    return Block(str(data), str(publish), str(egress))


def _derived(project: str, target: str, within: ipaddress.IPv4Network) -> ipaddress.IPv4Network:
    count = 1 << (24 - within.prefixlen)
    slot = int.from_bytes(hashlib.sha256(f"{project}/{target}".encode()).digest()[:8], "big") % count
    return ipaddress.IPv4Network((int(within.network_address) + slot * 256, 24))


def allocate(
    project: str, within: str, targets: Mapping[str, str | None]
) -> tuple[dict[str, Block], tuple[Problem, ...]]:
    """Return each target's block; `targets` maps a name to its explicit /24, or None to derive one."""
    room = ipaddress.IPv4Network(within)
    networks = {
        target: ipaddress.IPv4Network(explicit) if explicit else _derived(project, target, room)
        for target, explicit in targets.items()
    }
    owners: dict[ipaddress.IPv4Network, str] = {}
    free = _free(room, set(networks.values()))
    problems = [
        _clash(target, owners[network], network, next(free))
        for target, network in networks.items()
        if owners.setdefault(network, target) != target
    ]
    return {target: block_of(network) for target, network in networks.items()}, tuple(problems)


def _clash(target: str, other: str, network: ipaddress.IPv4Network, free: ipaddress.IPv4Network) -> Problem:
    return Problem(
        f"{target} and {other} both get the networks of {network}",
        path=f"environments.{target}",
        hint=f'set environments.{target}.subnet to another /24, such as "{free}"',
    )


def _free(room: ipaddress.IPv4Network, taken: Set[ipaddress.IPv4Network]) -> Iterator[ipaddress.IPv4Network]:
    """Yield blocks that nobody has, from the spec's range first."""
    for within in (room, *_PRIVATE):
        yield from (network for network in within.subnets(new_prefix=24) if network not in taken)
