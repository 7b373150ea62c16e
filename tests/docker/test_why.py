"""`envmgr why` on real failures: what it says, that it hides secrets, and that what it says to type mends them."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.docker.conftest import Chatbot, Sandbox, docker, eventually, play_spec
from tests.docker.first_causes import SPEC, Broken

pytestmark = pytest.mark.docker

DEV = """
[environments.dev]

[environments.dev.services.web.variables]
PLAY = "client"
"""


def _secret(one: Broken) -> Path:
    return one.sandbox.folder / ".envmgr" / one.environment / "secrets" / "web" / "REDIS_URL"


def _stop_redis(one: Broken) -> None:
    docker("stop", "-t", "5", one.container("redis", "infra"))


def _pause(one: Broken) -> None:
    docker("pause", one.container("web"))


def _change_password(one: Broken) -> None:
    one.sql("ALTER ROLE dev_app_1 PASSWORD 'another'")
    one.restart("web")


def _remove_secret(one: Broken) -> None:
    docker("stop", "-t", "1", one.container("web"))
    _secret(one).unlink()


def _close_secret(one: Broken) -> None:
    os.chown(_secret(one), 0, 0)
    one.restart("web")


def _disconnect(one: Broken) -> None:
    docker("network", "disconnect", f"{one.sandbox.name}-dev-data", one.container("redis", "infra"))


def _remove(one: Broken) -> None:
    docker("rm", "-f", one.container("web"))


BREAKS: tuple[tuple[Callable[[Broken], None], str, str], ...] = (
    (_stop_redis, "stopped", "envmgr up infra redis"),
    (_pause, "paused", "envmgr restart dev web"),
    (_change_password, "wrong-password", "envmgr up dev"),
    (_remove_secret, "mount-failed", "envmgr up dev"),
    (_disconnect, "not-connected", "envmgr up dev"),
    (_remove, "missing", "envmgr up dev web"),
)
if os.geteuid() == 0:
    BREAKS += ((_close_secret, "permission", "envmgr up dev web"),)


def test_what_it_says_to_type_mends_it(sandbox: Sandbox) -> None:
    sandbox.write(SPEC.format(name=sandbox.name) + DEV)
    sandbox.ok("up", "dev", timeout=600)
    assert sandbox.ok("why", "dev").out == "dev is healthy\n"
    for breaks, signature, command in BREAKS:
        breaks(Broken(sandbox, "dev"))
        told = sandbox.run("why", "dev", "--json")
        assert told.code == 5, (signature, told.out, told.err)
        cause = told.json["cause"]
        assert (cause["signature"], cause["next"]) == (signature, command)
        sandbox.ok(*command.split()[1:])
        # What crashed has to outlive its crashed lives before it counts as mended.
        eventually(lambda: sandbox.run("why", "dev").out == "dev is healthy\n", f"healthy after {signature}")


def test_a_failing_start_says_the_same_and_neither_shows_a_secret(sandbox: Sandbox) -> None:
    sandbox.write(SPEC.format(name=sandbox.name) + DEV.replace("client", "tell"))
    result = sandbox.run("up", "dev", timeout=600)
    assert result.code == 5
    asked = sandbox.run("why", "dev")
    assert asked.code == 5
    for told in (result.err, asked.out):
        assert re.search(
            r"^(?:error|cause): web of dev: .*fatal: cannot use redis://dev_app:\*{8}@redis:6379/0", told, re.M
        )
        assert "\n  log: fatal: cannot use redis://dev_app:********@redis:6379/0\n" in told
        assert "\nso:    page of dev cannot be healthy before that\n" in told
        assert "\nnext:  envmgr logs dev web\n" in told
    values = [line.split("=", 1)[1] for line in (sandbox.folder / ".env.dev").read_text().splitlines() if "=" in line]
    assert len(values) >= 2
    assert not [value for value in values if value in result.out + result.err + asked.out + asked.err]


FULL = """\
[project]
name = "{name}"

[networks]
range = "10.96.0.0/12"

[infra.small]
kind = "container"
image = "postgres:17"
user = "999:999"
command = ["postgres"]
healthcheck = ["pg_isready", "-q", "-h", "127.0.0.1"]
tmpfs = {{ "/small" = "8M", "/run/postgresql" = "8M" }}
variables = {{ PGDATA = "/small", POSTGRES_HOST_AUTH_METHOD = "trust" }}

[environments.dev]
"""


def test_a_server_that_finds_no_room(sandbox: Sandbox) -> None:
    sandbox.write(FULL.format(name=sandbox.name))
    result = sandbox.run("up", "infra", timeout=600)
    assert result.code == 5, result.err
    assert re.search(r"^error: small of infra filled .*/small \(8 MB in memory\)", result.err, re.M), result.err
    assert "No space left on device" in result.err


def test_a_program_that_cannot_be_reached_from_outside(sandbox: Sandbox) -> None:
    sandbox.write(play_spec(sandbox.name, mode="inside", extra="start_seconds = 10"))
    result = sandbox.run("up", "dev")
    assert result.code == 5
    assert "error: web of dev listens on 127.0.0.1:8000, which only its own container reaches" in result.err


def test_one_service_is_judged_by_itself(sandbox: Sandbox) -> None:
    sandbox.write(SPEC.format(name=sandbox.name) + "\n[environments.dev]\n")
    sandbox.ok("up", "dev", timeout=600)
    docker("stop", "-t", "1", f"{sandbox.name}-dev-worker-1")
    assert sandbox.ok("why", "dev", "web").out == "web of dev is healthy\n"
    told = sandbox.run("why", "dev", "worker", "--json")
    assert (told.code, told.json["cause"]["signature"]) == (5, "stopped")
    sandbox.ok("down", "dev")
    down = sandbox.run("why", "dev")
    assert (down.code, down.out) == (5, "cause: dev is down: no service of it has a container\nnext:  envmgr up dev\n")


def test_a_queue_with_messages_that_are_none(chatbot: Chatbot) -> None:
    sandbox = chatbot.sandbox
    redis = f"{sandbox.name}-infra-redis-1"
    password = re.search(r"REDIS_ADMIN_PASSWORD=['\"]?([^'\"\n]+)", (sandbox.folder / ".env.infra").read_text())
    assert password

    def cli(*words: str) -> str:
        return docker("exec", "-e", f"REDISCLI_AUTH={password[1]}", redis, "redis-cli", "--no-auth-warning", *words)

    worker = f"{sandbox.name}-dev-worker-1"
    restarts = int(docker("inspect", "-f", "{{.RestartCount}}", worker))
    # Each kills the worker once: it is gone from the queue before it is read.
    cli("RPUSH", "dev_celery", *(f"no message {number}" for number in range(50)))
    try:
        eventually(lambda: int(docker("inspect", "-f", "{{.RestartCount}}", worker)) >= restarts + 2, "it crashes", 120)
        told = sandbox.run("why", "dev", "worker", "--json")
        assert told.code == 5, told.out
        cause = told.json["cause"]
        assert (cause["service"], cause["signature"]) == ("worker", "poisoned-queue"), cause
        assert "in a queue dev_* of redis of infra" in cause["sentence"]
        shown = sandbox.ok("exec", "infra", "redis", *shlex.split(cause["next"])[4:])
        assert "dev_celery\n" in shown.out
        assert "no message" in shown.out
    finally:
        cli("DEL", "dev_celery")
    eventually(lambda: sandbox.run("why", "dev", "worker").code == 0, "the worker is well again", 180)
