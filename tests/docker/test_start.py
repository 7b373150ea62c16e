"""Starts that succeed and fail, each with one small service."""

from __future__ import annotations

import re
import socket
import time

import httpx
import pytest

from tests.docker.conftest import Sandbox, docker, free_port, play_spec

pytestmark = pytest.mark.docker

JOB = """\
[services.job]
kind = "job"
build = "play"
command = ["job"]
memory = "64M"

[services.job.variables]
PLAY = "{mode}"
"""


def test_a_slow_starter_has_until_its_own_deadline(sandbox: Sandbox) -> None:
    sandbox.write(play_spec(sandbox.name, mode="slow", extra="start_seconds = 40"))
    sandbox.edit('PLAY = "slow"', 'PLAY = "slow"\nPLAY_SECONDS = "4"')
    result = sandbox.ok("up", "dev", "--json").json
    assert [s["verdict"] for s in result["services"]] == ["healthy"]
    assert result["services"][0]["seconds"] >= 4


def test_a_start_that_hangs_ends_at_its_deadline(sandbox: Sandbox) -> None:
    sandbox.write(play_spec(sandbox.name, mode="hang", extra="start_seconds = 3"))
    result = sandbox.run("up", "dev")
    assert result.code == 5
    assert "web of dev: unhealthy: not healthy within 3 s" in result.err
    assert "log: playing hang" in result.err
    assert "next:  envmgr logs dev web" in result.err


def test_a_crash_loop_is_found_at_its_second_restart(sandbox: Sandbox) -> None:
    sandbox.write(play_spec(sandbox.name, mode="crash", extra="start_seconds = 120"))
    sandbox.ok("render")
    began = time.monotonic()
    result = sandbox.run("up", "dev")
    assert result.code == 5
    assert "error: web of dev fails in its own code: there is no app to import" in result.err
    found = re.search(r"engine: (?:restarting, exit code 1|running), restarted (\d) times", result.err)
    assert found, result.err
    assert int(found[1]) <= 4
    assert "log: cannot import name 'app'" in result.err
    assert "next:  envmgr up dev web --build" in result.err
    assert time.monotonic() - began < 60


def test_a_service_that_never_answers_shows_its_healthcheck(sandbox: Sandbox) -> None:
    sandbox.write(play_spec(sandbox.name, mode="unhealthy", extra="start_seconds = 3"))
    result = sandbox.run("up", "dev")
    assert result.code == 5
    assert "healthcheck: 503" in result.err


def test_a_job_that_exits_with_0_succeeds_and_is_not_run_again(sandbox: Sandbox) -> None:
    sandbox.write(play_spec(sandbox.name, extra='after = ["job"]', more=JOB.format(mode="done")))
    result = sandbox.ok("up", "dev", "--json").json
    verdicts = {s["service"]: s["verdict"] for s in result["services"]}
    assert verdicts == {"job": "completed", "web": "healthy"}
    before = sandbox.identity("dev")
    assert sandbox.ok("up", "dev", "--json").json["changed"] == 0
    assert sandbox.identity("dev") == before


def test_a_job_that_fails_is_the_cause_and_nothing_after_it_starts(sandbox: Sandbox) -> None:
    sandbox.write(play_spec(sandbox.name, extra='after = ["job"]', more=JOB.format(mode="fail")))
    result = sandbox.run("up", "dev")
    assert result.code == 5
    assert "job of dev: failed: last exit code 3" in result.err
    assert "log: the table is not there" in result.err
    assert set(sandbox.containers("dev")) == {f"{sandbox.name}-dev-job-1"}
    sandbox.edit('PLAY = "fail"', 'PLAY = "done"')
    sandbox.ok("up", "dev")


def test_a_missing_image_starts_nothing(sandbox: Sandbox) -> None:
    sandbox.write(
        play_spec(sandbox.name, more=JOB.format(mode="done").replace('build = "play"', 'image = "nobody/nothing:1"'))
    )
    result = sandbox.run("up", "dev", "--images", "registry")
    assert result.code == 4
    assert "nobody/nothing:1" in result.err
    assert sandbox.containers() == {}


def test_a_port_held_by_a_process_is_named_and_nothing_starts(sandbox: Sandbox) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        sandbox.write(play_spec(sandbox.name, port=port))
        result = sandbox.run("up", "dev")
    assert result.code == 4
    assert f"port {port} on 127.0.0.1 is held by" in result.err
    assert "(pid " in result.err
    assert "environments.dev.ports.web" in result.err
    assert sandbox.containers() == {}


