"""Secrets exchanged while what they open runs, and the command killed in between."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from urllib.parse import quote

import httpx
import pytest

from tests.docker.conftest import Chatbot, Sandbox, docker, eventually, make_sandbox, play_spec
from tests.docker.load import Load

pytestmark = pytest.mark.docker

STEPS = (
    "setting the new credential beside the old",
    "entering with the new one",
    "keeping the new one",
    "moving its consumers over",
    "entering from inside each consumer",
    "ending the old one",
    "making sure that the old one is refused",
)


def values(sandbox: Sandbox, target: str) -> dict[str, str]:
    """Return what the operator's file holds; the last of a name counts."""
    lines = (sandbox.folder / f".env.{target}").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def sql(sandbox: Sandbox, login: str, password: str, statement: str, database: str) -> subprocess.CompletedProcess[str]:
    """Ask PostgreSQL as somebody, over TCP, as an application does."""
    name = f"{sandbox.name}-infra-postgres-1"
    argv = ["psql", "-X", "-A", "-t", "-h", "127.0.0.1", "-U", login, "-d", database, "-c", statement]
    given = ["docker", "exec", "-e", f"PGPASSWORD={password}", name, *argv]
    return subprocess.run(given, capture_output=True, text=True, timeout=30, check=False)


def redis(sandbox: Sandbox, login: str, password: str, *command: str, target: str = "infra") -> str:
    """Ask Redis as somebody; an error reply is an answer too."""
    name = f"{sandbox.name}-{target}-redis-1"
    script = 'exec redis-cli --no-auth-warning --user "$@" 2>&1'
    return docker("exec", "-e", f"REDISCLI_AUTH={password}", name, "sh", "-c", script, "ask", login, *command)


