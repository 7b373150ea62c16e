"""Valkey on a real engine: Celery's broker, one environment's part of it, and the exporter that watches it."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.docker.conftest import Sandbox, docker, eventually, free_port, make_sandbox

pytestmark = pytest.mark.docker

SPEC = """\
[project]
name = "{name}"

[networks]
range = "10.96.0.0/12"

[images]
recipes = "images"

[infra.valkey]
memory = "64M"

[infra.redis-exporter]
uses = ["valkey"]
port = {exporter}

[builds.programs]
context = "programs"
target = "programs"

[services.worker]
kind = "celery-worker"
start_seconds = 180
build = "programs"
app = "tasks"
pool = "threads"
concurrency = 1
uses = ["valkey"]

[environments.dev]
"""


@dataclass(frozen=True)
class Site:
    """What is up, and how to ask it."""

    sandbox: Sandbox
    exporter: int

    def ask(self, login: str, *command: str, password: str | None = None) -> str:
        """Ask Valkey as somebody; an error reply is an answer too."""
        given = self.secret(login) if password is None else password
        name = f"{self.sandbox.name}-infra-valkey-1"
        # A refused password is told on stderr.
        script = 'exec valkey-cli --no-auth-warning --user "$@" 2>&1'
        return docker("exec", "-e", f"REDISCLI_AUTH={given}", name, "sh", "-c", script, "ask", login, *command)

    def secret(self, login: str) -> str:
        """Return the password that envmgr made for a login."""
        target, name = ("infra", "VALKEY_ADMIN_PASSWORD") if login == "default" else ("dev", "VALKEY_PASSWORD")
        lines = (self.sandbox.folder / f".env.{target}").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)[name]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    sandbox = make_sandbox(tmp_path_factory.mktemp("valkey") / "project")
    (sandbox.folder / "programs").symlink_to(Path(__file__).parent / "programs")
    one = Site(sandbox, free_port())
    sandbox.write(SPEC.format(name=sandbox.name, exporter=one.exporter))
    try:
        sandbox.ok("up", "dev", timeout=600)
        yield one
    finally:
        sandbox.remove()


def test_all_of_it_is_healthy_and_the_next_up_changes_nothing(site: Site):
    probes = site.sandbox.ok("health", "--json").json["probes"]
    good = {(probe["service"], probe["what"]) for probe in probes if probe["is_good"]}
    assert len(good) == len(probes)
    assert ("valkey", "Valkey keys dev_*") in good
    assert ("valkey", "Valkey user infra_redis_exporter") in good
    assert site.sandbox.ok("up", "dev", "--json").json["changed"] == 0


def test_tasks_of_celery_go_through_it(site: Site):
    worker = f"{site.sandbox.name}-dev-worker-1"
    task = docker("exec", worker, "celery", "-A", "tasks", "call", "tasks.tick").splitlines()[-1]

    def is_done() -> bool:
        return f"Task tasks.tick[{task}] succeeded" in site.sandbox.ok("logs", "dev", "worker").out

    eventually(is_done, "the worker has done the task")


def test_an_environment_reaches_its_own_keys_and_nothing_of_the_servers(site: Site):
    assert site.ask("dev_app", "SET", "dev_greeting", "hello") == "OK"
    assert site.ask("dev_app", "GET", "dev_greeting") == "hello"
    refused = [
        *(("GET", "prod_greeting"), ("SET", "greeting", "x"), ("SUBSCRIBE", "prod_news"), ("SCAN", "0"), ("DBSIZE",)),
        *(("ACL", "LIST"), ("CONFIG", "GET", "*"), ("FLUSHALL",), ("KEYS", "*"), ("SCRIPT", "FLUSH")),
        # Which Redis does not have.
        ("COMMANDLOG", "GET", "1", "slow"),
    ]
    answers = {command: site.ask("dev_app", *command) for command in refused}
    assert {command: answer for command, answer in answers.items() if "NOPERM" not in answer} == {}
    assert "WRONGPASS" in site.ask("dev_app", "PING", password="wrong")
    assert "NOPERM" in site.ask("health", "GET", "dev_greeting", password="x")


def test_the_exporter_of_redis_reads_it(site: Site):
    with urllib.request.urlopen(f"http://127.0.0.1:{site.exporter}/metrics", timeout=10) as answer:
        figures = dict(line.rsplit(" ", 1) for line in answer.read().decode().splitlines() if not line.startswith("#"))
    assert figures["redis_up"] == "1"
    assert float(figures["redis_memory_max_bytes"]) == 48 * 1024**2


def test_the_keys_of_an_environment_go_with_it_and_nobody_elses(site: Site):
    site.ask("default", "MSET", "dev_kept", "x", "prod_kept", "x")
    site.sandbox.ok("destroy", "dev", "--yes")
    assert site.ask("default", "EXISTS", "dev_kept") == "0"
    assert site.ask("default", "GET", "prod_kept") == "x"
    assert not [one for one in site.ask("default", "ACL", "USERS").split() if one.startswith("dev_")]
