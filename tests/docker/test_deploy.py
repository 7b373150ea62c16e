"""Releases on a real engine: requests go on through deploys, rollbacks, failures and kills."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException

import pytest

from tests.docker.conftest import ENVMGR, Sandbox, docker, eventually, free_port, make_sandbox

pytestmark = pytest.mark.docker
SPEC = """\
[project]
name = "{name}"

[networks]
range = "10.96.0.0/12"

[builds.play]
context = "fixture"

[services.migrate]
kind = "job"
build = "play"
command = ["job"]
variables = {{ PLAY = "done" }}

[services.web]
kind = "asgi"
build = "play"
app = "play:app"
after = ["migrate"]
start_seconds = 10

[services.ticker]
kind = "container"
build = "play"
user = "10001:10001"
command = ["celery"]
healthcheck = ["true"]
variables = {{ PLAY = "hang" }}

[environments.prod]
ports = {{ web = {port} }}
variables = {{ MARK = "m1" }}

[environments.prod.deploy]
strategy = "blue-green"
watch_seconds = 1
drain_seconds = 8
smoke = [{{ service = "web", path = "/health", contains = "prod" }}]
"""


class Users:
    """Clients that never retry: kept and fresh connections, short and long requests, uploads and streams."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.answers: Counter[str] = Counter()
        self.failures: list[str] = []
        self._stop = threading.Event()
        plans = ((True, "/x"), (True, "/y"), (False, "/z"), (True, "/slow?seconds=5"), (True, "/stream?seconds=2"))
        self._threads = [threading.Thread(target=self._ask, args=plan, daemon=True) for plan in plans]
        self._threads.append(threading.Thread(target=self._ask, args=(True, "/upload"), daemon=True))

    def __enter__(self) -> Users:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    @property
    def total(self) -> int:
        """How many requests were answered well."""
        return sum(self.answers.values())

    def _ask(self, keep: bool, path: str) -> None:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        body = b"x" * 300_000 if path == "/upload" else None
        while not self._stop.is_set():
            try:
                connection.request("POST" if body else "GET", path, body=body)
                response = connection.getresponse()
                text = response.read().decode().split()
                if response.status != 200 or text[0] != "prod":
                    self.failures.append(f"{path}: {response.status} {' '.join(text)[:80]}")
                else:
                    self.answers[text[1]] += 1
            except (OSError, HTTPException) as error:
                self.failures.append(f"{path}: {error!r}")
                connection.close()
            if not keep:
                connection.close()
            time.sleep(0.005)
        connection.close()


