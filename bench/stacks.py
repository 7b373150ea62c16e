"""What needs an engine: a small project of its own, brought up, looked at, and removed with everything it made."""

from __future__ import annotations

import json
import random
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.measure import Row, Sample, compare, nothing, row, run
from bench.places import ENVMGR, ROOT, variables

STACKS = ("infra", "dev", "stage", "prod")
SPEC = """\
[project]
name = "{name}"

[networks]
range = "10.112.0.0/12"

[infra.postgres]
port = {ports[0]}
cpus = 0.5
memory = "128M"

[infra.redis]
port = {ports[1]}
cpus = 0.5
memory = "64M"

[builds.play]
context = "fixture"

[services.web]
kind = "asgi"
build = "play"
app = "play:app"
cpus = 0.5
memory = "64M"

[services.api]
kind = "asgi"
build = "play"
app = "play:app"
cpus = 0.5
memory = "64M"

[environments.dev]
ports = {{ web = {ports[2]}, api = {ports[5]} }}

[environments.stage]
ports = {{ web = {ports[3]} }}

[environments.prod]
ports = {{ web = {ports[4]} }}
"""


@dataclass(slots=True)
class Lab:
    """A project on the engine: two servers, three environments of two services that start at once."""

    folder: Path
    name: str
    uses_recipes: bool = False

    def envmgr(self, *args: str) -> Sample:
        """Run an envmgr command."""
        return run([ENVMGR, *args], self.folder, variables())

    def compose(self, target: str, *args: str) -> Sample:
        """Run Compose on a stack's own files, with recipes' images in place where envmgr has put them there."""
        document = self.folder / "compose" / f"docker-compose.{'base' if target == 'infra' else f'app.{target}'}.yml"
        instead = document.with_suffix(".recipes.yml")
        files = [document, *([instead] if instead.exists() and self.uses_recipes else [])]
        flags = [part for file in files for part in ("-f", str(file))]
        return run(["docker", "compose", *flags, *args], self.folder)

    def runs_recipes(self) -> bool:
        """Tell whether this host builds servers from packages, as the volumes' labels say."""
        label = f"label=envmgr.project={self.name}"
        shown = ["docker", "volume", "ls", "-q", "--filter", label, "--filter", "label=envmgr.image.source=recipes"]
        return bool(run(shown, self.folder).output.strip())

    def wait_up(self) -> Sample:
        """Bring the base and dev up as one would without envmgr."""
        return self.compose("infra", "up", "-d", "--wait") + self.compose("dev", "up", "-d", "--wait")

    def ps(self) -> Sample:
        """Look at every stack, without its files: what Compose does fastest."""
        first, *others = (run(["docker", "compose", "-p", f"{self.name}-{one}", "ps"], self.folder) for one in STACKS)
        return sum(others, start=first)

    def take_down(self) -> None:
        """Remove dev's containers and the base's; volumes and dev's data network stay, for both sides."""
        self.compose("dev", "down")
        self.compose("infra", "down")

    def clear(self) -> None:
        """Remove everything but images."""
        self.envmgr("destroy", "dev", "infra", "--yes")


def rows(folder: Path, runs: int) -> Iterator[Row]:
    """Measure on the engine."""
    with lab(folder) as one:
        one.envmgr("up", "dev")
        one.uses_recipes = one.runs_recipes()
        yield compare(
            ("cold up dev, proven healthy", "docker compose up -d --wait"),
            (lambda: one.envmgr("up", "dev"), one.wait_up),
            before=(one.take_down, one.take_down),
            aim=1.0,
            runs=runs,
            warm_up=False,
        )
        one.envmgr("up", "dev", "stage", "prod")
        yield compare(
            ("up dev, nothing to do", "docker compose up -d --wait"),
            (lambda: one.envmgr("up", "dev"), one.wait_up),
            aim=0.4,
            runs=runs,
        )
        yield compare(
            ("status of 4 stacks", "docker compose ps on each"),
            (lambda: one.envmgr("status"), one.ps),
            before=(nothing, nothing),
            aim=0.3,
            runs=runs,
        )
        yield from health(one, runs)
        yield from switches(one, runs)


def health(one: Lab, runs: int) -> Iterator[Row]:
    """Compare all probes at once with the slowest of them, from the same run."""
    probes: list[tuple[Sample, Sample]] = []
    whole: list[tuple[Sample, Sample]] = []
    for _ in range(runs + 1):
        sample = one.envmgr("health", "--json")
        told = json.loads(sample.output.strip().splitlines()[-1])
        slowest = max(probe["latency"] or 0.0 for probe in told["probes"])
        least = Sample(slowest, 0.0, 0.0)
        probes.append((Sample(told["seconds"], sample.cpu, sample.megabytes), least))
        whole.append((sample, least))
    yield row((f"health: {len(told['probes'])} probes", "the slowest of them"), probes[1:], 1.5)
    yield row(("health, the whole command", "the slowest probe"), whole[1:], None)


def switches(one: Lab, runs: int) -> Iterator[Row]:
    """Move a service to the desk and back, against its own end and start; and the base alone against all of dev."""

    def into_container() -> Sample:
        return one.envmgr("container", "dev", "web")

    yield compare(
        ("native dev web: to the desk", "docker compose stop web"),
        (lambda: one.envmgr("native", "dev", "web"), lambda: one.compose("dev", "stop", "web")),
        before=(into_container, into_container),
        aim=None,
        runs=runs,
    )
    yield compare(
        ("container dev web: and back", "docker compose up -d --wait web"),
        (into_container, lambda: one.compose("dev", "up", "-d", "--wait", "web")),
        before=(lambda: one.envmgr("native", "dev", "web"), lambda: one.compose("dev", "stop", "web")),
        aim=None,
        runs=runs,
    )
    one.envmgr("down", "stage", "prod")
    yield compare(
        ("native dev, from nothing", "envmgr container dev, from nothing"),
        (lambda: one.envmgr("native", "dev"), lambda: one.envmgr("container", "dev")),
        before=(one.clear, one.clear),
        aim=None,
        runs=runs,
    )


@contextmanager
def lab(folder: Path) -> Iterator[Lab]:
    """Make a project, and remove it with its containers, networks, volumes and images."""
    name = f"bench{random.randrange(16**5):05x}"
    folder.mkdir(parents=True)
    (folder / "images").symlink_to(ROOT / "images")
    (folder / "fixture").symlink_to(ROOT / "tests" / "docker" / "fixture")
    (folder / "envmgr.toml").write_text(SPEC.format(name=name, ports=free_ports(6)))
    try:
        yield Lab(folder, name)
    finally:
        remove(name)


def free_ports(count: int) -> list[int]:
    """Return ports of the loopback that nobody holds now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def remove(name: str) -> None:
    """Remove whatever carries the project's name."""
    mine = ("--filter", f"label=envmgr.project={name}")
    for listed, removal in (
        (("ps", "-aq", *mine), ("rm", "-f", "-v")),
        (("network", "ls", "-q", *mine), ("network", "rm")),
        (("volume", "ls", "-q", *mine), ("volume", "rm", "-f")),
        (("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", f"{name}-*"), ("image", "rm", "-f")),
    ):
        found = subprocess.run(["docker", *listed], capture_output=True, text=True, check=False).stdout.split()
        if found:
            subprocess.run(["docker", *removal, *found], capture_output=True, check=False)
