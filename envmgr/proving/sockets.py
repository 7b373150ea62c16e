"""Listening sockets, as the kernel lists them in /proc/net/tcp and tcp6."""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass

_LISTEN = "0A"
_ROW = re.compile(
    r"^\s*\d+: ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) [0-9A-F]+:[0-9A-F]{4} ([0-9A-F]{2}) ", re.MULTILINE
)


@dataclass(frozen=True, slots=True, order=True)
class Listener:
    """A socket that takes connections."""

    address: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Only the own machine, or container, reaches it."""
        return ipaddress.ip_address(self.address).is_loopback

    @property
    def is_everywhere(self) -> bool:
        """It listens on every address."""
        return ipaddress.ip_address(self.address).is_unspecified


def listeners(table: str) -> tuple[Listener, ...]:
    """Read what listens; rows of both tables may follow each other, with their titles."""
    found = (_listener(address, port) for address, port, state in _ROW.findall(table) if state == _LISTEN)
    return tuple(sorted(set(found)))


def _listener(address: str, port: str) -> Listener:
    # Each 32 bits are written in the byte order of the machine, which is little-endian wherever Docker runs.
    words = bytes.fromhex(address)
    packed = b"".join(words[i : i + 4][::-1] for i in range(0, len(words), 4))
    family = socket.AF_INET if len(packed) == 4 else socket.AF_INET6
    parsed = ipaddress.ip_address(socket.inet_ntop(family, packed))
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return Listener(str(mapped or parsed), int(port, 16))
