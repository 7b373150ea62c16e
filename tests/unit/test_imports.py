"""What the command line imports before it knows that it needs it: every import is paid at each start."""

from __future__ import annotations

import os
import re
import subprocess
import sys

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
    found = re.findall(r"^import time:\s+\d+ \|\s+\d+ \|\s*(\S+)$", done.stderr, re.MULTILINE)
    return done, {name.partition(".")[0] for name in found}


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
    done, modules = imported("-f", str(tmp_path / "none.toml"), "render")
    assert done.returncode == 3
    assert {"pydantic"} <= modules


def test_the_http_library_comes_without_the_terminal_libraries_of_its_own_command():
    code = (
        "from envmgr.cli import entry; entry._start_lean(); import httpx, sys; print(*sys.modules, httpx.HTTPTransport)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    modules = set(done.stdout.split())
    assert "httpx" in modules
    assert modules & {"rich", "pygments", "click"} == set()
