"""Subnets: a /24 for the base and each environment, found from its name, so that adding one moves no other."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass

from envmgr.errors import Problem


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
    taken: dict[ipaddress.IPv4Network, str] = {}
    blocks: dict[str, Block] = {}
    problems: list[Problem] = []
    for target, explicit in targets.items():
        network = (
            ipaddress.IPv4Network(explicit) if explicit else _derived(project, target, ipaddress.IPv4Network(within))
        )
        if network in taken:
            problems.append(_clash(target, taken[network], network))
        taken.setdefault(network, target)
        blocks[target] = block_of(network)
    return blocks, tuple(problems)


def _clash(target: str, other: str, network: ipaddress.IPv4Network) -> Problem:
    return Problem(
        f"{target} and {other} both get the networks of {network}",
        path=f"environments.{target}",
        hint=f'set environments.{target}.subnet to another /24, such as "{_next(network)}"',
    )


def _next(network: ipaddress.IPv4Network) -> ipaddress.IPv4Network:
    return ipaddress.IPv4Network((int(network.network_address) + 256, 24))