def test_every_server_gets_a_new_credential_and_refuses_the_old_one(chatbot: Chatbot) -> None:
    sandbox = chatbot.sandbox
    text = "kept over every rotation"
    httpx.post(chatbot.url("stage", "/messages"), json={"text": text}, timeout=20).raise_for_status()
    before = values(sandbox, "stage")
    login = before.get("POSTGRES_LOGIN", "stage_app_1")
    others = sandbox.identity("dev", "prod")
    # A session that was begun with the old password outlives it unless somebody ends it.
    holder = subprocess.Popen(
        [
            *("docker", "exec", "-e", f"PGPASSWORD={before['POSTGRES_PASSWORD']}", f"{sandbox.name}-infra-postgres-1"),
            *("psql", "-h", "127.0.0.1", "-U", login, "-d", "stage_shia_chatbot", "-c", "SELECT pg_sleep(120)"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with Load(chatbot.url("prod", "/whoami")) as load:
        done = sandbox.ok("secrets", "rotate", "stage", "postgres", "redis", "minio", "qdrant", "SECRET_KEY", "--json")
    assert load.failed == {}
    assert load.good > 100
    assert "terminating connection due to administrator command" in holder.communicate(timeout=30)[1]
    after = values(sandbox, "stage")
    rotated = {one["subject"]: one for one in done.json["rotated"]}
    assert list(rotated) == ["postgres", "redis", "minio", "qdrant", "SECRET_KEY"]
    assert {name for name, one in rotated.items() if one["is_proven"]} == {"postgres", "redis", "minio", "qdrant"}
    assert rotated["redis"]["consumers"] == ["app", "worker", "flower"]
    for name in ("POSTGRES_PASSWORD", "REDIS_PASSWORD", "MINIO_PASSWORD", "QDRANT_PASSWORD", "SECRET_KEY"):
        assert after[name] != before[name]
        assert before[name] not in done.out
        assert after[name] not in done.out
    assert sandbox.identity("dev", "prod") == others
    refused = sql(sandbox, login, before["POSTGRES_PASSWORD"], "SELECT 1", "stage_shia_chatbot")
    assert refused.returncode != 0
    assert "authentication failed" in refused.stderr
    mine = sql(
        sandbox, after["POSTGRES_LOGIN"], after["POSTGRES_PASSWORD"], "SELECT current_user", "stage_shia_chatbot"
    )
    assert mine.stdout.strip() == "stage_owner"
    assert "WRONGPASS" in redis(sandbox, before.get("REDIS_LOGIN", "stage_app"), before["REDIS_PASSWORD"], "PING")

    def is_found() -> bool:
        answer = httpx.get(chatbot.url("stage", "/messages/search"), params={"q": text}, timeout=20)
        return answer.status_code == 200 and text in [one["text"] for one in answer.json()["messages"]]

    eventually(is_found, "stage finds what it had stored", 60)
    assert sandbox.ok("plan", "stage", "--json").json["steps"] == []


@pytest.fixture(scope="module")
def small() -> Iterator[Sandbox]:
    """One Redis, and one service that has its URL."""
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        one = make_sandbox(Path(folder) / "project")
        infra = '[infra.redis]\nmemory = "64M"\n'
        one.write(play_spec(one.name, extra='uses = ["redis"]', more=infra))
        try:
            one.ok("up", "dev")
            yield one
        finally:
            one.remove()


@pytest.mark.parametrize("step", STEPS)
def test_a_rotation_that_is_killed_is_gone_on_with(small: Sandbox, step: str) -> None:
    before = values(small, "dev")
    process = small.start("secrets", "rotate", "dev", "redis")
    assert process.stderr is not None
    seen = next((line for line in process.stderr if f"redis: {step}" in line), "")
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert seen, f"it never came to {step}"
    journal = small.folder / ".envmgr/dev/journal.json"
    assert journal.stat().st_mode & 0o777 == 0o600
    done = small.ok("secrets", "rotate", "dev", "--json")
    assert [(one["subject"], one["was_cut"], one["is_proven"]) for one in done.json["rotated"]] == [
        ("redis", True, True)
    ]
    assert not journal.exists()
    after = values(small, "dev")
    assert after["REDIS_LOGIN"] != before.get("REDIS_LOGIN", "dev_app")
    assert redis(small, after["REDIS_LOGIN"], after["REDIS_PASSWORD"], "PING") == "PONG"
    assert "WRONGPASS" in redis(small, before.get("REDIS_LOGIN", "dev_app"), before["REDIS_PASSWORD"], "PING")
    (container,) = small.containers("dev", "web")
    url = docker("exec", container, "cat", "/run/secrets/REDIS_URL")
    assert url == f"redis://{after['REDIS_LOGIN']}:{quote(after['REDIS_PASSWORD'])}@redis:6379/0"


def test_a_service_that_fails_with_the_new_one_gets_the_old_one_back(small: Sandbox) -> None:
    before = values(small, "dev")
    # It only starts as the login of today.
    raw = f"""[services.web.compose]
command = ["sh", "-c", "{_ONLY_AS.format(before["REDIS_LOGIN"])}"]

[services.web.variables]"""
    small.edit("[services.web.variables]", raw)
    small.edit('kind = "asgi"', 'kind = "asgi"\nstart_seconds = 5')
    small.ok("up", "dev")
    failed = small.run("secrets", "rotate", "dev", "redis")
    assert failed.code == 5, failed.err
    assert "redis of dev is entered with the old credential, as before" in failed.err
    assert values(small, "dev")["REDIS_PASSWORD"] == before["REDIS_PASSWORD"]
    assert redis(small, before["REDIS_LOGIN"], before["REDIS_PASSWORD"], "PING") == "PONG"
    assert len([one for one in acl(small) if one.startswith("dev_app")]) == 1
    assert small.ok("health", "dev").code == 0


_ONLY_AS = "grep -q {}: /run/secrets/REDIS_URL && exec uvicorn"


def acl(sandbox: Sandbox) -> list[str]:
    """Return who may enter the Redis of the base."""
    script = 'redis-cli --no-auth-warning -a "$(cat /run/secrets/REDIS_ADMIN_PASSWORD)" ACL USERS'
    return docker("exec", f"{sandbox.name}-infra-redis-1", "sh", "-c", script).split()


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("dev",), "nothing was named that dev should exchange"),
        (("dev", "redes"), 'did you mean "redis"'),
        (("infra", "redis"), "only an environment's secrets are exchanged"),
    ],
)
def test_what_cannot_be_exchanged_is_refused(small: Sandbox, names: tuple[str, ...], said: str) -> None:
    refused = small.run("secrets", "rotate", *names)
    assert refused.code == 2
    assert said in refused.err
