"""compose-lint and the Compose Specification's schema, on the files as they lie on a host, env files included."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from envmgr import layout
from envmgr.operations.project import Project, open_project
from tests.security.systems import (
    deliver_to,
    documents,
    spec,
    subsets,
    system_of,
    with_values,
    write_all,
    write_texts,
)

pytestmark = pytest.mark.spawns

BIN = Path(sys.executable).parent
CONFIG = Path(__file__).parent / "compose-lint.yml"
NOT_READ = "were not evaluated"
"""What compose-lint says of an env file that it did not open."""


def run(folder: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout + done.stderr, "")


def lint(folder: Path, paths: list[Path], *more: str) -> subprocess.CompletedProcess[str]:
    options = (
        "check",
        "--fail-on",
        "low",
        "--config",
        CONFIG,
        "--strict-config",
        "--skip-suppressed",
        "--quiet",
        *more,
    )
    return run(folder, BIN / "compose-lint", *options, *paths)


def validate(folder: Path, paths: list[Path]) -> subprocess.CompletedProcess[str]:
    return run(folder, BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", *paths)


@pytest.fixture(scope="module", autouse=True)
def no_waiting_for_the_disk() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _descriptor: None)
        yield


@pytest.fixture(scope="module")
def own(repository: Path, chatbot: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The committed files, with env files and secrets as `up` delivers them."""
    folder = tmp_path_factory.mktemp("own")
    shutil.copytree(repository / layout.COMPOSE, folder / layout.COMPOSE)
    vault, _ = with_values(chatbot.system)
    for stack in chatbot.system.stacks:
        deliver_to(folder, stack, vault)
    return folder


@pytest.fixture(scope="module")
def every(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Path]]:
    """Each document that a choice of services leads to in prod or in the base, once, with its env files."""
    folder, seen = tmp_path_factory.mktemp("every"), {}
    for number, chosen in enumerate(subsets()):
        mine = folder / str(number)
        system = system_of(chosen, mine)
        found = [one for one in documents(system, mine) if one.stack.target in ("infra", "prod")]
        vault, _ = with_values(system)
        for one in (one for one in found if one.text not in seen):
            write_texts(mine, {one.path: one.text})
            deliver_to(mine, one.stack, vault)
            seen[one.text] = mine / layout.COMPOSE / one.path
    return folder, list(seen.values())


def own_documents(folder: Path) -> list[Path]:
    return sorted(p for p in (folder / layout.COMPOSE).glob("*.yml") if not p.name.endswith(".recipes.yml"))


def test_compose_lint_finds_nothing_in_the_committed_files(own: Path):
    done = lint(own, own_documents(own))
    assert (done.returncode, NOT_READ in done.stdout) == (0, False), done.stdout
    assert len(own_documents(own)) == 4


@pytest.fixture(scope="module")
def judged(every: tuple[Path, list[Path]]) -> tuple[subprocess.CompletedProcess[str], ...]:
    """What compose-lint and the schema say of every subset; side by side, for they take their time."""
    with ThreadPoolExecutor() as pool:
        return tuple(pool.map(lambda tool: tool(*every), (lint, validate)))


def test_compose_lint_finds_nothing_in_any_subset(every, judged):
    assert (judged[0].returncode, NOT_READ in judged[0].stdout) == (0, False), judged[0].stdout
    assert len(every[1]) > 40


def test_the_committed_files_are_compose_documents(own: Path):
    done = validate(own, sorted((own / layout.COMPOSE).glob("*.yml")))
    assert done.returncode == 0, done.stdout


def test_every_subset_is_a_compose_document(judged):
    assert judged[1].returncode == 0, judged[1].stdout


# ---- they see a breach

BREACHES = {
    "CL-0007": ("    read_only: true\n", ""),
    "CL-0006": ('      - "ALL"\n', '      - "CHOWN"\n'),
    "CL-0005": ('        host_ip: "127.0.0.1"\n', ""),
    "CL-0022": ("noexec,", "exec,"),
    "CL-0004": ('chat-chat:env-prod"', 'chat-chat:latest"'),
    "CL-0020": ('"DEBUG": "false"', '"DB_PASSWORD": "hunter2"'),
}


@pytest.fixture
def small(tmp_path: Path) -> Path:
    system = system_of(("app",), tmp_path)
    write_all(system, tmp_path, with_values(system)[0])
    return tmp_path / layout.COMPOSE / "docker-compose.app.prod.yml"


def test_compose_lint_sees_each_breach(small: Path):
    text = small.read_text()
    for rule, (old, new) in BREACHES.items():
        assert old in text
        small.with_name(f"{rule}.yml").write_text(text.replace(old, new))
    done = lint(small.parents[1], [small, *(small.with_name(f"{rule}.yml") for rule in BREACHES)], "--format", "json")
    findings = json.loads(done.stdout[done.stdout.index("{") :])["findings"]
    assert done.returncode == 1
    assert {(Path(found["file"]).stem, found["rule_id"]) for found in findings} == {(rule, rule) for rule in BREACHES}


def test_compose_lint_reads_the_env_files(small: Path):
    env_file = small.parents[1] / layout.env_file("prod", "app")
    env_file.write_text(f"{env_file.read_text()}DATABASE_URL=postgresql://user:hunter2@db/one\n")
    done = lint(small.parents[1], [small])
    assert (done.returncode, "CL-0021" in done.stdout) == (1, True), done.stdout


def test_secrets_that_the_spec_wants_as_variables_are_the_one_thing_it_finds(tmp_path: Path):
    text = spec(("postgres", "app")).replace("egress = true", 'egress = true\nsecrets_as = "variables"')
    (tmp_path / layout.SPEC).write_text(text)
    system = open_project(tmp_path / layout.SPEC).system
    write_all(system, tmp_path, with_values(system)[0])
    done = lint(tmp_path, [tmp_path / layout.COMPOSE / "docker-compose.app.prod.yml"])
    rules = {word for word in done.stdout.split() if word.startswith("CL-")}
    assert (done.returncode, rules) == (1, {"CL-0020", "CL-0021"}), done.stdout


def test_the_schema_sees_a_breach(small: Path):
    small.write_text(small.read_text().replace("    read_only: true", "    read_onyl: true"))
    done = validate(small.parents[1], [small])
    assert (done.returncode, "read_onyl" in done.stdout) == (1, True), done.stdout
