"""`plan`, and how `up` and `down` show theirs: exit codes, where it is printed, and the question."""

from __future__ import annotations

import json
import sys

import click
import pytest

from tests.house import House
from tests.unit.cli.test_cli_commands import Terminal, terminal

__all__ = ["terminal"]

NO_TERMINAL = "error: this cuts prod, which is protected and runs, and there is no terminal to ask on\n"


def change_prod(house: House) -> None:
    house.edit("[environments.prod]", '[environments.prod]\nservices.app.memory = "80M"')


def test_plan_ends_with_7_when_there_is_something_to_do_and_0_when_not(terminal: Terminal):
    ended = terminal.run("plan", "dev")
    assert (ended.code, ended.err) == (7, "")
    assert ended.out.startswith("infra\n  + create    network play-infra-data\n")
    assert ended.out.endswith("9 to create, 2 to provision; no data at risk\n")
    terminal.run("up", "dev")
    assert terminal.run("plan", "dev") == type(ended)(0, "nothing to do\n", "")


def test_plan_as_json_is_one_object(terminal: Terminal):
    ended = terminal.run("plan", "dev", "--json")
    (found,) = ended.lines
    assert (ended.code, found["event"], found["changes"], len(found["steps"])) == (7, "plan", 11, 11)


def test_plan_ends_with_4_when_up_would_refuse(terminal: Terminal):
    terminal.run("up", "dev")
    network = terminal.house.engine.networks["play-dev-data"]
    network.definition = {**network.definition, "Internal": False}
    ended = terminal.run("plan", "dev")
    assert ended.code == 4
    assert ended.out.endswith("refused: up would change nothing\n")
    assert "envmgr down dev && envmgr up dev; data stays" in ended.out


def test_plan_of_an_invalid_spec_ends_with_3(terminal: Terminal):
    terminal.house.edit("[infra.redis]", "[infra.redis]\ncpuz = 1")
    ended = terminal.run("plan", "--json")
    assert (ended.code, ended.lines[0]["error"]["code"]) == (3, 3)


def test_plan_of_what_is_not_there_ends_with_2(terminal: Terminal):
    ended = terminal.run("plan", "dve")
    assert ended.code == 2
    assert 'did you mean "dev"?' in ended.err


# ---- up


def test_up_shows_on_stderr_what_it_does_and_nothing_when_there_is_nothing(terminal: Terminal):
    first = terminal.run("up", "dev")
    assert first.err.startswith("infra\n  + create    network play-infra-data\n")
    assert first.out.startswith("infra, dev up: 5 services healthy, 5 started, ")
    assert terminal.run("up", "dev").err == ""


def test_up_as_json_has_its_plan_as_an_event(terminal: Terminal):
    plan, result = terminal.run("up", "dev", "--json").lines
    assert (plan["event"], plan["changes"], result["event"]) == ("plan", 11, "result")


def test_without_a_terminal_up_cuts_no_protected_environment(terminal: Terminal):
    terminal.run("up", "prod")
    change_prod(terminal.house)
    before = terminal.house.ids()
    terminal.patch.setattr(sys.stdin, "isatty", lambda: False)
    ended = terminal.run("up", "prod", "--build")
    assert ended.code == 2
    assert "  ± recreate  app\n" in ended.err
    assert ended.err.endswith(f"{NO_TERMINAL}state: Nothing was changed.\nnext:  envmgr up prod --build --yes\n")
    assert terminal.house.ids() == before
    again = terminal.run("up", "prod", "--build", "--yes")
    assert (again.code, terminal.run("plan", "prod").code) == (0, 0)


def test_what_is_typed_next_keeps_its_quotes(terminal: Terminal):
    terminal.run("up", "prod")
    change_prod(terminal.house)
    terminal.patch.setattr(sys.stdin, "isatty", lambda: False)
    ended = terminal.run("-f", "my spec.toml", "up", "prod", "--json")
    error = json.loads(ended.out.splitlines()[-1])["error"]
    assert error["next"] == "envmgr -f 'my spec.toml' up prod --json --yes"


@pytest.mark.parametrize(("answer", "code"), [(True, 0), (False, 2)])
def test_at_a_terminal_up_asks_before_it_cuts(terminal: Terminal, answer: bool, code: int):
    terminal.run("up", "prod")
    change_prod(terminal.house)
    asked: list[str] = []
    terminal.patch.setattr(sys.stdin, "isatty", lambda: True)
    terminal.patch.setattr(click, "confirm", lambda text, **_options: (asked.append(text), answer)[1])
    before = terminal.house.ids()
    ended = terminal.run("up", "prod")
    assert (ended.code, asked) == (code, ["This cuts prod, which is protected and runs. Go on?"])
    assert (terminal.house.ids() == before) is (not answer)
    if not answer:
        assert ended.err.endswith("error: not agreed to\nstate: Nothing was changed.\n")


# ---- down


def test_down_shows_what_it_stops_and_asks_nothing(terminal: Terminal):
    terminal.run("up", "prod")
    ended = terminal.run("down", "prod")
    assert ended.code == 0
    assert ended.err.startswith(
        "prod\n  - remove    app (play-prod-app-1)\n      lost: what prod asks of app, for good\n"
    )
    assert ended.err.endswith("4 to remove; no data at risk\n")
    assert terminal.run("down", "prod").err == ""
