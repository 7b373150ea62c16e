"""What the command line says to bad input: exit codes, the JSON shape of an error, and never a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.spawns
ROOT = Path(__file__).resolve().parents[3]
START = "import sys; sys.argv[0] = 'envmgr'; from envmgr.cli.entry import main; main()"
SPEC = """\
[project]
name = "play"

[services.web]
kind = "asgi"
image = "registry.example/play:1"
app = "play:app"

[environments.dev]
[environments.prod]
protected = true
"""


@dataclass
class Ended:
    code: int
    out: str
    err: str

    @property
    def error(self) -> dict[str, Any]:
        (line,) = self.out.splitlines()
        return json.loads(line)["error"]


@dataclass
class Shell:
    folder: Path

    def run(self, *arguments: str, check_traceback: bool = True, **options: Any) -> Ended:
        """Run envmgr where no Docker answers."""
        done = subprocess.run(
            [sys.executable, "-c", START, *arguments],
            cwd=self.folder,
            env={
                **{key: value for key, value in os.environ.items() if not key.startswith(("DOCKER_", "COMPOSE_"))},
                "PYTHONPATH": str(ROOT),
                "DOCKER_HOST": f"unix://{self.folder}/nobody.sock",
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            **options,
        )
        if check_traceback:
            assert "Traceback" not in done.stderr, done.stderr
        return Ended(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    (tmp_path / "envmgr.toml").write_text(SPEC)
    return Shell(tmp_path)


@pytest.mark.parametrize(
    ("file", "says"),
    [
        ("nowhere.toml", "nowhere.toml"),
        ("folder", "folder"),
        ("folder/envmgr.toml/deeper", "envmgr.toml"),
        ("binary", "UTF-8"),
        ("broken", "not valid TOML"),
        ("empty", "project"),
        ("list", "project"),
    ],
)
def test_a_file_that_is_no_spec_is_one_error_with_its_name(shell: Shell, file: str, says: str):
    (shell.folder / "folder").mkdir()
    (shell.folder / "folder" / "envmgr.toml").write_text(SPEC)
    (shell.folder / "binary").write_bytes(b"\x00\xff\xfe")
    (shell.folder / "broken").write_text("[project\n")
    (shell.folder / "empty").write_text("")
    (shell.folder / "list").write_text("project = [1]\n")
    plain = shell.run("-f", file, "status")
    assert (plain.code, plain.out) == (3, "")
    assert plain.err.count("error: ") == 1
    assert says in plain.err
    machine = shell.run("-f", file, "status", "--json")
    assert (machine.code, machine.err) == (3, "")
    assert machine.error.keys() == {"code", "message", "details", "state", "next"}
    assert machine.error["code"] == 3
    assert machine.error["message"] in plain.err


@pytest.mark.parametrize("command", [("up", "dev"), ("down", "dev"), ("status",), ("health",), ("ps",)])
def test_a_dead_engine_is_one_sentence_and_what_to_do(shell: Shell, command: tuple[str, ...]):
    if command[0] == "down":
        assert shell.run("render").code == 0
    ended = shell.run(*command)
    assert ended.code == 4
    assert ended.err.count("error: ") == 1
    assert "Docker is not running" in ended.err
    assert "next: " in ended.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("updog",), "there is no command 'updog'"),
        (("stauts",), 'did you mean "status"?'),
        (("up",), "Missing argument"),
        (("up", "dev", "--imags", "recipes"), "--images"),
        (("up", "dev", "--images", "elsewhere"), "'registry', 'recipes'"),
        (("up", "dve"), 'did you mean "dev"?'),
        (("up", "dev", "wbe"), 'did you mean "web"?'),
        (("down", "infrra"), 'did you mean "infra"?'),
        (("restart", "dev", "wbe"), 'did you mean "web"?'),
        (("logs", "dev", "--tail", "-5"), "neither a number nor all"),
        (("logs", "dev", "prod", "--follow"), "--follow takes one target at a time"),
        (("health", "--watch", "--interval", "0"), "--interval 0 is not between"),
        (("health", "--watch", "--interval", "-1"), "--interval -1 is not between"),
        (("health", "--watch", "--interval", "nan"), "--interval nan is not between"),
        (("destroy", "prod", "--yes"), "prod is protected"),
        (("destroy", "dev", "prod", "--yes"), "prod is protected"),
        (("exec", "dve", "web", "ls"), 'did you mean "dev"?'),
    ],
)
def test_what_cannot_be_asked_for_ends_with_2(shell: Shell, arguments: tuple[str, ...], says: str):
    ended = shell.run(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert says in ended.err


@pytest.mark.parametrize(
    "arguments", [("up", "--json"), ("stauts", "--json"), ("up", "dev", "--bild", "--json"), ("up", "dve", "--json")]
)
def test_a_machine_gets_every_mistake_as_json(shell: Shell, arguments: tuple[str, ...]):
    ended = shell.run(*arguments)
    assert (ended.code, ended.err) == (2, "")
    assert ended.error["code"] == 2
    assert ended.error["message"]
    assert ended.error["next"]


def test_several_mistakes_in_a_spec_are_told_with_their_lines(shell: Shell):
    text = (shell.folder / "envmgr.toml").read_text()
    (shell.folder / "envmgr.toml").write_text(text.replace('app = "play:app"', 'app = 5\ncpuz = 1.0\nmemory = "lots"'))
    ended = shell.run("up", "dev", "--json")
    assert ended.code == 3
    assert len(ended.error["details"]) == 3
    assert "envmgr.toml:7:" in ended.error["details"][0]
    assert 'did you mean "cpus"?' in " ".join(ended.error["details"])
    assert not (shell.folder / "compose").exists()


def test_render_check_tells_what_is_stale_and_writes_nothing(shell: Shell):
    ended = shell.run("render", "--check")
    assert ended.code == 7
    assert "compose/docker-compose.app.dev.yml: new" in ended.err
    assert "next:  envmgr render" in ended.err
    assert not (shell.folder / "compose").exists()
    assert shell.run("render").code == 0
    assert shell.run("render", "--check").code == 0
    path = shell.folder / "compose" / "docker-compose.app.dev.yml"
    path.write_text(path.read_text() + "# mine\n")
    edited = shell.run("render", "--json")
    assert edited.code == 7
    assert edited.error["message"] == "edited by hand: compose/docker-compose.app.dev.yml"
    assert path.read_text().endswith("# mine\n")
    assert shell.run("render", "--force").code == 0
    assert not path.read_text().endswith("# mine\n")


def test_a_file_in_the_place_of_the_rendered_folder_is_an_error(shell: Shell):
    (shell.folder / "compose").write_text("")
    ended = shell.run("render")
    assert ended.code in (1, 7)
    assert "compose" in ended.err
    assert ended.err.count("error: ") == 1


def test_a_reader_that_has_gone_is_no_error(shell: Shell):
    command = f'"{sys.executable}" -m envmgr.cli render --help | true; echo "${{PIPESTATUS[0]}}"'
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=shell.folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.stdout, done.stderr) == ("0\n", "")
