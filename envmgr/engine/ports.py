"""Ask this machine who holds a port, before Docker trips over it."""

from __future__ import annotations

import errno
import ipaddress
import socket
import sys
from typing import TYPE_CHECKING, Any

from envmgr.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterable

CONNECT_SECONDS = 0.2
EVERYWHERE = frozenset({"", "0.0.0.0", "::", "*"})  # noqa: S104 - compared with, not bound


def is_free(port: int, host_ip: str = "127.0.0.1", protocol: str = "tcp") -> bool:
    """Tell whether a container could publish a port on this machine now.

    Raises:
        EngineError: The address is not one of this machine's.
    """
    try:
        with _socket(host_ip, protocol) as probe:
            probe.bind((host_ip, port))
    except PermissionError:
        # A port below 1024: the engine may bind it, this user may not.
        return not _answers(port, host_ip, protocol)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return False
        raise EngineError(f"Port {port} cannot be published on {host_ip}: {error.strerror}") from error
    # Elsewhere (macOS) binding one address succeeds beside a program that listens on all of them.
    return sys.platform == "linux" or not _answers(port, host_ip, protocol)


def holder_of(port: int, host_ip: str = "127.0.0.1", protocol: str = "tcp") -> str | None:
    """Return the name and pid of the process that is in the way, as far as this user may see; None for nobody."""
    import psutil  # type: ignore[import-untyped]

    try:
        found = psutil.net_connections(kind=protocol)
    except psutil.AccessDenied:
        # macOS shows the connections of all processes to root alone.
        return None if is_free(port, host_ip, protocol) else "a process of another user"
    pids = sorted(_pids_on(found, port, host_ip, protocol))
    return _named(pids[-1]) if pids else None


def _socket(host_ip: str, protocol: str) -> socket.socket:
    family = socket.AF_INET6 if ipaddress.ip_address(host_ip).version == 6 else socket.AF_INET
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    made = socket.socket(family, kind)
    if family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    if kind == socket.SOCK_STREAM:
        # A connection that lingers in TIME_WAIT is in nobody's way. For UDP the option would share the port.
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return made


def _answers(port: int, host_ip: str, protocol: str) -> bool:
    if protocol != "tcp":
        return False
    with _socket(host_ip, protocol) as probe:
        probe.settimeout(CONNECT_SECONDS)
        return probe.connect_ex((host_ip, port)) == 0


def _pids_on(connections: Iterable[Any], port: int, host_ip: str, protocol: str) -> set[int]:
    return {
        connection.pid or 0
        for connection in connections
        if connection.laddr
        and connection.laddr.port == port
        and (protocol != "tcp" or connection.status == "LISTEN")
        and _collide(connection.laddr.ip, host_ip)
    }


def _collide(held: str, wanted: str) -> bool:
    return held in EVERYWHERE or wanted in EVERYWHERE or held == wanted


def _named(pid: int) -> str:
    import psutil

    if pid == 0:
        return "a process of another user"
    try:
        return f"{psutil.Process(pid).name()} (pid {pid})"
    except psutil.Error:
        return f"pid {pid}"
