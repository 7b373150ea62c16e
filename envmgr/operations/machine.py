"""The host as the kernel shows it: its own addresses and what listens on it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from envmgr.proving.reach import Machine
from envmgr.proving.sockets import listeners

_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
_BRIDGES = ("br-", "docker", "veth", "lo", "virbr", "cni", "tun")


def machine(is_local: bool) -> Machine:
    """Return the host; nothing where the engine runs on another, or where there is no such table."""
    if not is_local or sys.platform != "linux":
        return Machine()
    try:
        table = "".join(Path(path).read_text() for path in _TABLES if Path(path).exists())
    except OSError:
        return Machine()
    return Machine(tuple(_addresses()), listeners(table), is_known=bool(table))


def _addresses() -> Iterator[str]:
    import socket

    import psutil  # type: ignore[import-untyped]

    for name, found in psutil.net_if_addrs().items():
        if not name.startswith(_BRIDGES):
            yield from (one.address for one in found if one.family == socket.AF_INET)
