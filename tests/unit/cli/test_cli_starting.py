"""The commands for the beginning, in this process: what they print, ask and end with."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from envmgr.cli import main


class Typed(io.StringIO):
    """What a person types."""

    def isatty(self) -> bool:
        return True


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run envmgr in an empty folder called `shop`; `typed` makes it a terminal."""
    folder = tmp_path / "shop"
    folder.mkdir()
    monkeypatch.chdir(folder)

    def command(*arguments: str, typed: str | None = None) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["envmgr", *arguments])
        monkeypatch.setattr(sys, "stdin", io.StringIO() if typed is None else Typed(typed))
        if typed is not None:
            monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        monkeypatch.setattr(main.signal, "signal", lambda *_: None)
        with pytest.raises(SystemExit) as ending:
            main.main()
        out, err = capsys.readouterr()
        return int(ending.value.code or 0), out, err

    return command


def test_init_says_what_it_wrote_and_what_comes_next(run: Run):
    code, out, _ = run("init", "--yes")
    assert code == 0
    assert out.splitlines()[-3:] == [
        "wrote envmgr.toml",
        "note: no program was found: describe one under [services.NAME]",
        "next: look at envmgr.toml, then: envmgr up dev",
    ]
    assert 'name = "shop"' in Path("envmgr.toml").read_text()


def test_init_in_json(run: Run):
    Path(".env.example").write_text("mine")
    code, out, _ = run("init", "--yes", "--json", "--name", "x", "--environment", "live")
    found = json.loads(out)
    assert code == 0
    assert (found["spec"], found["kept"], found["environments"]) == ("envmgr.toml", [".env.example"], ["live"])
    assert found["written"][-1] == "envmgr.toml"


def test_a_dry_run_prints_the_spec_alone(run: Run):
    code, out, _ = run("init", "--dry-run", "--name", "x")
    assert (code, out.splitlines()[0]) == (0, "#:schema ./envmgr.schema.json")
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("arguments", [("init",), ("init", "--json")])
def test_without_a_terminal_it_asks_nothing_and_writes_nothing(run: Run, arguments: tuple[str, ...]):
    code, out, err = run(*arguments)
    assert code == 2
    assert "nobody is there to answer" in out + err
    assert "envmgr init --yes" in out + err
    assert list(Path().iterdir()) == []


def test_at_a_terminal_names_are_asked_for_and_the_spec_is_shown(run: Run):
    code, out, _ = run("init", typed="bazaar\nlocal, live\ny\n")
    assert code == 0
    assert "Name of the project [shop]: " in out
    assert "Environments [dev stage prod]: " in out
    assert out.index("[environments.live]") < out.index("Write envmgr.schema.json, ")
    text = Path("envmgr.toml").read_text()
    assert 'name = "bazaar"' in text
    assert "[environments.local]" in text


def test_no_is_an_answer(run: Run):
    code, _, err = run("init", typed="\n\nn\n")
    assert code == 130
    assert "interrupted" in err
    assert list(Path().iterdir()) == []


def test_a_compose_file_is_asked_about_first(run: Run):
    Path("docker-compose.yml").write_text("services: {}\n")
    code, out, _ = run("init", typed="n\n")
    assert code == 130
    assert "`envmgr import docker-compose.yml` makes a spec of it" in out
    assert not Path("envmgr.toml").exists()


def test_a_second_init_is_refused(run: Run):
    run("init", "--yes")
    code, _, err = run("init", "--yes")
    assert (code, "envmgr.toml is there already" in err) == (2, True)


def test_the_schema_on_stdout_and_beside_the_spec(run: Run):
    code, out, _ = run("schema")
    assert (code, json.loads(out)["title"]) == (0, "envmgr.toml")
    assert run("schema", "--write")[1] == "envmgr.schema.json written\n"
    assert Path("envmgr.schema.json").read_text() == out
    assert run("schema", "--write")[1] == "envmgr.schema.json is as it should be\n"
    assert json.loads(run("schema", "--write", "--json")[1])["written"] == []


def test_the_reference_on_stdout(run: Run):
    code, out, _ = run("schema", "--markdown")
    assert (code, out.startswith("# The spec\n")) == (0, True)
    assert run("schema", "--markdown", "--write")[0] == 2


def test_every_target_of_make_is_a_command_that_there_is(run: Run):
    Path("requirements.txt").write_text("fastapi\ncelery\n")
    Path("tasks.py").write_text('app = Celery("x")\n')
    run("init", "--yes")
    commands = re.findall(r"(?m)^\t@\$\(ENVMGR\) (\S+)", Path("envmgr.mk").read_text())
    assert len(commands) == 11
    assert set(commands) <= set(main.cli.commands)
