from __future__ import annotations

import os
import socket
from types import SimpleNamespace

import psutil
import pytest

from envmgr.engine import ports
from envmgr.errors import EngineError


def listening(address: str = "127.0.0.1", kind: int = socket.SOCK_STREAM) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
    # As servers do. Without it what lingers keeps the port from a container as well.
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(kind == socket.SOCK_STREAM))
    made.bind((address, 0))
    if kind == socket.SOCK_STREAM:
        made.listen()
    return made


@pytest.mark.spawns
def test_a_port_that_is_listened_on_and_who_does():
    with listening() as held:
        port = held.getsockname()[1]
        assert not ports.is_free(port)
        assert not ports.is_free(port, "0.0.0.0")
        assert ports.holder_of(port) == f"{psutil.Process().name()} (pid {os.getpid()})"
        assert ports.holder_of(port, "0.0.0.0") is not None
        assert ports.is_free(port, "127.0.0.2")
        assert ports.holder_of(port, "127.0.0.2") is None
    assert ports.is_free(port)
    assert ports.holder_of(port) is None


@pytest.mark.spawns
def test_listening_on_every_address_takes_each():
    with listening("0.0.0.0") as held:
        port = held.getsockname()[1]
        assert not ports.is_free(port, "127.0.0.1")
        assert ports.holder_of(port, "127.0.0.1") is not None


@pytest.mark.spawns
def test_a_connection_in_time_wait_is_in_nobodys_way():
    with listening() as server:
        port = server.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        taken, _ = server.accept()
        taken.close()
        client.close()
    assert ports.is_free(port)


@pytest.mark.spawns
def test_udp_and_tcp_do_not_meet():
    with listening(kind=socket.SOCK_DGRAM) as held:
        port = held.getsockname()[1]
        assert not ports.is_free(port, protocol="udp")
        assert ports.holder_of(port, protocol="udp") is not None
        assert ports.holder_of(port, protocol="tcp") is None


@pytest.mark.spawns
def test_an_address_of_another_machine():
    with pytest.raises(EngineError, match=r"Port 8000 cannot be published on 192\.0\.2\.1"):
        ports.is_free(8000, "192.0.2.1")


class Forbidden(socket.socket):
    def bind(self, address: object) -> None:
        raise PermissionError


@pytest.mark.spawns
def test_a_port_that_only_the_engine_may_bind(monkeypatch):
    with listening() as held:
        monkeypatch.setattr(ports.socket, "socket", Forbidden)
        assert not ports.is_free(held.getsockname()[1])
    assert ports.is_free(1)


def test_a_holder_that_this_user_may_not_see(monkeypatch):
    seen = SimpleNamespace(laddr=SimpleNamespace(ip="::", port=443), status="LISTEN", pid=None)
    monkeypatch.setattr(psutil, "net_connections", lambda kind: [seen])
    assert ports.holder_of(443, "127.0.0.1") == "a process of another user"


def test_a_system_that_shows_no_connections(monkeypatch):
    def refuse(kind: str) -> None:
        raise psutil.AccessDenied

    monkeypatch.setattr(psutil, "net_connections", refuse)
    monkeypatch.setattr(ports, "is_free", lambda *_: False)
    assert ports.holder_of(8000) == "a process of another user"
    monkeypatch.setattr(ports, "is_free", lambda *_: True)
    assert ports.holder_of(8000) is None


def test_a_holder_that_is_gone_by_now(monkeypatch):
    seen = SimpleNamespace(laddr=SimpleNamespace(ip="127.0.0.1", port=8000), status="LISTEN", pid=2**30)
    monkeypatch.setattr(psutil, "net_connections", lambda kind: [seen])
    assert ports.holder_of(8000) == f"pid {2**30}"
