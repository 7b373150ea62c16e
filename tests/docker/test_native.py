"""The developer's day on the reference system: services move to the desk and back, and nobody else notices."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.docker.conftest import ROOT, Chatbot, docker, eventually
from tests.docker.load import Load
from tests.docker.test_together import reversed_by_worker

pytestmark = pytest.mark.docker

OTHERS = ("infra", "stage", "prod")
SECONDS = 90


@pytest.fixture(scope="module")
def desk(chatbot: Chatbot) -> Iterator[Chatbot]:
    """The reference system, with the sample application's packages beside its source; dev is put back afterwards."""
    subprocess.run([ROOT / "scripts/example.sh", sys.executable], cwd=ROOT, check=True, timeout=600)
    place = chatbot.sandbox.folder / "examples" / "chatbot" / ".venv"
    place.symlink_to(ROOT / "examples" / "chatbot" / ".venv")
    yield chatbot
    place.unlink()
    chatbot.sandbox.ok("container", "dev")


@contextmanager
def run(desk: Chatbot, service: str, *command: str) -> Iterator[subprocess.Popen]:
    """Have `envmgr run dev SERVICE` running, and end it as Ctrl-C would."""
    process = desk.sandbox.start("run", "dev", service, *command)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=SECONDS)
        print(out[-3000:], err[-3000:])
    assert process.returncode == 130, err


