"""Commands on a fake engine, in this process: what they print, ask and end with."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import click
import pytest

from envmgr.cli import images, looking, main, native, plan, prove, reaching, secrets, stacks, why
from envmgr.errors import UsageError
from envmgr.model.plan import Plan
from tests.house import House


@dataclass
class Ended:
    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass
class Terminal:
    """A person at a terminal, or a machine without one."""

    house: House
    capture: pytest.CaptureFixture[str]
    patch: pytest.MonkeyPatch

    def run(self, *arguments: str) -> Ended:
        self.house.forget()
        self.capture.readouterr()
        self.patch.setattr(sys, "argv", ["envmgr", *arguments])
        before = signal.getsignal(signal.SIGTERM)
        with pytest.raises(SystemExit) as ending:
            main.main()
        signal.signal(signal.SIGTERM, before)
        out, err = self.capture.readouterr()
        return Ended(int(ending.value.code or 0), out, err)

    def types(self, text: str) -> None:
        """Sit at the terminal, and answer a question so."""
        self.patch.setattr(sys.stdin, "isatty", lambda: True)
        self.patch.setattr(click, "prompt", lambda *_args, **_options: text)


@pytest.fixture
def terminal(house: House, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Terminal:
    @contextmanager
    def session(file: str, *, as_json: bool = False, is_quiet: bool = False) -> Iterator[Any]:
        yield house.session()

    for module in (images, looking, native, plan, prove, reaching, secrets, stacks, why):
        monkeypatch.setattr(module, "session", session)
    monkeypatch.chdir(house.folder)
    return Terminal(house, capsys, monkeypatch)


def test_up_prints_what_runs_and_as_json_the_same(terminal: Terminal):
    plain = terminal.run("up", "dev")
    assert plain.code == 0
    assert plain.out.startswith("infra, dev up: 5 services healthy, 5 started, ")
    again = terminal.run("up", "dev", "--json")
    (result,) = again.lines
    assert (result["format"], result["event"], result["changed"]) == (1, "result", 0)
    assert {s["verdict"] for s in result["services"]} == {"healthy", "completed"}


def test_an_error_of_an_operation_ends_with_its_own_code(terminal: Terminal):
    terminal.house.servers.refuses.add("ensure postgres dev")
    ended = terminal.run("up", "dev", "--json")
    assert ended.code == 4
    plan, line = ended.lines
    assert (plan["event"], plan["changes"]) == ("plan", 11)
    assert line == {
        "format": 1,
        "event": "error",
        "error": {
            "code": 4,
            "message": "cannot provision the PostgreSQL database dev_play: postgres refused",
            "details": ["postgres says no"],
            "state": line["error"]["state"],
            "next": "envmgr logs infra postgres",
        },
    }


def test_ctrl_c_ends_with_130_and_the_state(terminal: Terminal):
    terminal.house.servers.raises["ensure"] = KeyboardInterrupt()
    ended = terminal.run("up", "dev", "--json")
    assert ended.code == 130
    assert ended.lines[-1]["error"]["message"] == "interrupted"
    assert ended.lines[-1]["error"]["next"] == "envmgr up dev goes on from here"
    plain = terminal.run("up", "dev")
    assert (plain.code, plain.out) == (130, "")
    assert "\nerror: interrupted\nstate: Running in infra: postgres, redis." in plain.err


def test_ctrl_c_where_nothing_is_under_way_is_one_word(terminal: Terminal):
    def interrupted(*_args: object) -> None:
        raise KeyboardInterrupt

    terminal.patch.setattr(terminal.house.engine, "snapshot", interrupted)
    ended = terminal.run("status", "--json")
    assert (ended.code, ended.lines[0]["error"]["message"]) == (130, "interrupted")


def test_health_ends_with_5_when_something_is_not_healthy(terminal: Terminal):
    terminal.run("up", "dev")
    assert terminal.run("health", "dev").code == 0
    terminal.house.engine.halt(terminal.house.engine.get("play-infra-redis-1"))
    ended = terminal.run("health", "--json")
    assert (ended.code, ended.lines[0]["healthy"]) == (5, False)


def test_health_that_watches_asks_until_it_is_interrupted(terminal: Terminal):
    terminal.run("up", "dev")
    naps: list[float] = []

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 3:
            raise KeyboardInterrupt

    terminal.patch.setattr(looking.time, "sleep", sleep)
    ended = terminal.run("health", "dev", "--watch", "--interval", "0.5")
    assert (ended.code, naps) == (130, [0.5, 0.5, 0.5])
    assert ended.out.count("healthy in") == 3


def test_why_says_what_is_wrong_and_ends_with_5(terminal: Terminal):
    terminal.run("up", "dev")
    assert terminal.run("why", "dev") == Ended(0, "dev is healthy\n", "")
    assert terminal.run("why", "dev", "app").out == "app of dev is healthy\n"
    terminal.house.engine.halt(terminal.house.engine.get("play-infra-redis-1"))
    plain = terminal.run("why", "dev")
    assert (plain.code, plain.err) == (5, "")
    assert plain.out.startswith("cause: redis of infra was stopped (exit code 143)\n  engine: exited, exit code 143\n")
    assert plain.out.endswith("next:  envmgr up infra redis\n")
    ended = terminal.run("why", "dev", "--json")
    assert (ended.code, ended.lines[0]["cause"]["signature"]) == (5, "stopped")


def test_why_knows_targets_and_services(terminal: Terminal):
    assert 'did you mean "dev"?' in terminal.run("why", "dve").err
    assert terminal.run("why", "dev", "ap").code == 2
    assert terminal.run("why").code == 2


def test_status_and_ps_show_the_same_containers(terminal: Terminal):
    terminal.run("up", "dev")
    (stack,) = terminal.run("status", "dev", "--json").lines[0]["stacks"]
    shown = [row | {"uptime": None} for row in stack["rows"]]
    listed = terminal.run("ps", "dev", "--json").lines[0]["containers"]
    assert [row | {"uptime": None} for row in listed] == shown
    assert {row["container"] for row in shown} == {"play-dev-app-1", "play-dev-migrate-1", "play-dev-worker-1"}


# ---- what belongs to another program


def test_what_follows_a_service_belongs_to_its_program(terminal: Terminal):
    terminal.run("up", "dev")
    terminal.house.engine.terminal_exit_code = 7
    ended = terminal.run("exec", "dev", "app", "psql", "-h", "db", "--json", "--help")
    assert ended.code == 7
    ((_, args),) = terminal.house.calls("passthrough")
    app = terminal.house.container("play-dev-app-1").id
    assert args == ("exec", "-i", app, "psql", "-h", "db", "--json", "--help")


def test_a_service_that_does_not_run_takes_no_command(terminal: Terminal):
    ended = terminal.run("exec", "dev", "app", "ls")
    assert ended.code == 2
    assert "error: app of dev does not run\nnext:  envmgr up dev app\n" in ended.err


def test_logs_of_several_targets_end_with_the_worst_code(terminal: Terminal):
    terminal.house.engine.terminal_exit_code = 3
    assert terminal.run("logs", "dev", "stage", "--tail", "5").code == 3
    assert [args[2] for _, args in terminal.house.calls("passthrough")] == ["play-dev", "play-stage"]


# ---- destroy asks


def test_without_a_terminal_destroy_refuses(terminal: Terminal):
    terminal.run("up", "prod")
    terminal.patch.setattr(sys.stdin, "isatty", lambda: False)
    ended = terminal.run("destroy", "prod", "--protected")
    assert ended.code == 2
    assert "deletes PostgreSQL database prod_play (12 MB)" in ended.err
    assert "error: there is no terminal to ask on" in ended.err
    assert "state: Nothing of prod was deleted." in ended.err
    assert "next:  envmgr destroy prod --protected --yes" in ended.err
    assert "play-prod-app-1" in terminal.house.names()


@pytest.mark.parametrize("typed", ["", "yes", "DEV", "stage"])
def test_another_word_than_the_name_deletes_nothing(terminal: Terminal, typed: str):
    terminal.run("up", "dev")
    terminal.types(typed)
    ended = terminal.run("destroy", "dev")
    assert ended.code == 2
    assert f"error: {typed!r} is not dev" in ended.err
    assert "next:  envmgr destroy dev, and type dev" in ended.err
    assert "play-dev-app-1" in terminal.house.names()


def test_the_name_typed_deletes(terminal: Terminal):
    terminal.run("up", "dev")
    terminal.types("dev")
    ended = terminal.run("destroy", "dev")
    assert (ended.code, ended.out) == (0, "dev destroyed: 3 containers removed\n")
    assert ended.err.startswith("dev\n  - remove    app (play-dev-app-1)\n")
    said = "; deletes PostgreSQL database dev_play, Redis keys dev_*\n"
    assert ended.err.endswith(said)


def test_a_question_that_is_closed_deletes_nothing(terminal: Terminal):
    terminal.run("up", "dev")
    terminal.types("")

    def closed(*_args: object, **_options: object) -> str:
        raise click.Abort

    terminal.patch.setattr(click, "prompt", closed)
    assert terminal.run("destroy", "dev").code == 130
    assert "play-dev-app-1" in terminal.house.names()


def test_what_was_destroyed_is_told_although_the_next_one_fails(terminal: Terminal):
    terminal.run("up", "dev", "stage")
    terminal.house.servers.refuses.add("revoke redis stage")
    ended = terminal.run("destroy", "dev", "stage", "--yes", "--json")
    assert ended.code == 4
    *plans, first, last = ended.lines
    assert [(plan["event"], plan["targets"]) for plan in plans] == [("plan", ["dev"]), ("plan", ["stage"])]
    assert first["targets"] == ["dev"]
    assert last["error"]["message"].startswith("cannot delete the Redis keys stage_")


def test_the_question_itself():
    plan = Plan(("dev",))
    stacks._confirmation(yes=True, protected=False, as_json=False)("dev", plan)
    with pytest.raises(UsageError, match="there is no terminal"):
        stacks._confirmation(yes=False, protected=False, as_json=False)("dev", plan)
