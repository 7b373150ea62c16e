"""One environment takes all that it may have, while another serves: what of it the other notices."""

from __future__ import annotations

import statistics
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.docker.conftest import Sandbox, docker, eventually, free_port, make_sandbox

pytestmark = pytest.mark.docker

SECONDS = 7

SPEC = """\
[project]
name = "{name}"

[networks]
range = "10.96.0.0/12"

[images]
recipes = "images"

[infra.redis]
memory = "64M"

[builds.programs]
context = "programs"
target = "programs"

[services.web]
kind = "wsgi"
build = "programs"
app = "counter:app"
threads = 4
health_path = "/health"
uses = ["redis"]
cpus = 0.5
memory = "192M"
pids = 128

[environments.dev]

[environments.prod]
ports = {{ web = {port} }}
"""
OWN = """
[environments.prod.infra.redis]
mode = "own"
memory = "64M"
"""


@dataclass
class Visits:
    """Requests to one URL, one after the other, never tried again; times in seconds."""

    url: str
    good: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def during(self, seconds: float) -> Visits:
        """Ask for a while."""
        until = time.monotonic() + seconds
        with httpx.Client(timeout=20, trust_env=False) as client:
            while time.monotonic() < until:
                began = time.monotonic()
                try:
                    code = client.get(self.url).status_code
                except httpx.HTTPError as error:
                    self.failed.append(type(error).__name__)
                else:
                    self.good.append(time.monotonic() - began) if code == 200 else self.failed.append(str(code))
                time.sleep(0.005)
        return self

    def __str__(self) -> str:
        ranked = sorted(self.good)
        slowest = ranked[int(len(ranked) * 0.99)] if ranked else 0
        middle = statistics.median(ranked) if ranked else 0
        return (
            f"{len(self.good)} answered, {len(self.failed)} failed, "
            f"median {middle * 1000:.0f} ms, 99 % below {slowest * 1000:.0f} ms"
        )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sandbox, str]]:
    sandbox = make_sandbox(tmp_path_factory.mktemp("neighbour") / "project")
    (sandbox.folder / "programs").symlink_to(Path(__file__).parent / "programs")
    port = free_port()
    sandbox.write(SPEC.format(name=sandbox.name, port=port))
    try:
        sandbox.ok("up", "dev", "prod", timeout=600)
        yield sandbox, f"http://127.0.0.1:{port}/"
    finally:
        sandbox.remove()


def disturbed(sandbox: Sandbox, url: str) -> tuple[Visits, Visits]:
    """Return how prod answers before, and while dev takes everything that it may have."""
    before = Visits(url).during(3)
    (container,) = sandbox.containers("dev", "web")
    burner = subprocess.Popen(
        ["docker", "exec", container, "python", "burner.py", str(SECONDS), "64"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    eventually(lambda: "burner.py" in docker("top", container), "dev burns", 20)
    during = Visits(url).during(SECONDS - 2)
    said = burner.communicate(timeout=60)[0]
    assert burner.returncode == 0, said
    return before, during


def test_nothing_is_lost_with_a_server_of_its_own_and_both_ways_are_told(
    site: tuple[Sandbox, str], capsys: pytest.CaptureFixture[str]
) -> None:
    sandbox, url = site
    before, shared = disturbed(sandbox, url)
    path = sandbox.folder / "envmgr.toml"
    path.write_text(path.read_text() + OWN)
    sandbox.ok("up", "prod")
    calm, own = disturbed(sandbox, url)
    with capsys.disabled():
        print(f"\nprod on the shared Redis: {before}; while dev takes all that it may: {shared}")
        print(f"prod on a Redis of its own: {calm}; while dev takes all that it may: {own}")
    assert before.failed == calm.failed == []
    assert own.failed == []
    assert len(own.good) > 20
