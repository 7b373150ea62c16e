"""The same small world on a fake engine and on a real one: a project of its own, programs, documents, cleaning up."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from envmgr.engine.protocol import Engine
from envmgr.model.observed import Container, EngineHealth, ExecResult, HealthRun, Observed, State
from envmgr.model.stack import Network
from tests.contract.busybox import IMAGE
from tests.fakes.engine import Behaviour, FakeEngine, StillRunning

PREFIX = "envmgr-contract-"
SECONDS = 60.0
Found = TypeVar("Found")


def until(look: Callable[[], Found], seconds: float = SECONDS) -> Found:
    """Look again and again until there is something."""
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, f"not within {seconds:g} s"
        time.sleep(0.02)
    return found


@dataclass(frozen=True)
class Program:
    """What a container runs, and what the fake has to be told about it."""

    service: Mapping[str, Any]
    behaviour: Behaviour = field(default_factory=Behaviour)


def _shell(script: str) -> dict[str, Any]:
    return {"command": ["sh", "-c", script]}


def _check(script: str) -> dict[str, Any]:
    return {"test": ["CMD-SHELL", script], "interval": "200ms", "timeout": "5s", "retries": 1}


SLEEPS = Program({"command": ["sleep", "100000"]})
FAILS = Program(_shell("echo broken; exit 3"), Behaviour(State.EXITED, EngineHealth.NONE, exit_code=3, logs="broken\n"))
SUCCEEDS = Program(_shell("exit 0"), Behaviour(State.EXITED, EngineHealth.NONE))
LOOPS = Program(
    {**_shell("exit 1"), "restart": "always"},
    Behaviour(State.RESTARTING, EngineHealth.NONE, exit_code=1, restart_count=3),
)
LINES = "".join(f"line {number}\n" for number in range(1, 31))
TALKS = Program(_shell("for n in $$(seq 30); do echo line $$n; done; exec sleep 100000"), Behaviour(logs=LINES))
WELL = Program({**SLEEPS.service, "healthcheck": _check("echo fine")}, Behaviour(health_runs=(HealthRun(0, "fine\n"),)))
ILL = Program(
    {**SLEEPS.service, "healthcheck": _check("echo no; exit 1")},
    Behaviour(health=EngineHealth.UNHEALTHY, health_runs=(HealthRun(1, "no\n"),)),
)

_NOT_FOUND = 'OCI runtime exec failed: exec: "nope": executable file not found in $PATH\r\n'


def answer(
    container: Container | None, argv: tuple[str, ...], variables: Mapping[str, str]
) -> ExecResult | StillRunning:
    """Answer as a busybox would."""
    known: dict[tuple[str, ...], ExecResult | StillRunning] = {
        ("true",): ExecResult(0, ""),
        ("nope",): ExecResult(127, _NOT_FOUND),
        ("sh", "-c", "echo out; echo err >&2; exit 3"): ExecResult(3, "out\nerr\n"),
        ("sh", "-c", 'printf "%s|%s" "$A" "$B"'): ExecResult(0, "|".join(variables.get(n, "") for n in "AB")),
        ("sh", "-c", "echo before; sleep 100"): StillRunning("before\n"),
        ("printf", "a\\377b"): ExecResult(0, "a\ufffdb"),
    }
    return known[argv]


class Lab:
    """One project on one engine."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine = engine
        self.folder = folder
        self.project = PREFIX + secrets.token_hex(4)
        self.compose_project = f"{self.project}-dev"
        self.networks: dict[str, dict[str, Any]] = {}
        self.volumes: dict[str, dict[str, Any]] = {}
        self.services: dict[str, dict[str, Any]] = {}
        self._block = secrets.randbelow(256)
        self._used = 0

    @property
    def labels(self) -> dict[str, str]:
        return {"envmgr.project": self.project, "envmgr.env": "dev"}

    @property
    def file(self) -> Path:
        return self.folder / "compose.json"

    # ---- what is asked for

    def subnet(self) -> str:
        self._used += 1
        return f"10.231.{self._block}.{16 * (self._used - 1)}/28"

    def network(self, key: str = "data", **fields: Any) -> Network:
        given = {"subnet": self.subnet(), "is_internal": True, "is_external": True}
        return Network(key, f"{self.compose_project}-{key}", **{**given, **fields})

    def has(self, name: str, program: Program = SLEEPS, **more: Any) -> None:
        """Put a service into the document."""
        labels = {**self.labels, "envmgr.service": name}
        own = {"image": IMAGE, "init": True, "stop_grace_period": "1s", "labels": labels, "network_mode": "none"}
        self.services[name] = {**own, **program.service, **more}
        if "networks" in more:
            del self.services[name]["network_mode"]
        if isinstance(self.engine, FakeEngine):
            self.engine.behaviours[name] = program.behaviour

    def has_network(self, network: Network) -> None:
        """Put an external network into the document."""
        self.networks[network.key] = {"name": network.name, "external": True}

    def has_volume(self, key: str) -> str:
        name = f"{self.compose_project}-{key}"
        self.volumes[key] = {"name": name, "labels": self.labels}
        return name

    def write(self) -> tuple[Path, ...]:
        document = {"services": self.services, "networks": self.networks, "volumes": self.volumes}
        self.file.write_text(json.dumps({"name": self.compose_project, **document}))
        return (self.file,)

    def up(self, *services: str, **options: Any) -> None:
        self.engine.compose_up(self.write(), self.compose_project, services, **{"deadline": SECONDS, **options})

    def down(self, **options: Any) -> None:
        self.engine.compose_down(self.write(), self.compose_project, **{"deadline": SECONDS, **options})

    # ---- what is there

    def snapshot(self) -> Observed:
        return self.engine.snapshot(self.project)

    def find(self, service: str) -> Container | None:
        return next(iter(self.snapshot().of(self.compose_project, service)), None)

    def get(self, service: str, **wanted: Any) -> Container:
        """Return a service's container as soon as its fields are as wanted."""

        def look() -> Container | None:
            found = self.find(service)
            return found if found and all(getattr(found, name) == value for name, value in wanted.items()) else None

        return until(look)

    def clean(self) -> None:
        """Remove whatever this project has left."""
        observed = self.snapshot()
        for container in observed.containers:
            self.engine.remove_container(container.id)
        for network in observed.networks:
            if network.name.startswith(self.project):
                self.engine.remove_network(network.name)
        for volume in observed.volumes:
            self.engine.remove_volume(volume.name)
