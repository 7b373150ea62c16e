"""What every command prints with --json is what docs/json.md says."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from envmgr.cli import images, looking, native, plan, prove, reaching, releases, secrets, stacks, why
from envmgr.errors import UsageError
from envmgr.model.health import ServiceHealth, Verdict
from envmgr.model.imported import Became, Difference, Fate, ImportResult
from envmgr.model.observed import ExecResult, ImageInfo, RegistryImage, State
from envmgr.model.progress import Caution, Message, Note, Output, Progress, Step
from envmgr.operations import secrets_check
from envmgr.proving.reach import Machine
from envmgr.report.errors import report_error
from envmgr.report.progress import as_event, listening, silent
from tests.fakes.engine import Behaviour
from tests.shapes import Shapes
from tests.unit.cli.test_cli_commands import Ended, Terminal, terminal
from tests.unit.cli.test_cli_words import PASS_ON, commands

__all__ = ["terminal"]

PAGE = Path(__file__).resolve().parents[3] / "docs" / "json.md"
SHAPES = Shapes(PAGE)


@pytest.fixture
def machine(terminal: Terminal) -> Terminal:
    """A machine that reads what a session really says."""

    @contextmanager
    def session(_file: str, *, as_json: bool = False, is_quiet: bool = False) -> Iterator[Any]:
        with silent() if is_quiet else listening(as_json=as_json) as listen:
            yield replace(terminal.house.session(), listen=listen)

    for module in (images, looking, native, plan, prove, reaching, releases, secrets, stacks, why):
        terminal.patch.setattr(module, "session", session)
    terminal.patch.setattr(secrets_check, "in_git", lambda _folder, _paths: [])
    return terminal


def build(machine: Terminal) -> None:
    """Have the project build an image of its own."""
    machine.house.edit("[services.migrate]", '[builds.play]\ncontext = "play"\n\n[services.migrate]')
    for service in ("migrate", "app", "worker"):
        machine.house.edit('image = "registry.example/play:1"', f'build = "play" # {service}')
    (machine.house.folder / "play").mkdir()
    (machine.house.folder / "play" / "Dockerfile").write_text("FROM scratch\n")


def begin(machine: Terminal) -> None:
    """Have an application, and no spec yet."""
    (machine.house.folder / "envmgr.toml").unlink()
    (machine.house.folder / "Dockerfile").write_text("FROM scratch\n")
    (machine.house.folder / "requirements.txt").write_text("fastapi\n")


def up(machine: Terminal) -> None:
    machine.run("up", "dev")


def ported(machine: Terminal) -> None:
    machine.house.edit("[environments.dev]", "[environments.dev]\nports = { app = 8000 }")


def broken(machine: Terminal) -> None:
    up(machine)
    machine.house.engine.halt(machine.house.engine.get("play-infra-redis-1"))


def chatty(machine: Terminal) -> None:
    machine.house.engine.terminal_lines = ("app-1  | 2026-11-24T10:59:12Z started", "attached")


def changed(machine: Terminal) -> None:
    """Give a plan causes, places, losses and things to know."""
    machine.run("up", "dev", "prod")
    machine.house.edit("[services.app]", '[services.app]\nvariables = { COLOUR = "blue" }')
    machine.house.edit('[infra.redis]\nmemory = "64M"', '[infra.redis]\nmemory = "96M"')
    machine.house.engine.networks["play-dev-data"].definition["Internal"] = False


def nothing_there(machine: Terminal) -> None:
    machine.house.engine.pullable = {name: ImageInfo(f"sha256:{name}") for name in machine.house.engine.images}
    machine.house.engine.images.clear()


def published(machine: Terminal) -> None:
    """Have registries say what they have."""
    for number, name in enumerate(machine.house.engine.images):
        machine.house.engine.published[name] = RegistryImage(f"sha256:{number:064x}", ("linux/amd64",))


def desk(machine: Terminal) -> None:
    """Let the application run on the desk, from where it reaches every server."""
    ported(machine)
    machine.house.edit("[infra.postgres]", "[infra.postgres]\nport = 5432")
    machine.house.edit("[infra.redis]", "[infra.redis]\nport = 6379")
    machine.house.edit("[services.worker]", '[services.app.native]\ncommand = ["play"]\n\n[services.worker]')
    machine.house.engine.has_image("nginx:1.26")
    up(machine)


def coloured(machine: Terminal) -> None:
    """Prod is deployed blue-green."""
    house = machine.house
    house.edit(
        "protected = true",
        "protected = true\nports = { app = 8002 }\n[environments.prod.deploy]\n"
        'strategy = "blue-green"\nwatch_seconds = 0',
    )
    house.engine.has_image("nginx:1.26")
    house.edges.service = "app"
    machine.patch.setattr("envmgr.operations.host_programs.run", lambda *_: (1, ""))


def deployed(machine: Terminal) -> None:
    """Twice."""
    coloured(machine)
    for _ in range(2):
        assert machine.run("deploy", "prod", "--yes").code == 0


def rendered(machine: Terminal) -> None:
    machine.run("render")


def foreign(machine: Terminal) -> None:
    """Have a Compose file with something to find, and something that it accepts."""
    text = 'services: {web: {image: web, x-envmgr-lint: {EM-S04: "its image has a user"}}}'
    (machine.house.folder / "foreign.yml").write_text(text)


def saved(machine: Terminal) -> None:
    assert machine.run("images", "save", "images.tar").code == 0


def composed(machine: Terminal) -> None:
    """Let Compose have read a project: nothing is spawned here."""
    differences = tuple(Difference(fate, "web", "restart", "no", "always", "so", "a.yml:3") for fate in Fate)
    result = ImportResult(
        file="other.toml",
        environment="dev",
        services=(Became("web", "container", "services.web", "web:1"),),
        differences=differences,
        decisions=("web: write its tag",),
        values={"TOKEN": ".env.dev"},
    )
    machine.patch.setattr("envmgr.operations.importing.import_project", lambda *_: result)


def proved(machine: Terminal) -> None:
    """Let every attempt come through."""
    up(machine)
    machine.patch.setattr("envmgr.operations.prove.machine", lambda _is_local: Machine())
    marks = re.compile(r"'(envmgr-\S+ \d+)'")
    machine.house.engine.exec_handler = lambda _container, argv, _variables: ExecResult(
        0, "".join(f"\n{mark}\n\n{mark}: 0\n" for mark in marks.findall(argv[-1]))
    )


def piped(machine: Terminal) -> None:
    """Have a value come through a pipe."""
    stream = io.TextIOWrapper(io.BytesIO(b"k3Vq-7Zt0_wXb9RmPf2a\n"))
    machine.patch.setattr(sys, "stdin", stream)


def weakened(machine: Terminal) -> None:
    (machine.house.folder / ".env.dev").write_text("SECRET_KEY=secret\nNOBODY=1\n")
    (machine.house.folder / ".env.prod").write_text("SECRET_KEY=secret\n")


Prepare = Callable[[Terminal], None]
RUNS: list[tuple[str, Prepare | None, int]] = [
    ("init --yes", begin, 0),
    ("init", begin, 2),
    ("import compose.yml", composed, 0),
    ("import compose.yml", None, 2),
    ("schema --write", None, 0),
    ("up dev", None, 0),
    ("up dev --build", build, 0),
    ("up dev", ported, 0),
    ("up dev nowhere", None, 2),
    ("restart dev", up, 0),
    ("down dev", up, 0),
    ("destroy dev --yes", up, 0),
    ("native dev app", desk, 0),
    ("native dev worker", desk, 2),
    ("container dev", desk, 0),
    ("plan", None, 7),
    ("plan", changed, 4),
    ("plan dev", up, 0),
    ("status", up, 0),
    ("status", broken, 0),
    ("ps", up, 0),
    ("health", broken, 5),
    ("why dev", up, 0),
    ("why dev", broken, 5),
    ("prove", proved, 9),
    ("prove infra", up, 2),
    ("explain", None, 0),
    ("explain prod protected", None, 0),
    ("explain SECRET_KEY", None, 0),
    ("explain nowhere", None, 2),
    ("logs dev", chatty, 0),
    ("open dev", ported, 0),
    ("open dev app", None, 2),
    ("render", None, 0),
    ("render --check", None, 7),
    ("lint", rendered, 0),
    ("lint foreign.yml", foreign, 9),
    ("lint", None, 2),
    ("build dev", build, 0),
    ("lock", published, 0),
    ("lock --check", None, 7),
    ("secrets init", None, 0),
    ("secrets init", weakened, 0),
    ("secrets set dev SECRET_KEY", piped, 0),
    ("secrets set dev NOBODY", piped, 2),
    ("secrets list", up, 0),
    ("secrets list", None, 0),
    ("secrets show dev SECRET_KEY", up, 0),
    ("secrets show prod SECRET_KEY", up, 2),
    ("secrets check", up, 9),
    ("secrets check", weakened, 9),
    ("images list", build, 0),
    ("images build", None, 0),
    ("images pull", nothing_there, 0),
    ("images save images.tar", None, 0),
    ("images load images.tar", saved, 0),
    ("capacity", up, 0),
    ("capacity nowhere", None, 2),
    ("secrets rotate dev redis SECRET_KEY", up, 0),
    ("secrets rotate dev redis", None, 2),
    ("secrets rotate dev", up, 2),
    ("deploy prod", coloured, 0),
    ("deploy dev", None, 2),
    ("rollback prod", deployed, 0),
    ("rollback prod --to 9", coloured, 2),
    ("releases prod", deployed, 0),
    ("maintenance on prod", deployed, 0),
    ("maintenance on prod --allow x", deployed, 2),
    ("maintenance off prod", deployed, 0),
]


def named(line: str) -> str:
    """Return the command of a line: of a group with its second word."""
    return " ".join(line.split()[: 2 if line.startswith(("images", "secrets", "maintenance")) else 1])


def held_against_the_page(command: str, ended: Ended) -> None:
    known = SHAPES.commands[command]
    assert ended.err == ""
    *before, last = ended.lines
    faults = [fault for line in before for fault in SHAPES.faults(line, known.before | known.after)]
    assert faults + SHAPES.faults(last, known.after | {"error"}) == []


@pytest.mark.parametrize(("line", "prepare", "code"), RUNS, ids=lambda it: it if isinstance(it, str) else "")
def test_what_a_command_prints_is_described(machine: Terminal, line: str, prepare: Prepare | None, code: int):
    if prepare:
        prepare(machine)
    name = named(line)
    ended = machine.run(*line.split(), "--json")
    assert ended.code == code
    held_against_the_page(name, ended)


def test_every_command_is_described_and_run_here():
    every = {path.removeprefix("envmgr ") for path, command in commands() if not hasattr(command, "commands")} - PASS_ON
    assert set(SHAPES.commands) == every
    assert {named(line) for line, *_ in RUNS} == every


def test_every_message_is_described(capsys: pytest.CaptureFixture[str]):
    health = ServiceHealth("dev", "app", Verdict.CRASHING, "restarted", 0.1, 2.0)
    messages: tuple[Message, ...] = (
        *(Step("dev", "x"), Note("", "x"), Caution("dev", "x"), Output("dev", "x")),
        *(Progress(replace(health, verdict=verdict)) for verdict in Verdict),
    )
    for message in messages:
        assert SHAPES.faults({"format": 1, **as_event(message)}, frozenset({"message", "service"})) == []


def test_an_error_is_described_with_and_without_a_diagnosis(machine: Terminal, capsys: pytest.CaptureFixture[str]):
    report_error(UsageError("no"), as_json=True)
    assert SHAPES.faults(json.loads(capsys.readouterr().out), frozenset({"error"})) == []
    machine.house.engine.behaviours["worker"] = Behaviour(state=State.EXITED, exit_code=3, logs="no module\n")
    ended = machine.run("up", "dev", "--json")
    assert ended.lines[-1]["error"]["diagnosis"]["healthy"] is False
    held_against_the_page("up", ended)


def test_the_verdicts_on_the_page_are_all():
    assert [json.loads(one.strip("`")) for one in SHAPES.parts["verdict"].split(" or ")] == [v.value for v in Verdict]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ({"format": 2, "addresses": []}, "format is not 1"),
        ({"addresses": []}, "format is not 1"),
        ({"format": 1}, "open.addresses is missing"),
        ({"format": 1, "addresses": [], "more": 1}, "open.more is not described"),
        ({"format": 1, "addresses": {}}, "open.addresses is no list"),
        ({"format": 1, "addresses": [5]}, "open.addresses[0] is 5, not an object"),
    ],
)
def test_what_is_not_on_the_page_would_be_seen(line: dict[str, Any], fault: str):
    assert SHAPES.faults(line, frozenset({"open"})) == [fault]


def test_a_wrong_value_would_be_seen():
    message = {"format": 1, "event": "step", "target": "", "text": ""}
    assert SHAPES.faults(message | {"text": None}, frozenset({"message"})) == ["message.text is null, not text"]
    assert SHAPES.faults(message | {"event": "stop"}, frozenset({"message"})) != []
    log = {"format": 1, "event": "log", "target": "dev", "service": "app", "time": None, "text": ""}
    assert SHAPES.faults(log, frozenset({"log"})) == []
    assert SHAPES.faults(log | {"time": True}, frozenset({"log"})) == ["log.time is true, not text"]
