"""What every test has: a guard against processes and sockets, the repository's folder, projects made from a text."""

from __future__ import annotations

import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from envmgr.model.stack import System
from envmgr.operations.project import Project, open_project

settings.register_profile("default", deadline=None, database=None, derandomize=True)
settings.register_profile("search", deadline=None, database=None, max_examples=2000)
settings.load_profile("default")

_SPAWNS = ("subprocess.Popen", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.system", "pty.spawn")
_NETWORK = ("socket.bind", "socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo")
_ALLOWING = ("spawns", "docker")
_guard = {"test": ""}
"""Name of the test that may neither spawn nor connect; empty between tests, and in those that may."""


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    if not _guard["test"]:
        return
    # asyncio and anyio wake themselves through a pair of Unix sockets: making one reaches nobody.
    makes_socket = event == "socket.__new__" and arguments[1] != socket.AF_UNIX
    if makes_socket or event in _NETWORK:
        pytest.fail(f"{_guard['test']} opens a socket ({event}); give it a fake, or mark it `spawns`")
    if event in _SPAWNS:
        pytest.fail(f"{_guard['test']} starts a process ({event}); give it a fake, or mark it `spawns`")


sys.addaudithook(_refuse)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--update-golden`; here, because only the outermost folder's options are known wherever pytest starts."""
    parser.addoption("--update-golden", action="store_true", help="rewrite tests/golden/*/expected")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Arm the guard around a test and its fixtures."""
    _guard["test"] = "" if any(item.get_closest_marker(name) for name in _ALLOWING) else item.nodeid
    try:
        return (yield)
    finally:
        _guard["test"] = ""


@pytest.fixture(scope="session", autouse=True)
def _cache_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep resolved systems away from the user's own, and the user's away from tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def repository() -> Path:
    """The folder of this repository."""
    return Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def project_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Project]:
    """Open a spec given as text, and further files as path → text, in a folder of its own."""
    parent = tmp_path_factory.mktemp("projects")

    def opened(text: str, files: dict[str, str] | None = None) -> Project:
        folder = Path(tempfile.mkdtemp(dir=parent))
        for path, content in {"envmgr.toml": text, **(files or {})}.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content.encode())
        return open_project(folder / "envmgr.toml")

    return opened


@pytest.fixture(scope="session")
def system_of(project_of: Callable[..., Project]) -> Callable[[str], System]:
    """Resolve a spec given as text."""
    return lambda text: project_of(text).system


@pytest.fixture(scope="session")
def chatbot(repository: Path) -> Project:
    """This repository's own spec, whatever somebody has on the desk of it."""
    project = open_project(repository / "envmgr.toml")
    return replace(project, system=project.declared)
