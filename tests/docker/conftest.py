"""A project of its own for each scenario: own name, ports and subnets, and everything removed afterwards."""

from __future__ import annotations

import ipaddress
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from envmgr import naming
from envmgr.resolve.subnets import allocate
from envmgr.spec.schema import NetworksTable

ROOT = Path(__file__).resolve().parents[2]
FIXTURE = Path(__file__).parent / "fixture"
RANGE = "10.96.0.0/12"
"""Where the scenarios' specs have their networks."""
ENVMGR = [sys.executable, "-m", "envmgr.cli"]


def docker(*args: str, check: bool = True, timeout: float = 60) -> str:
    """Run the docker CLI and return what it prints."""
    done = subprocess.run(["docker", *args], capture_output=True, text=True, timeout=timeout, check=False)
    if check and done.returncode != 0:
        raise AssertionError(f"docker {' '.join(args)}: {done.stderr}")
    return done.stdout.strip()


def free_port() -> int:
    """Return a port of the loopback that nobody holds now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def eventually(check: Callable[[], bool], what: str, seconds: float = 30) -> None:
    """Wait until something is true, or fail."""
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.05)


@dataclass
class Result:
    """How one command ended."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def json(self) -> dict:
        """The last line of stdout, read as JSON."""
        return json.loads(self.out.strip().splitlines()[-1])

    @property
    def events(self) -> list[dict]:
        """Every line of stdout, read as JSON."""
        return [json.loads(line) for line in self.out.splitlines() if line.strip()]


@dataclass
class Sandbox:
    """One project in a folder of its own."""

    folder: Path
    name: str
    env: dict[str, str] = field(default_factory=dict)

    def start(self, *args: str, **options: object) -> subprocess.Popen:
        """Start an envmgr command in a session of its own."""
        return subprocess.Popen(
            [*ENVMGR, *args],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", **self.env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            **options,
        )

    def run(self, *args: str, timeout: float = 300) -> Result:
        """Run an envmgr command to its end."""
        began = time.monotonic()
        process = self.start(*args)
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            raise AssertionError(f"envmgr {' '.join(args)} took over {timeout} s:\n{out}\n{err}") from None
        return Result(process.returncode, out, err, time.monotonic() - began)

    def ok(self, *args: str, timeout: float = 300) -> Result:
        """Run an envmgr command that must succeed."""
        result = self.run(*args, timeout=timeout)
        assert result.code == 0, f"envmgr {' '.join(args)}: exit {result.code}\n{result.out}\n{result.err}"
        return result

    def containers(self, target: str | None = None, service: str | None = None) -> dict[str, dict]:
        """Return this project's containers by name, as `docker inspect` shows them."""
        filters = ["--filter", f"label=envmgr.project={self.name}"]
        filters += ["--filter", f"label=envmgr.env={target}"] if target else []
        filters += ["--filter", f"label=envmgr.service={service}"] if service else []
        ids = docker("ps", "-aq", *filters).split()
        found = json.loads(docker("inspect", *ids)) if ids else []
        return {one["Name"].lstrip("/"): one for one in found}

    def identity(self, *targets: str) -> dict[str, tuple[str, str, int]]:
        """Return what changes when a container is recreated or restarted: id, start time, restart count."""
        return {
            name: (one["Id"], one["State"]["StartedAt"], one["RestartCount"])
            for target in targets
            for name, one in self.containers(target).items()
        }

    def edit(self, old: str, new: str) -> None:
        """Change the spec; what is replaced must be there."""
        path = self.folder / "envmgr.toml"
        text = path.read_text()
        assert old in text, f"{old!r} is not in the spec"
        path.write_text(text.replace(old, new, 1))

    def write(self, spec: str) -> None:
        """Write the whole spec."""
        (self.folder / "envmgr.toml").write_text(textwrap.dedent(spec))

    def remove(self) -> None:
        """Remove everything of this project from the engine."""
        mine = ("--filter", f"label=envmgr.project={self.name}")
        for ids, remove in (
            (docker("ps", "-aq", *mine).split(), ("rm", "-f", "-v")),
            (docker("network", "ls", "-q", *mine).split(), ("network", "rm")),
            (docker("volume", "ls", "-q", *mine).split(), ("volume", "rm", "-f")),
        ):
            if ids:
                docker(*remove, *ids, check=False, timeout=120)
        tags = docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", f"{self.name}-*").split()
        if tags:
            docker("image", "rm", "-f", *tags, check=False, timeout=120)