def test_a_port_held_by_a_container_is_named_with_its_project(sandbox: Sandbox) -> None:
    port = free_port()
    holder = f"{sandbox.name}-holder"
    sandbox.write(play_spec(sandbox.name, port=port))
    sandbox.ok("up", "dev")
    image = f"{sandbox.name}-play:env-dev"
    sandbox.ok("down", "dev")
    docker("run", "-d", "--name", holder, "-p", f"127.0.0.1:{port}:8000", image, "uvicorn")
    try:
        result = sandbox.run("up", "dev")
        assert result.code == 4
        assert f"held by container {holder}" in result.err
        assert sandbox.containers("dev") == {}
    finally:
        docker("rm", "-f", holder)


def test_more_memory_or_cpus_than_the_host_has_start_nothing(sandbox: Sandbox) -> None:
    sandbox.write(play_spec(sandbox.name))
    sandbox.edit('memory = "64M"\ncpus = 0.5', 'memory = "4000G"\ncpus = 400.0')
    result = sandbox.run("up", "dev")
    assert result.code == 4
    assert "memory limits add up to 4000.0 GiB" in result.err
    assert "400 CPUs are more than the host's" in result.err
    assert sandbox.containers() == {}


def test_every_mistake_in_a_spec_is_named_before_anything_happens(sandbox: Sandbox) -> None:
    sandbox.write(play_spec(sandbox.name))
    sandbox.edit("cpus = 0.5", 'cpuz = 0.5\nport = "8000"')
    result = sandbox.run("up", "dev")
    assert result.code == 3
    assert "services.web.cpuz" in result.err
    assert 'did you mean "cpus"?' in result.err
    assert "services.web.port" in result.err
    assert not (sandbox.folder / "compose").exists()
    assert sandbox.containers() == {}


def test_missing_values_are_listed_together_before_anything_is_written(sandbox: Sandbox) -> None:
    needed = "[variables.API_KEY]\nrequired = true\nsecret = true\n\n[variables.REGION]\nrequired = true\n"
    sandbox.write(play_spec(sandbox.name, more=needed))
    result = sandbox.run("up", "dev")
    assert result.code == 3
    assert "API_KEY is not set" in result.err
    assert "REGION is not set" in result.err
    assert not (sandbox.folder / "compose").exists()
    (sandbox.folder / ".env.dev").write_text("API_KEY=k\nREGION=here\n")
    sandbox.ok("up", "dev")


def test_the_operators_shell_reaches_no_container(sandbox: Sandbox) -> None:
    declared = '[variables.REGION]\ndefault = "here"\n\n[variables.SHARED]\nfrom_shell = true\n'
    port = free_port()
    sandbox.write(play_spec(sandbox.name, port=port, more=declared))
    sandbox.env |= {"REGION": "shell", "MARK": "shell", "SHARED": "shell", "COMPOSE_PROJECT_NAME": "other"}
    sandbox.ok("up", "dev")
    inside = docker("exec", f"{sandbox.name}-dev-web-1", "env").splitlines()
    assert "REGION=here" in inside
    assert "SHARED=shell" in inside
    assert not [line for line in inside if line.startswith("MARK=")]
    assert httpx.get(f"http://127.0.0.1:{port}/").text.strip() == "dev"


@pytest.mark.parametrize("value", ["pa$$word", "$HOME", "a#b c", "`id`", "'single'", '"double"', "ü€", "a=b"])
def test_a_value_reaches_a_container_byte_for_byte(sandbox: Sandbox, value: str) -> None:
    sandbox.write(play_spec(sandbox.name, more="[variables.TOKEN]\nsecret = true\n\n[variables.PLAIN]\n"))
    quoted = value.replace("\\", "\\\\").replace("'", "\\'")
    (sandbox.folder / ".env.dev").write_text(f"TOKEN='{quoted}'\nPLAIN='{quoted}'\n")
    sandbox.edit('PLAY = "serve"', f"PLAY = \"serve\"\nMARK = '''{value}'''")
    sandbox.ok("up", "dev")
    container = f"{sandbox.name}-dev-web-1"
    assert docker("exec", container, "cat", "/run/secrets/TOKEN") == value
    assert docker("exec", container, "printenv", "PLAIN") == value
    assert docker("exec", container, "printenv", "MARK") == value


def test_a_service_that_left_the_spec_is_removed_and_nothing_else(sandbox: Sandbox) -> None:
    sandbox.write(play_spec(sandbox.name, more=JOB.format(mode="done")))
    sandbox.ok("up", "dev")
    before = sandbox.identity("dev")
    sandbox.write(play_spec(sandbox.name, port=free_port()))
    result = sandbox.ok("up", "dev")
    assert f"removing {sandbox.name}-dev-job-1: the spec no longer has job" in result.err
    assert set(sandbox.containers("dev")) == {f"{sandbox.name}-dev-web-1"} < set(before)
