"""Whole operations on the fake engine: a project in a folder of its own, servers that remember what they own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from envmgr.errors import EngineError
from envmgr.health import probe, wait
from envmgr.model.observed import Container, ExecResult, State
from envmgr.model.plan import Plan
from envmgr.model.progress import Caution, Message, Note, Step
from envmgr.model.result import UpResult
from envmgr.operations import up as up_module
from envmgr.operations.plan import PlanOptions
from envmgr.operations.plan import plan as make_plan
from envmgr.operations.project import open_project
from envmgr.operations.session import Session
from envmgr.operations.up import UpOptions, up
from envmgr.records.lock import Locks
from tests.fakes import documents
from tests.fakes.edges import Edges
from tests.fakes.engine import Behaviour, FakeEngine

BASE = """
[infra.postgres]
memory = "64M"
cpus = 0.5

[infra.redis]
memory = "64M"
cpus = 0.5
"""
SPEC = f"""\
[project]
name = "play"
{BASE}
[variables.SECRET_KEY]
secret = true
generate = true
services = ["app"]

[services.migrate]
kind = "job"
image = "registry.example/play:1"
command = ["migrate"]
uses = ["postgres"]
memory = "64M"

[services.app]
kind = "asgi"
image = "registry.example/play:1"
app = "play:app"
uses = ["postgres", "redis"]
after = ["migrate"]
memory = "64M"

[services.worker]
kind = "job"
image = "registry.example/play:1"
command = ["worker"]
uses = ["redis"]
after = ["migrate"]
memory = "64M"

[environments.dev]
[environments.stage]
[environments.prod]
protected = true
"""
WEB = """\
[project]
name = "play"

[services.web]
kind = "asgi"
image = "registry.example/play:1"
app = "play:app"
memory = "64M"

[environments.dev]
"""
SERVERS = ("postgres:17", "redis:8.0")
SERVED = ("postgres", "redis")
"""Services whose commands are understood."""


@dataclass
class Servers:
    """What runs inside the base's containers: who owns what, and everything that was asked."""

    owned: set[str] = field(default_factory=set)
    asked: list[tuple[str, str]] = field(default_factory=list)
    """(verb, grant), in order, of what provisioning asks."""
    variables: list[Mapping[str, str]] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    """Everything that stood on a command line."""
    refuses: set[str] = field(default_factory=set)
    """Verbs that fail, `probe` among them."""
    raises: dict[str, BaseException] = field(default_factory=dict)
    opens: dict[str, dict[str, str]] = field(default_factory=dict)
    """Grant → login → password, hashed where the server hashes it."""
    forgets_nobody: bool = False
    """A credential that is ended still opens."""
    folder: Path = Path()
    """The project's: what is delivered there is what containers hold."""

    def __call__(self, container: Container, argv: tuple[str, ...], variables: Mapping[str, str]) -> ExecResult:
        if container.service not in SERVED:
            return ExecResult(127, "not found\n")  # a program of the project's own image: nothing that diagnoses
        self.words += argv
        self.variables.append(variables)
        verb, grant = _understood(container.service, " ".join((*argv, variables.get("SQL", ""))), variables)
        if verb != "probe":
            self.asked.append((verb, grant))
        if verb in self.raises:
            raise self.raises[verb]
        if verb in self.refuses or f"{verb} {grant}" in self.refuses:
            return ExecResult(1, f"{container.service} says no\n")
        if verb == "probe" and not self._enters(grant, *_credential(variables)):
            return ExecResult(1, f"{container.service}: WRONGPASS\n")
        return ExecResult(0, self._answer(verb, grant, variables))

    def alone(self, _image: str, argv: tuple[str, ...], variables: Mapping[str, str]) -> ExecResult:
        """Answer a program in a container beside an application's: it reads its secrets, or enters a server."""
        text = " ".join(argv)
        if "sha256sum" in text:
            found = [self._delivered(name) for name in variables["FILES"].split()]
            return ExecResult(0, "".join(f"{sha256(one).hexdigest()}  -\n" for one in found))
        server = "postgres" if "psql" in text else "redis"
        verb, grant = "enter", _understood(server, text, variables)[1]
        self.asked.append((verb, grant))
        if verb in self.raises:
            raise self.raises[verb]
        if verb in self.refuses or not self._enters(grant, *_credential(variables)):
            return ExecResult(1, f"{server}: WRONGPASS\n")
        return ExecResult(0, "")

    def _delivered(self, name: str) -> bytes:
        (found, *_) = sorted(self.folder.glob(f".envmgr/*/secrets/*/{name}"))
        return found.read_bytes()

    def _enters(self, grant: str, login: str, password: str) -> bool:
        known = self.opens.get(grant)
        return known is None or not login or known.get(login) in (password, sha256(password.encode()).hexdigest())

    def _answer(self, verb: str, grant: str, variables: Mapping[str, str]) -> str:
        login, password = _credential(variables)
        if verb == "exists":
            return "yes\n" if grant in self.owned else "\n"
        if verb == "ensure":
            self.owned.add(grant)
            self.opens.setdefault(grant, {})[login] = password
        if verb == "retire" and not self.forgets_nobody:
            self.opens.get(grant, {}).pop(login, None)
        if verb == "revoke":
            self.owned.discard(grant)
            self.opens.pop(grant, None)
        return "12 MB\n" if verb == "measure" else ""


