"""What the command line imports before it knows that it needs it: every import is paid at each start."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.spawns

HEAVY = {
    *("pydantic", "pydantic_core", "httpx", "httpcore", "python_on_whales", "rich", "jinja2", "dotenv", "psutil"),
    *("tree_sitter", "tree_sitter_toml", "pathspec", "asyncio", "requests", "yaml", "ruamel", "tomlkit", "jsonschema"),
}


def imported(*arguments: str, **variables: str) -> tuple[subprocess.CompletedProcess[str], set[str]]:
    """Run envmgr in a fresh interpreter; return how it ended, and the top-level modules that it imported."""
    code = "import sys; sys.argv[0] = 'envmgr'; from envmgr.cli.entry import main; main()"
    command = [sys.executable, "-X", "importtime", "-c", code, *arguments]
    environment = {**os.environ, **variables}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=environment)
    return done, {name.partition(".")[0] for name in every(done)}


def every(done: subprocess.CompletedProcess[str]) -> set[str]:
    """Return every module that a command imported."""
    return set(re.findall(r"^import time:\s+\d+ \|\s+\d+ \|\s*(\S+)$", done.stderr, re.MULTILINE))


@pytest.mark.parametrize(
    ("arguments", "begins"),
    [
        (("--version",), "envmgr, version "),
        (("--help",), "Usage: envmgr "),
        (("up", "--help"), "Usage: envmgr up "),
        (("render", "--help"), "Usage: envmgr render "),
    ],
)
def test_asking_for_help_imports_nothing_heavy(arguments: tuple[str, ...], begins: str):
    done, modules = imported(*arguments)
    assert (done.returncode, done.stdout[: len(begins)]) == (0, begins)
    assert "envmgr" in modules, "the list of imports was not read"
    assert modules & HEAVY == set()


def test_an_unknown_command_imports_nothing_heavy():
    done, modules = imported("upp")
    assert done.returncode == 2
    assert "there is no command 'upp'" in done.stderr
    assert modules & HEAVY == set()


def test_completing_a_service_imports_nothing_heavy(repository):
    asked = {"COMP_WORDS": f"envmgr -f {repository}/envmgr.toml up dev wor", "COMP_CWORD": "5"}
    done, modules = imported(_ENVMGR_COMPLETE="bash_complete", **asked)
    assert (done.returncode, done.stdout) == (0, "plain,worker\n")
    assert modules & HEAVY == set()


def test_a_command_that_reads_the_spec_does_import_them(tmp_path):
    (tmp_path / "new.toml").write_text("[project]\n")
    done, modules = imported("-f", str(tmp_path / "new.toml"), "render")
    assert done.returncode == 3
    assert {"pydantic"} <= modules


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> dict[str, str]:
    """Variables, with which the repository's own system is kept: as soon as its code is some seconds old."""
    variables = {"XDG_CACHE_HOME": str(tmp_path_factory.mktemp("kept")), "DOCKER_HOST": "unix:///nowhere/docker.sock"}
    deadline = time.monotonic() + 60
    while not list(Path(variables["XDG_CACHE_HOME"]).rglob("*.json")):
        assert time.monotonic() < deadline, "the system is not kept"
        done, _ = imported("-f", f"{repository}/envmgr.toml", "ps", **variables)
        assert "there is no socket" in done.stderr
    return variables


@pytest.mark.parametrize(
    "arguments", [("status",), ("ps",), ("health",), ("logs", "dev"), ("why", "dev"), ("up", "dev")]
)
def test_a_command_whose_system_is_kept_imports_neither_what_reads_a_spec_nor_what_nobody_has_asked_for(
    kept: dict[str, str], repository: Path, arguments: tuple[str, ...]
):
    done, modules = imported("-f", f"{repository}/envmgr.toml", *arguments, **kept)
    assert done.returncode != 2, done.stderr
    assert "envmgr" in modules, "the list of imports was not read"
    assert modules & (HEAVY - {"dotenv", "rich", "psutil"}) == set()
    assert every(done) & {"envmgr.catalog", "envmgr.spec.load", "envmgr.spec.schema", "envmgr.resolve.system"} == set()


def test_whether_files_are_as_rendered_is_told_without_reading_the_spec(kept: dict[str, str], repository: Path):
    done, modules = imported("-f", f"{repository}/envmgr.toml", "render", "--check", **kept)
    assert (done.returncode, done.stdout) == (0, "up to date\n")
    assert modules & (HEAVY - {"jinja2", "asyncio"}) == set()
    assert "envmgr.catalog" not in every(done)


def test_the_http_library_comes_without_the_terminal_libraries_of_its_own_command():
    code = (
        "from envmgr.cli import entry; entry._start_lean(); import httpx, sys; print(*sys.modules, httpx.HTTPTransport)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    modules = set(done.stdout.split())
    assert "httpx" in modules
    assert modules & {"rich", "pygments", "click"} == set()


def test_reading_a_spec_needs_no_http_library(kept: dict[str, str], repository: Path):
    with_spec, modules = imported("-f", f"{repository}/envmgr.toml", "explain", "project.name", **kept)
    assert with_spec.returncode == 0, with_spec.stderr
    assert "pydantic" in modules
    assert "httpx" not in modules