class Shop:
    """A project that is deployed to prod."""

    def __init__(self, sandbox: Sandbox, port: int) -> None:
        self.sandbox = sandbox
        self.port = port
        self.mark = "m1"

    def deploy(self, mark: str, code: int = 0) -> str:
        """Deploy another content, or fail to; return what was said."""
        self.change(f'MARK = "{self.mark}"', f'MARK = "{mark}"')
        self.mark = mark
        result = self.sandbox.run("deploy", "prod", timeout=300)
        assert result.code == code, result.err + result.out
        return result.err + result.out

    def change(self, old: str, new: str) -> None:
        """Change the spec."""
        self.sandbox.edit(old, new)

    def answer(self) -> str:
        """Return the mark of what serves."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", "/")
        text = connection.getresponse().read().decode()
        connection.close()
        return text.split()[1]

    def running(self) -> list[str]:
        """Return the containers of prod that run, by name without the project's."""
        lines = docker("ps", "--format", "{{.Names}}", "--filter", f"label=envmgr.project={self.sandbox.name}").split()
        return [one.removeprefix(f"{self.sandbox.name}-prod-") for one in lines]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A project whose first release serves."""
    sandbox = make_sandbox(tmp_path_factory.mktemp("deploy") / "project")
    port = free_port()
    sandbox.write(SPEC.format(name=sandbox.name, port=port))
    one = Shop(sandbox, port)
    try:
        sandbox.ok("deploy", "prod", timeout=600)
        yield one
    finally:
        sandbox.remove()


def test_no_request_fails_through_deploys_and_rollbacks(shop: Shop) -> None:
    with Users(shop.port) as users:
        for mark in ("m2", "m3"):
            said = shop.deploy(mark)
            assert float(re.search(r"switched in ([\d.]+) s", said)[1]) < 5  # type: ignore[index]
            assert shop.answer() == mark
            now = shop.running()
            assert sum("ticker" in name for name in now) == 1
            assert sum("web" in name for name in now) == 2
        shop.sandbox.ok("rollback", "prod")
        assert shop.answer() == "m2"
        shop.sandbox.ok("rollback", "prod", "--to", "1", timeout=120)
        assert shop.answer() == "m1"
        eventually(lambda: users.answers["m1"] > 20, "answers of the release that was gone back to")
    assert users.failures == []
    assert users.total > 500
    assert set(users.answers) == {"m1", "m2", "m3"}


def _unhealthy(shop: Shop) -> None:
    shop.change("variables = { MARK", 'variables = { PLAY = "unhealthy", MARK')


def _smoke(shop: Shop) -> None:
    shop.change('contains = "prod"', 'contains = "nobody says this"')


def _migration(shop: Shop) -> None:
    shop.change('PLAY = "done"', 'PLAY = "fail"')


def _hook(shop: Shop) -> None:
    shop.change("watch_seconds = 1", 'watch_seconds = 1\nafter = [["sh", "-c", "echo no; exit 4"]]')


FAILURES = {
    "unhealthy": (_unhealthy, "web of prod-"),
    "smoke": (_smoke, "does not hold 'nobody says this'"),
    "migration": (_migration, "migrate of prod-"),
    "hook": (_hook, "ended with exit code 4"),
}
SELDOM = ("unhealthy", "smoke")


@pytest.mark.parametrize(
    "name", [pytest.param(one, marks=pytest.mark.full if one in SELDOM else ()) for one in FAILURES]
)
def test_a_release_that_fails_changes_nothing_for_those_who_ask(shop: Shop, name: str) -> None:
    before, spec = shop.answer(), (shop.sandbox.folder / "envmgr.toml").read_text()
    ticker = [one for one in shop.running() if "ticker" in one]
    breaks, message = FAILURES[name]
    try:
        with Users(shop.port) as users:
            breaks(shop)
            said = shop.deploy(f"bad-{name}", code=6)
        assert message in said
        assert re.search(r"^state: Release \d+ serves, as before\.$", said, re.M), said
        assert shop.answer() == before
        assert users.failures == []
        assert [one for one in shop.running() if "ticker" in one] == ticker
    finally:
        (shop.sandbox.folder / "envmgr.toml").write_text(spec)
        shop.mark = re.search(r'MARK = "([^"]+)"', spec)[1]  # type: ignore[index]


STEPS = {
    "writing its variables": False,
    "starting (blue|green)": False,
    "looking at": False,
    "leading requests to": True,
    "handing background work over": True,
    "watching": True,
}
OFTEN = ("handing background work over",)


def _kill_at(shop: Shop, step: str) -> None:
    """Deploy, and kill the whole command as soon as it says that a step begins."""
    command = subprocess.Popen(
        [*ENVMGR, "deploy", "prod"],
        cwd=shop.sandbox.folder,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env={**os.environ, **shop.sandbox.env},
        start_new_session=True,
    )
    assert command.stderr is not None
    for line in command.stderr:
        if re.search(step, line):
            os.killpg(command.pid, signal.SIGKILL)
            break
    else:
        raise AssertionError(f"it never said {step}")
    command.stderr.close()
    command.wait(30)


@pytest.mark.parametrize("step", [pytest.param(one, marks=() if one in OFTEN else pytest.mark.full) for one in STEPS])
def test_killed_in_the_middle_one_release_serves_and_the_next_command_ends_it(shop: Shop, step: str) -> None:
    before, mark = shop.answer(), f"k{list(STEPS).index(step)}"
    with Users(shop.port) as users:
        shop.change(f'MARK = "{shop.mark}"', f'MARK = "{mark}"')
        shop.mark = mark
        _kill_at(shop, step)
        assert shop.answer() in (before, mark)
        again = shop.sandbox.run("deploy", "prod", timeout=300)
        assert again.code == 0, again.err
        assert re.search(r"going on with release|undoing release", again.err), again.err
        assert shop.answer() == mark
    assert users.failures == []
    assert sum("ticker" in one for one in shop.running()) == 1
    assert not (shop.sandbox.folder / ".envmgr/prod/journal.json").exists()


def _page(shop: Shop, path: str, client: str = "") -> tuple[int, str, str]:
    connection = HTTPConnection("127.0.0.1", shop.port, timeout=10)
    connection.request("GET", path, headers={"X-Forwarded-For": client} if client else {})
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response.status, response.headers.get("Retry-After", ""), text


def test_in_maintenance_visitors_get_a_page_and_a_deploy_goes_on(shop: Shop) -> None:
    shop.sandbox.ok("maintenance", "on", "prod", "--message", "Back at <10:30>", "--allow", "10.0.0.0/15")
    status, retry, text = _page(shop, "/")
    assert (status, retry) == (503, "120")
    assert "<p>Back at &lt;10:30&gt;</p>" in text
    assert [_page(shop, "/", client)[0] for client in ("10.1.2.3", "10.2.0.1", "9.9.9.9")] == [200, 503, 503]
    assert _page(shop, "/health")[0] == 200
    shop.deploy("mended")
    assert _page(shop, "/")[0] == 503
    assert _page(shop, "/", "10.1.2.3")[2].split()[1] == "mended"
    shop.sandbox.ok("maintenance", "off", "prod")
    assert shop.answer() == "mended"
    refused = shop.sandbox.run("maintenance", "on", "prod", "--allow", "10.0.0.0/99")
    assert (refused.code, shop.answer()) == (2, "mended")
