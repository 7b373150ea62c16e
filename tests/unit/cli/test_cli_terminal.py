"""Commands on a real pseudo-terminal and in a pipe: colours, widths, and what is left whole."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.typist import typing
from tests.unit.cli.test_cli_errors import ROOT, SPEC, START

pytestmark = pytest.mark.spawns

COMMAND = [sys.executable, "-c", START]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "envmgr.toml").write_text(SPEC)
    return tmp_path


def variables(folder: Path, **more: str) -> dict[str, str]:
    known = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], "DOCKER_HOST": f"unix://{folder}/nobody.sock"}
    return {**known, **more}


def on_terminal(folder: Path, *arguments: str, columns: int = 80, **more: str) -> tuple[int, str]:
    """Run a command on a terminal of its own; return its exit code and what appeared there, escapes and all."""
    with typing([*COMMAND, *arguments], folder, columns=columns, **variables(folder, **more)) as one:
        code = one.end()
        return code, one.raw.replace("\r\n", "\n")


def in_pipe(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = variables(folder, LC_ALL="C.UTF-8", **more)
    return subprocess.run(
        [*COMMAND, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize(
    ("more", "is_coloured"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False), ({"TERM": "dumb", "FORCE_COLOR": "1"}, True)],
)
def test_colours_on_a_terminal(folder: Path, more: dict[str, str], is_coloured: bool):
    code, shown = on_terminal(folder, "status", **more)
    assert code == 4
    assert ("\x1b[31;1merror: \x1b[0m" in shown) is is_coloured
    assert ("\x1b" in shown) is is_coloured


@pytest.mark.parametrize(
    ("more", "is_coloured"),
    [({}, False), ({"FORCE_COLOR": "1"}, True), ({"CLICOLOR_FORCE": "1", "NO_COLOR": "1"}, False)],
)
def test_colours_in_a_pipe(folder: Path, more: dict[str, str], is_coloured: bool):
    done = in_pipe(folder, "status", **more)
    assert (done.returncode, done.stdout) == (4, "")
    assert ("\x1b" in done.stderr) is is_coloured


def test_a_pipe_gets_whole_lines(folder: Path):
    (folder / "envmgr.toml").write_text(SPEC.replace('kind = "asgi"', f'kind = "{"x" * 150}"'))
    done = in_pipe(folder, "up", "dev", COLUMNS="40")
    assert done.returncode == 3
    assert max(map(len, done.stderr.splitlines())) > 150


@pytest.mark.parametrize("columns", [40, 60])
def test_an_error_is_broken_between_words_and_the_next_command_is_not(folder: Path, columns: int):
    code, shown = on_terminal(folder, "status", columns=columns, NO_COLOR="1")
    *told, command = shown.splitlines()
    assert code == 4
    assert max(len(line) for line in told if "nobody.sock" not in line) <= columns
    assert command.startswith("next:  ")
    code, shown = on_terminal(folder, "up", "dev", "wbe", columns=30, NO_COLOR="1")
    assert shown.splitlines()[:2] == ["error: dev has no service wbe", '       (did you mean "web"?)']


@pytest.mark.parametrize("command", ["--help", "images --help", "images save --help", "completion --help"])
def test_help_fits_forty_columns(folder: Path, command: str):
    code, shown = on_terminal(folder, *command.split(), columns=40)
    prose = [line for line in shown.splitlines() if not line.startswith(("  envmgr ", "Usage: "))]
    assert code == 0
    assert max(map(len, prose)) <= 40


def test_a_stream_that_cannot_write_a_character_gets_another(folder: Path):
    done = in_pipe(folder, "stätus", PYTHONIOENCODING="ascii")
    assert done.returncode == 2
    assert done.stderr.startswith("error: there is no command 'st?tus'; did you mean \"status\"?\n")


def test_json_has_no_colours_whatever_is_forced(folder: Path):
    code, shown = on_terminal(folder, "status", "--json", FORCE_COLOR="1")
    assert code == 4
    assert "\x1b" not in shown
    assert shown.startswith('{"format": 1, "event": "error"')


@pytest.mark.parametrize("code", [0, 3])
def test_the_browser_that_the_environment_names_is_given_the_page(folder: Path, code: int):
    (folder / "envmgr.toml").write_text(SPEC + "ports = { web = 8123 }\n")
    browser = folder / "browser"
    browser.write_text(f'#!/bin/sh\nprintf "%s|" "$@" > {folder}/asked\nexit {code}\n')
    browser.chmod(0o755)
    ended, shown = on_terminal(folder, "open", "prod", "web", NO_COLOR="1", BROWSER=f"{browser} --new %s")
    assert (folder / "asked").read_text() == "--new|http://localhost:8123|"
    assert shown.startswith("http://localhost:8123\nopening it in the browser\n")
    assert (ended, "no browser could show it" in shown) == ((2, True) if code else (0, False))