def make_sandbox(folder: Path) -> Sandbox:
    """Return an empty project with the recipes of this repository."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "images").symlink_to(ROOT / "images")
    (folder / "fixture").symlink_to(FIXTURE)
    return Sandbox(folder, _free_name())


def _free_name() -> str:
    """Return a name whose targets get networks that nobody has: derived from names, one in some hundreds would not."""
    taken = _subnets()
    names = iter(lambda: f"t{random.randrange(16**6):06x}", "")
    return next(name for name in names if _is_free(name, taken))


def _is_free(name: str, taken: Collection[ipaddress.IPv4Network]) -> bool:
    targets = dict.fromkeys((naming.INFRA, "dev", "stage", "prod", "demo", "curl"))
    for within in (RANGE, NetworksTable().range):
        blocks, problems = allocate(name, within, targets)
        mine = [ipaddress.IPv4Network(block.data).supernet(new_prefix=24) for block in blocks.values()]
        if problems or any(one.overlaps(other) for one in mine for other in taken):
            return False
    return True


def _subnets() -> tuple[ipaddress.IPv4Network, ...]:
    form = "{{range .IPAM.Config}}{{println .Subnet}}{{end}}"
    found = docker("network", "inspect", "--format", form, *docker("network", "ls", "-q").split(), check=False)
    return tuple(ipaddress.IPv4Network(line) for line in found.split() if "." in line)


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    """An empty project, removed afterwards."""
    one = make_sandbox(tmp_path / "project")
    yield one
    one.remove()


def play_spec(name: str, *, mode: str = "serve", port: int | None = None, extra: str = "", more: str = "") -> str:
    """Return a spec whose one web service plays `mode`; no server, so it starts in seconds."""
    port = port or free_port()
    return f"""\
[project]
name = "{name}"

[networks]
range = "10.96.0.0/12"

[images]
recipes = "images"

[builds.play]
context = "fixture"

[services.web]
kind = "asgi"
build = "play"
app = "play:app"
memory = "64M"
cpus = 0.5
{extra}

[services.web.variables]
PLAY = "{mode}"

{more}

[environments.dev]
ports = {{ web = {port} }}
"""


_PORT = re.compile(r"(?<== )[1-9][0-9]{3}\b(?=[,\n ])")


def chatbot_spec(name: str) -> tuple[str, dict[int, int]]:
    """Return this repository's own spec under another name, and the port on the host that took each port's place."""
    text = (ROOT / "envmgr.toml").read_text()
    head = 'name = "shia-chatbot"'
    assert head in text
    text = text.replace(head, f'name = "{name}"\n\n[networks]\nrange = "10.96.0.0/12"')
    lines, moved = [], {}
    for line in text.splitlines(keepends=True):
        if re.match(r"ports? = ", line):
            for port in {int(found) for found in _PORT.findall(line)}:
                moved[port] = next(free for free in iter(free_port, 0) if free not in moved.values())
            line = _PORT.sub(lambda found: str(moved[int(found[0])]), line)
        lines.append(line)
    return "".join(lines), moved


@dataclass
class Chatbot:
    """The reference system under another name."""

    sandbox: Sandbox
    ports: dict[int, int]
    """Port in this repository's spec → port in its place."""

    def at(self, port: int, path: str = "") -> str:
        """Return a URL by the port that this repository's spec has."""
        return f"http://127.0.0.1:{self.ports[port]}{path}"

    def url(self, environment: str, path: str = "") -> str:
        """Return a URL of an environment's application."""
        return self.at(8000 + ("dev", "stage", "prod").index(environment), path)

    def rendered(self) -> dict[str, dict]:
        """Return every service of the rendered documents, by the name of its container."""
        found = [yaml.safe_load(path.read_text()) for path in (self.sandbox.folder / "compose").glob("*.yml")]
        whole = [one for one in found if all("user" in body for body in one["services"].values())]
        return {f"{one['name']}-{key}-1": body for one in whole for key, body in one["services"].items()}

    def flower(self, environment: str, path: str = "") -> str:
        """Return a URL of an environment's Flower."""
        return self.at(5555 + ("dev", "stage", "prod").index(environment), path)


_stand_ins: dict[str, str] = {}


def note_stand_ins(sandbox: Sandbox) -> None:
    """Remember what answers in place of a real server, for the report."""
    rows = [row for stack in sandbox.ok("status", "--json").json["stacks"] for row in stack["rows"]]
    _stand_ins.update({row["service"]: row["stand_in"] for row in rows if row["stand_in"]})


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which results were proved on a stand-in."""
    for service, what in sorted(_stand_ins.items()):
        terminalreporter.write_line(f"proved on a stand-in, not on the real server: {service} is {what}")


@pytest.fixture(scope="session")
def chatbot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chatbot]:
    """The reference system: the base and three environments, up for the whole session."""
    one = make_sandbox(tmp_path_factory.mktemp("chatbot") / "project")
    (one.folder / "examples").mkdir()
    shutil.copytree(
        ROOT / "examples" / "chatbot",
        one.folder / "examples" / "chatbot",
        ignore=shutil.ignore_patterns("__pycache__", ".pytest_cache", ".venv"),
    )
    text, ports = chatbot_spec(one.name)
    (one.folder / "envmgr.toml").write_text(text)
    try:
        result = one.ok("up", "dev", "stage", "prod", "--json", timeout=1200)
        (one.folder / "first-up.json").write_text(result.out)
        note_stand_ins(one)
        yield Chatbot(one, ports)
    finally:
        one.remove()
