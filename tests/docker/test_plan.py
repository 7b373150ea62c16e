"""A plan against a real engine: it names the field and the line, `up` applies it, and nothing is left to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.docker.conftest import Sandbox, docker, free_port, make_sandbox

pytestmark = pytest.mark.docker

SPEC = """\
[project]
name = "{name}"

[networks]
range = "10.96.0.0/12"

[images]
recipes = "images"

[builds.play]
context = "fixture"

[variables.TOKEN]
secret = true
services = ["web"]

[variables.REGION]
services = ["web"]

[services.web]
kind = "container"
build = "play"
command = ["uvicorn", "first"]
container_port = 8000
healthcheck = ["true"]
user = "10001:10001"
cpus = 0.25
memory = "64M"
memory_reserved = "16M"
pids = 32
start_seconds = 60
stop_seconds = 3
tmpfs = {{ "/cache" = "8M" }}
volumes = {{ data = "/data" }}
egress = false
compose = {{ ulimits = {{ nofile = 1024 }} }}

[services.web.variables]
MARK = "one"

[services.tasks]
kind = "container"
build = "play"
command = ["celery"]
healthcheck = ["true"]
memory = "48M"
replicas = 1

[environments.dev]
log_level = "INFO"
ports = {{ web = {port} }}
"""
PORT = free_port()
VALUES = "TOKEN=first\nREGION=here\n"


@dataclass(frozen=True)
class Edit:
    """One change of the spec, and the fields that it shows as; the last of them at the line of the change."""

    old: str
    new: str
    fields: set[str]
    service: str = "web"


EDITS = (
    Edit('["uvicorn", "first"]', '["uvicorn", "second"]', {"command"}),
    Edit('user = "10001:10001"', 'user = "10001:10002"', {"user", "tmpfs"}),
    Edit('MARK = "one"', 'MARK = "$two #\'"', {"variables.MARK"}),
    Edit("cpus = 0.25", "cpus = 0.5", {"cpus"}),
    Edit('memory = "64M"', 'memory = "72M"', {"memory"}),
    Edit('memory_reserved = "16M"', 'memory_reserved = "24M"', {"memory_reserved"}),
    Edit("pids = 32", "pids = 48", {"pids"}),
    Edit(
        'container_port = 8000\nhealthcheck = ["true"]',
        'container_port = 8000\nhealthcheck = ["test", "1"]',
        {"healthcheck"},
    ),
    Edit("start_seconds = 60", "start_seconds = 61", {"start_seconds"}),
    Edit("stop_seconds = 3", "stop_seconds = 2", {"stop_seconds"}),
    Edit('"/cache" = "8M"', '"/cache" = "9M"', {"tmpfs"}),
    Edit('data = "/data"', 'data = "/store"', {"volumes"}),
    Edit("nofile = 1024", "nofile = 2048", {"definition"}),
    Edit('log_level = "INFO"', 'log_level = "DEBUG"', {"variables.LOG_LEVEL"}),
    Edit("replicas = 1", "replicas = 2", {"replicas"}, "tasks"),
)


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """One environment, up."""
    one = make_sandbox(tmp_path_factory.mktemp("plan") / "project")
    one.write(SPEC.format(name=one.name, port=PORT))
    (one.folder / ".env.dev").write_text(VALUES)
    try:
        one.ok("up", "dev")
        yield one
    finally:
        one.remove()


def planned(play: Sandbox) -> list[dict]:
    """Return the steps of a plan; its exit code tells whether there are any."""
    result = play.run("plan", "dev", "--json")
    steps = result.json["steps"]
    assert result.code == (7 if steps else 0), result.err
    return steps


def line_of(folder: Path, text: str) -> int:
    lines = (folder / "envmgr.toml").read_text().splitlines()
    (found,) = [number for number, line in enumerate(lines, 1) if text in line]
    return found


@pytest.mark.full
def test_every_kind_of_field_one_after_another(play: Sandbox):
    assert planned(play) == []
    for edit in EDITS:
        play.edit(edit.old, edit.new)
        before = play.identity("dev")
        steps = planned(play)
        (step,) = [one for one in steps if one["name"] == edit.service]
        assert {cause["field"] for cause in step["causes"]} == edit.fields, edit
        line = line_of(play.folder, edit.new.splitlines()[-1])
        assert line in {cause["place"]["line"] for cause in step["causes"]}, edit
        play.ok("up", "dev")
        assert planned(play) == [], edit
        replaced = {name for name, one in play.identity("dev").items() if before.get(name, one) != one}
        said = {name for one in steps if one["action"] == "recreate" for name in one["containers"]}
        assert replaced == said, edit


def test_a_changed_value_of_the_operator_is_told_by_name_alone(play: Sandbox):
    for old, new, field in (("TOKEN=", "TOKEN=very-", "secrets.TOKEN"), ("REGION=", "REGION=t", "variables.REGION")):
        path = play.folder / ".env.dev"
        path.write_text(path.read_text().replace(old, new))
        result = play.run("plan", "dev", "--json")
        (step,) = result.json["steps"]
        assert [(c["field"], c["old"], c["new"]) for c in step["causes"]] == [(field, None, None)]
        assert "very-first" not in result.out
        play.ok("up", "dev")
        assert planned(play) == []
    assert docker("exec", f"{play.name}-dev-web-1", "cat", "/run/secrets/TOKEN") == "very-first"


def test_a_port_and_a_way_out(play: Sandbox):
    for old, new, fields in (
        (f"web = {PORT}", f"web = {free_port()}", {"ports"}),
        ("egress = false", "egress = true", {f"networks.{play.name}-dev-egress"}),
    ):
        play.edit(old, new)
        (step,) = [one for one in planned(play) if one["subject"] == "service"]
        assert {cause["field"] for cause in step["causes"]} == fields
        play.ok("up", "dev")
        assert planned(play) == []


BY_HAND: dict[str, tuple[Callable[[str], tuple[str, ...]], str]] = {
    "a limit": (lambda web: ("update", "--memory", "96M", "--memory-swap", "192M", web), "memory"),
    "a network left": (lambda web: ("network", "disconnect", web.replace("-web-1", "-data"), web), "networks"),
    "a network joined": (lambda web: ("network", "connect", "bridge", web), "networks.bridge"),
    "a name": (lambda web: ("rename", web, web.replace("-dev-web-1", "-somebody")), "name"),
    "paused": (lambda web: ("pause", web), "state"),
    "stopped": (lambda web: ("stop", "-t", "1", web), "state"),
    "removed": (lambda web: ("rm", "-f", web), ""),
}


@pytest.mark.parametrize("kind", BY_HAND)
def test_what_was_changed_by_hand_is_said_and_repaired(play: Sandbox, kind: str):
    args, field = BY_HAND[kind]
    tasks = play.identity("dev")[f"{play.name}-dev-tasks-1"]
    docker(*args(f"{play.name}-dev-web-1"))
    (step,) = planned(play)
    assert step["name"] == "web"
    assert all(cause["field"].startswith(field) and cause["place"] is None for cause in step["causes"])
    assert step["is_drift"] is (step["action"] == "recreate")
    play.ok("up", "dev")
    assert planned(play) == []
    assert play.identity("dev")[f"{play.name}-dev-tasks-1"] == tasks


def test_a_protected_environment_that_runs_is_cut_only_when_somebody_says_yes(sandbox: Sandbox):
    sandbox.write(SPEC.format(name=sandbox.name, port=free_port()).replace("log_level", "protected = true\nlog_level"))
    (sandbox.folder / ".env.dev").write_text(VALUES.replace("first", "k3Vq-7Zt0_wXb9RmPf2a"))
    (sandbox.folder / ".env.dev").chmod(0o600)
    sandbox.ok("up", "dev")
    before = sandbox.identity("dev")
    sandbox.edit('MARK = "one"', 'MARK = "two"')
    refused = sandbox.run("up", "dev")
    assert refused.code == 2
    assert "± recreate  web" in refused.err
    assert "next:  envmgr up dev --yes" in refused.err
    assert sandbox.identity("dev") == before
    sandbox.ok("up", "dev", "--yes")
    assert sandbox.run("plan", "dev").out == "nothing to do\n"


def test_a_network_that_cannot_change_is_refused_with_the_way_round(sandbox: Sandbox):
    sandbox.write(SPEC.format(name=sandbox.name, port=free_port()))
    (sandbox.folder / ".env.dev").write_text(VALUES)
    sandbox.ok("up", "dev")
    before = sandbox.identity("dev")
    sandbox.edit("[environments.dev]", '[environments.dev]\nsubnet = "10.111.222.0/24"')
    planned = sandbox.run("plan", "dev")
    assert (planned.code, "refused: up would change nothing" in planned.out) == (4, True)
    refused = sandbox.run("up", "dev")
    assert refused.code == 4
    assert "envmgr down dev && envmgr up dev; data stays" in refused.err
    assert sandbox.identity("dev") == before
    sandbox.ok("down", "dev")
    sandbox.ok("up", "dev")
    assert sandbox.run("plan", "dev").code == 0
