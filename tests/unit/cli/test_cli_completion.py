"""Completion in the shells that are installed here, typed on a pseudo-terminal; bash always is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from envmgr.spec.paths import KEYS
from tests.typist import Typist, typing
from tests.unit.cli.test_cli_errors import ROOT, START

pytestmark = pytest.mark.spawns

SPEC = """\
[project]
name = "play"
[infra.redis]
[infra.grafana]
mode = "own"
[services.app]
kind = "asgi"
[services.worker]
[environments.defaults]
[environments.dev]
[environments.stage]
"""
SHELLS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], 'PS1="READY "'),
    "zsh": (["zsh", "-f", "-i"], 'bindkey -e; autoload -Uz compinit; compinit -u -D; PS1="READY "'),
    "fish": (
        ["fish", "--no-config", "-i"],
        "function fish_prompt; echo -n 'READY '; end; set fish_autosuggestion_enabled 0",
    ),
}
INSTALLED = [name for name in SHELLS if name == "bash" or shutil.which(name)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a spec and an `envmgr` on the PATH."""
    (tmp_path / "envmgr.toml").write_text(SPEC)
    command = tmp_path / "bin" / "envmgr"
    command.parent.mkdir()
    command.write_text(f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(ROOT)!r})\n{START}\n")
    command.chmod(0o755)
    return tmp_path


@pytest.fixture(params=INSTALLED)
def shell(request: pytest.FixtureRequest, folder: Path) -> Iterator[Typist]:
    """A shell that completes envmgr's words."""
    command, prepare = SHELLS[request.param]
    script = (
        "envmgr completion fish | source" if request.param == "fish" else f'eval "$(envmgr completion {request.param})"'
    )
    with typing(command, folder, columns=120, PATH=f"{folder}/bin:{os.environ['PATH']}") as one:
        one.type(f"{prepare}\r")
        one.until(r"READY $|READY (?=\S)")
        one.type(
            f"{script}; echo LOADED-$((40 + 2))\r"
            if request.param != "fish"
            else f"{script}; echo LOADED-(math 40 + 2)\r"
        )
        one.until(r"LOADED-42\s")
        one.until("READY ")
        yield one


def completed(one: Typist, line: str) -> str:
    """Type the beginning of a line and a tab; return what the line has become, by having the shell echo it."""
    one.type(f"{line}\t")
    one.type("\x01echo GOT \x05 END\r")
    found = one.until(r"\n\s*GOT (.*?) END").group(1)
    one.until("READY ")
    return found.strip()


def test_words_are_completed_from_the_spec(shell: Typist):
    lines = {
        "envmgr log": "envmgr logs",
        "envmgr up st": "envmgr up stage",
        "envmgr up dev wor": "envmgr up dev worker",
        "envmgr up dev --ima": "envmgr up dev --images",
        "envmgr up --images rec": "envmgr up --images recipes",
        "envmgr exec dev gra": "envmgr exec dev grafana",
        "envmgr open stage re": "envmgr open stage redis",
        "envmgr images lo": "envmgr images load",
        "envmgr explain environments.stage.w": "envmgr explain environments.stage.workers",
        "envmgr explain dev app mem": "envmgr explain dev app memory",
        "envmgr explain serv": "envmgr explain services",
        "envmgr completion fi": "envmgr completion fish",
    }
    assert {line: completed(shell, line) for line in lines} == lines


def test_where_the_spec_is_broken_nothing_is_completed_and_nothing_said(shell: Typist, folder: Path):
    (folder / "envmgr.toml").write_text("[environments\n")
    shell.seen = ""
    assert completed(shell, "envmgr up st") == "envmgr up st"
    assert "Traceback" not in shell.seen
    assert "error" not in shell.seen
    assert completed(shell, "envmgr log") == "envmgr logs"


# ---- what a shell asks


def ask(folder: Path, *words: str) -> tuple[list[str], str]:
    """Ask as bash's script does for completions of the last word."""
    done = subprocess.run(
        [folder / "bin" / "envmgr"],
        cwd=folder,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("DOCKER_")},
            "DOCKER_HOST": f"unix://{folder}/nobody.sock",
            "COMP_WORDS": " ".join(("envmgr", *words)),
            "COMP_CWORD": str(len(words)),
            "_ENVMGR_COMPLETE": "bash_complete",
        },
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return [line.partition(",")[2] for line in done.stdout.splitlines() if line], done.stderr


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("up", ""), ["infra", "dev", "stage"]),
        (("up", "dev", ""), ["grafana", "app", "worker", "infra", "stage"]),
        (("up", "infra", ""), ["redis", "dev", "stage"]),
        (("up", "dev", "app", ""), ["grafana", "worker"]),
        (("up", "dev", "stage", ""), ["infra"]),
        (("up", "nowhere", ""), []),
        (("destroy", "dev", ""), ["infra", "stage"]),
        (("why", "stage", "w"), ["worker"]),
        (("exec", "dev", "app", ""), []),
        (("open", "dev", ""), ["grafana", "app", "worker", "redis"]),
        (("-f", "elsewhere.toml", "up", ""), []),
        (("-f", "other/envmgr.toml", "up", ""), ["infra", "prod"]),
        (("logs", "--f"), ["--follow"]),
        (("explain", "environments.stage.w"), ["environments.stage.workers"]),
        (("explain", "services.a"), ["services.app", *(f"services.app.{key}" for key in KEYS["services"])]),
        (("explain", "environments."), [f"environments.{name}" for name in ("defaults", "dev", "stage")]),
        (("explain", "dev", "work"), ["workers", "worker"]),
        (("explain", "dev", "app", "cpus"), ["cpus", "cpus_reserved"]),
        (("explain", "nowhere."), []),
    ],
)
def test_what_is_offered(folder: Path, words: tuple[str, ...], expected: list[str]):
    (folder / "other").mkdir()
    (folder / "other" / "envmgr.toml").write_text("[environments.prod]\n")
    assert ask(folder, *words) == (expected, "")


@pytest.mark.parametrize("text", ["[environments", "environments = 5", "\udcff", "a.b = 1\na = 2"])
def test_a_broken_spec_offers_nothing(folder: Path, text: str):
    (folder / "envmgr.toml").write_bytes(text.encode("utf-8", "surrogateescape"))
    offered, said = ask(folder, "up", "d")
    assert (offered, said) == ([], "")
