"""The guard of tests/conftest.py: a test without a marker starts no process and opens no socket."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

SPAWNS: dict[str, Callable[[], object]] = {
    "subprocess": lambda: subprocess.run([sys.executable, "-V"], check=False),
    "system": lambda: os.system("true"),
    "fork": lambda: os.fork() or os._exit(0),
    "spawn": lambda: os.posix_spawn("/bin/true", ["true"], {}),
    "exec": lambda: os.execv("/nowhere", ["nowhere"]),
    "thread": lambda: ThreadPoolExecutor(1).submit(subprocess.run, ["true"], check=False).result(),
}
SOCKETS: dict[str, Callable[[], object]] = {
    "inet": lambda: socket.create_connection(("127.0.0.1", 9), timeout=1),
    "inet6": lambda: socket.socket(socket.AF_INET6),
    "unix": lambda: socket.socket(socket.AF_UNIX).connect("/nowhere"),
    "bind": lambda: socket.socket(socket.AF_UNIX).bind("\0envmgr-guard"),
    "resolve": lambda: socket.getaddrinfo("localhost", 80),
}


@pytest.mark.parametrize("spawn", SPAWNS.values(), ids=SPAWNS)
def test_a_process_is_refused(spawn: Callable[[], object], request: pytest.FixtureRequest):
    with pytest.raises(pytest.fail.Exception) as caught:
        spawn()
    assert str(caught.value).startswith(f"{request.node.nodeid} starts a process (")
    assert str(caught.value).endswith("give it a fake, or mark it `spawns`")


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("connect", SOCKETS.values(), ids=SOCKETS)
def test_a_socket_is_refused(connect: Callable[[], object], request: pytest.FixtureRequest):
    with pytest.raises(pytest.fail.Exception) as caught:
        connect()
    assert str(caught.value).startswith(f"{request.node.nodeid} opens a socket (")


def test_no_code_under_test_can_swallow_it():
    def careless() -> None:
        try:
            subprocess.run(["true"], check=False)
        except Exception:
            return

    with pytest.raises(pytest.fail.Exception):
        careless()


def test_an_event_loop_may_wake_itself():
    assert asyncio.run(asyncio.sleep(0, "awake")) == "awake"


@pytest.mark.spawns
def test_a_marked_test_may():
    assert subprocess.run(["true"], check=False).returncode == 0
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))


def test_the_mark_of_another_test_does_not_linger():
    with pytest.raises(pytest.fail.Exception):
        subprocess.run(["true"], check=False)


@pytest.fixture
def child() -> int:
    return subprocess.run(["true"], check=False).returncode


def test_fixtures_are_guarded_too(request: pytest.FixtureRequest):
    with pytest.raises(pytest.fail.Exception, match="test_fixtures_are_guarded_too starts a process"):
        request.getfixturevalue("child")


@pytest.mark.spawns
def test_fixtures_of_a_marked_test_may(child: int):
    assert child == 0
