"""The README's examples, run as they stand."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.docker.conftest import ROOT, Chatbot

pytestmark = pytest.mark.docker

README = (ROOT / "README.md").read_text()
COMMANDS = [
    line.removeprefix("$ ")
    for block in re.findall(r"```console\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
    if line.startswith("$ ")
]
RUN_ELSEWHERE = {
    "make docker-dev": "test_make.py",
    "make docker-local": "test_make.py",
    "make dev": "test_make.py",
    "make test": "continuous integration",
}


def test_there_are_examples() -> None:
    assert len(COMMANDS) > 10
    assert RUN_ELSEWHERE.keys() <= set(COMMANDS)


@pytest.mark.parametrize("command", [c for c in COMMANDS if c not in RUN_ELSEWHERE])
def test_a_command_of_the_readme(chatbot: Chatbot, command: str) -> None:
    environ = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        shlex.split(command),
        cwd=chatbot.sandbox.folder,
        env=environ,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    try:
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout
    finally:
        if command == "envmgr down dev":
            chatbot.sandbox.ok("up", "dev")


def test_the_tables_ports_and_the_specs_are_the_same() -> None:
    spec = tomllib.loads((ROOT / "envmgr.toml").read_text())
    for environment in ("dev", "stage", "prod"):
        for port in spec["environments"][environment]["ports"].values():
            assert f"http://localhost:{port} " in README
    published = [port for server in spec["infra"].values() for port in _ports(server)]
    assert [port for port in published if not re.search(rf"localhost:{port}\b", README)] == [6334]


def _ports(server: dict) -> list[int]:
    return [*([server["port"]] if "port" in server else []), *server.get("ports", {}).values()]


def test_the_specs_excerpt_is_in_the_spec() -> None:
    spec = tomllib.loads((ROOT / "envmgr.toml").read_text())
    (excerpt,) = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    shown = tomllib.loads(excerpt)["environments"]["prod"]
    real = spec["environments"]["prod"]
    assert {key: real[key] for key in shown if key != "services"} == {k: v for k, v in shown.items() if k != "services"}
    assert shown["services"]["app"].items() <= real["services"]["app"].items()