def _credential(variables: Mapping[str, str]) -> tuple[str, str]:
    """Return as whom a command enters, or whom it makes or ends, and the password or its digest."""
    if "ACL" in variables:  # ACL SETUSER dev_app reset on #digest …
        words = variables["ACL"].split()
        return words[2], words[5].removeprefix("#")
    if "APP_LOGIN" in variables:
        return variables["APP_LOGIN"], variables.get("APP_PASSWORD", "")
    if "PGPASSWORD" in variables:
        return variables.get("PGUSER", ""), variables["PGPASSWORD"]
    return variables.get("LOGIN", ""), variables.get("REDISCLI_AUTH", "")


def _understood(server: str, text: str, variables: Mapping[str, str]) -> tuple[str, str]:
    """Tell what a command of the catalog does, and for which environment."""
    environment = next((e for e in ("dev", "stage", "prod") if f"{e}_" in text + str(dict(variables))), "")
    signs = {
        "postgres": (
            ("ensure", "CREATE DATABASE"),
            ("retire", "DROP OWNED BY"),
            ("revoke", "DROP DATABASE"),
            ("measure", "pg_size_pretty"),
            ("exists", "SELECT 'yes'"),
        ),
        "redis": (
            ("exists", "ACL USERS"),
            ("ensure", '"$ACL"'),
            ("measure", "--scan"),
            ("revoke", "ACL DELUSER $LOGINS"),
            ("retire", "ACL DELUSER"),
        ),
    }
    verb = next((verb for verb, sign in signs.get(server, ()) if sign in text), "probe")
    return verb, f"{server} {environment}".strip()


@dataclass
class House:
    """A project, the engine that it runs on, and everything that was said."""

    folder: Path
    engine: FakeEngine
    servers: Servers
    edges: Edges
    locks: Path
    said: list[Message] = field(default_factory=list)
    plans: list[Plan] = field(default_factory=list)
    """What `up` has shown, each time."""

    def session(self) -> Session:
        """Begin a command: everything is read anew."""
        locks = Locks(engine="fake", project="play", folder=self.locks)
        return Session(open_project(self.folder / "envmgr.toml"), self.engine, locks, self.said.append)

    def write(self, text: str) -> None:
        """Write the spec."""
        (self.folder / "envmgr.toml").write_text(text)

    def edit(self, old: str, new: str) -> None:
        """Change the spec; what is replaced must be there."""
        text = (self.folder / "envmgr.toml").read_text()
        assert old in text, f"{old!r} is not in the spec"
        self.write(text.replace(old, new, 1))

    def up(self, *names: str, **options: Any) -> UpResult:
        """Bring targets up; what was said and called before is forgotten."""
        self.forget()
        return up(self.session(), names or ("dev",), UpOptions(**options), self.agree)

    def agree(self, plan: Plan) -> None:
        """Keep what was shown, and agree to everything."""
        self.plans.append(plan)

    def plan(self, *names: str, **options: Any) -> Plan:
        """Return what `up` would do; what was said and called before is forgotten."""
        self.forget()
        return make_plan(self.session(), names, PlanOptions(**options))

    def forget(self) -> None:
        """Forget what was said, called and asked."""
        self.said.clear()
        self.engine.calls.clear()
        self.servers.asked.clear()

    def calls(self, *methods: str) -> list[tuple[Any, ...]]:
        """Return the calls of some methods, in order."""
        return [call for call in self.engine.calls if call[0] in methods]

    def ups(self) -> list[tuple[str, tuple[str, ...]]]:
        """Return what Compose was asked to bring up: project and services."""
        return [(project, services) for _, project, services in self.calls("compose_up")]

    def names(self) -> set[str]:
        """Return the names of all containers."""
        return {container.name for container in self.engine.all()}

    def container(self, name: str) -> Container:
        """Return a container by name."""
        return self.engine.get(name).container

    def ids(self) -> dict[str, str]:
        """Return the containers' ids by name."""
        return {container.name: container.id for container in self.engine.all()}

    def texts(self, kind: type[Step] | type[Note] | type[Caution]) -> list[str]:
        """Return what was said of one kind, with its target."""
        return [f"{one.target}: {one.text}" for one in self.said if isinstance(one, kind)]

    def secrets(self, target: str) -> dict[str, str]:
        """Return what the operator's file of a target holds."""
        path = self.folder / f".env.{target}"
        lines = path.read_text().splitlines() if path.exists() else []
        return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


_read = documents.parse


@cache
def _parsed(text: str) -> dict[str, Any]:
    """YAML is slow to read, and the same documents are read again and again."""
    return _read(text, Path("compose.yml"))


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    """A project with two servers and three environments, on an engine that has every image."""
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)
    monkeypatch.setattr(documents, "parse", lambda text, _file: _parsed(text))
    monkeypatch.setattr(wait, "_POLL", 0.001)
    monkeypatch.setattr(wait, "_RETRY", 0.001)
    monkeypatch.setattr(wait, "_GRACE", 0.001)
    monkeypatch.setattr(up_module, "is_free", lambda _port, _ip: True)
    monkeypatch.setattr(up_module, "holder_of", lambda _port, _ip: None)
    monkeypatch.setattr(probe, "_get", lambda _probe: (True, ""))
    folder = tmp_path / "project"
    folder.mkdir()
    servers = Servers(folder=folder)
    engine = FakeEngine(exec_handler=servers)
    edges = Edges(engine, servers)
    engine.exec_handler = edges
    engine.run_alone_handler = servers.alone
    engine.has_image(*SERVERS, "registry.example/play:1")
    for service in ("migrate", "worker"):
        engine.behaviours[service] = Behaviour(state=State.EXITED)
    one = House(folder, engine, servers, edges, tmp_path / "locks")
    one.write(SPEC)
    return one


def fail(message: str = "Docker refused") -> EngineError:
    """Return an error of the engine."""
    return EngineError(message, help="look at Docker")