def answers(url: str, **headers: str) -> bool:
    try:
        return httpx.get(url, headers=headers, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def is_native(desk: Chatbot) -> bool:
    """Tell whether the app answers from the desk: no image gives it a release there."""
    return '"unreleased"' in httpx_text(desk.url("dev", "/whoami")) and answers(desk.url("dev", "/health"))


def source(desk: Chatbot, name: str) -> Path:
    return desk.sandbox.folder / "examples" / "chatbot" / "chatbot" / name


def from_a_container(desk: Chatbot, url: str) -> str:
    """Ask from another container of dev."""
    code = f"import urllib.request as u; print(u.urlopen({url!r}, timeout=10).read().decode())"
    return docker("exec", f"{desk.sandbox.name}-dev-flower-1", "python", "-c", code)


def inspects(desk: Chatbot) -> list[str]:
    """Return the workers that answer Flower's own question."""
    script = "celery -A chatbot.tasks inspect ping --json --timeout 3 || true"
    told = docker("exec", f"{desk.sandbox.name}-dev-flower-1", "sh", "-c", script)
    return re.findall(r'"(celery@[^"]+)"', told)


def test_the_app_goes_to_the_desk_and_back_and_nobody_else_notices(desk: Chatbot) -> None:
    before = desk.sandbox.identity(*OTHERS)
    worker = desk.sandbox.identity("dev")[f"{desk.sandbox.name}-dev-worker-1"]
    release = httpx.get(desk.url("dev", "/whoami")).json()["release"]
    with Load(desk.url("stage", "/whoami")) as stage, Load(desk.url("prod", "/whoami")) as prod:
        with run(desk, "app"):
            eventually(lambda: is_native(desk), "the native app answers", SECONDS)
            told = httpx.get(desk.url("dev", "/whoami")).json()
            assert told == {"environment": "dev", "prefix": "dev_", "release": "unreleased"}
            # Others find it under its old name and port: a container of dev, and the door by host name.
            assert json.loads(from_a_container(desk, "http://app:8000/whoami")) == told
            assert httpx.get(desk.at(8100, "/whoami"), headers={"Host": "dev.localhost"}).json() == told
            # It works with dev's own database and queue.
            assert reversed_by_worker(desk.url("dev"), "desk") == "ksed"
            assert desk.sandbox.ok("why", "dev").out == "dev is healthy\n"
            refused = desk.sandbox.run("container", "dev", "app")
            assert (refused.code, "app of dev runs on the desk, as process" in refused.err) == (8, True)
        gone = desk.sandbox.run("why", "dev")
        assert (gone.code, "app of dev is on the desk, and nothing runs it" in gone.out) == (5, True)
        desk.sandbox.ok("container", "dev", "app")
        assert httpx.get(desk.url("dev", "/whoami")).json()["release"] == release
    assert (stage.failed, prod.failed) == ({}, {})
    assert min(stage.good, prod.good) > 50
    assert desk.sandbox.identity(*OTHERS) == before
    assert desk.sandbox.identity("dev")[f"{desk.sandbox.name}-dev-worker-1"] == worker


def test_a_changed_file_is_served(desk: Chatbot) -> None:
    file = source(desk, "api.py")
    text = file.read_text()
    try:
        with run(desk, "app"):
            eventually(lambda: is_native(desk), "the native app answers", SECONDS)
            file.write_text(text.replace('"prefix": ', '"changed": "yes", "prefix": '))
            eventually(lambda: "changed" in httpx_text(desk.url("dev", "/whoami")), "the change is served", SECONDS)
            # Through the bridge too, once the process is a new one.
            assert "changed" in from_a_container(desk, "http://app:8000/whoami")
    finally:
        file.write_text(text)


def httpx_text(url: str) -> str:
    try:
        return httpx.get(url, trust_env=False).text
    except httpx.HTTPError:
        return ""


def log_of(desk: Chatbot, service: str) -> str:
    path = desk.sandbox.folder / f".envmgr/dev/native/{service}.log"
    return path.read_text() if path.exists() else ""


def test_the_worker_on_the_desk_works_for_the_app_in_its_container_and_flower_sees_it(desk: Chatbot) -> None:
    desk.sandbox.ok("container", "dev")
    with run(desk, "worker"):
        eventually(lambda: "ready." in log_of(desk, "worker"), "the native worker is ready", SECONDS)
        assert not desk.sandbox.containers("dev", "worker")
        assert reversed_by_worker(desk.url("dev"), "native") == "evitan"
        assert inspects(desk) == [f"celery@{os.uname().nodename}"]
    desk.sandbox.ok("container", "dev", "worker")
    assert reversed_by_worker(desk.url("dev"), "docker") == "rekcod"


def test_the_base_alone_in_docker_and_dev_prepared(desk: Chatbot) -> None:
    result = desk.sandbox.ok("native", "dev", "--json").json
    assert (result["native"], result["container"]) == (["migrate", "app", "worker", "flower"], [])
    kinds = {one["Config"]["Labels"]["envmgr.kind"] for one in desk.sandbox.containers("dev").values()}
    assert kinds == {"native"}
    assert desk.sandbox.ok("plan", "dev").code == 0
    given = json.loads(desk.sandbox.ok("env", "dev", "app", "--native", "--format", "json").out)
    assert given["S3_ENDPOINT_URL"] == f"http://127.0.0.1:{desk.ports[9000]}"
    url = Path(given["DATABASE_URL_FILE"])
    assert f"@127.0.0.1:{desk.ports[5433]}/dev_shia_chatbot" in url.read_text()
    # Jobs on the desk come first: the database is dropped to nothing, and the app finds its tables.
    with run(desk, "app"):
        eventually(lambda: is_native(desk), "the native app answers", SECONDS)
        assert "alembic" in log_of(desk, "migrate")
    desk.sandbox.ok("container", "dev")
    assert len(desk.sandbox.containers("dev")) == 4


def test_another_command_has_the_same_variables(desk: Chatbot) -> None:
    done = desk.sandbox.run("run", "dev", "worker", "--", "sh", "-c", 'echo "$ENVIRONMENT $REDIS_KEY_PREFIX"; exit 4')
    assert (done.code, done.out) == (4, "dev dev_\n")
    missing = desk.sandbox.run("run", "dev", "worker", "--", "no-such-program")
    assert (missing.code, "no-such-program of worker is not installed" in missing.err) == (2, True)
    desk.sandbox.ok("container", "dev", "worker")


def test_what_outlives_a_killed_run_is_found_again(desk: Chatbot) -> None:
    process = desk.sandbox.start("run", "dev", "app")
    eventually(lambda: is_native(desk), "the native app answers", SECONDS)
    process.kill()
    process.communicate(timeout=SECONDS)
    refused = desk.sandbox.run("container", "dev", "app")
    assert refused.code == 8
    pid = int(re.search(r"kill (\d+)", refused.err)[1])
    again = desk.sandbox.run("run", "dev", "app")
    assert (again.code, f"as process {pid}" in again.err) == (8, True)
    os.kill(pid, signal.SIGTERM)
    eventually(lambda: not Path(f"/proc/{pid}").exists(), "the process has ended", SECONDS)
    desk.sandbox.ok("container", "dev", "app")


def test_containers_reload_their_source(desk: Chatbot) -> None:
    file = source(desk, "api.py")
    text = file.read_text()
    desk.sandbox.edit("[environments.dev]\n", "[environments.dev]\nreload = true\n")
    try:
        desk.sandbox.ok("up", "dev")
        app = desk.sandbox.identity("dev")
        file.write_text(text.replace('"prefix": ', '"changed": "yes", "prefix": '))
        eventually(lambda: "changed" in httpx_text(desk.url("dev", "/whoami")), "the change is served", SECONDS)
        logs = ("logs", "dev", "worker", "--tail", "200")
        eventually(lambda: "api.py changed" in desk.sandbox.ok(*logs).out, "the worker restarts", SECONDS)
        eventually(lambda: reversed_by_worker(desk.url("dev"), "anew") == "wena", "the worker works", SECONDS)
        # Inside the same containers, whose root cannot be written.
        assert desk.sandbox.identity("dev") == app
    finally:
        file.write_text(text)
        desk.sandbox.edit("reload = true\n", "")
        desk.sandbox.ok("up", "dev")
    assert "changed" not in httpx_text(desk.url("dev", "/whoami"))
