"""The Make targets and plain Docker Compose, on the same stacks."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.docker.conftest import ROOT, Chatbot, docker, eventually

pytestmark = pytest.mark.docker


def make(chatbot: Chatbot, *args: str, timeout: float = 300) -> subprocess.CompletedProcess:
    folder = chatbot.sandbox.folder
    shutil.copy2(ROOT / "Makefile", folder)
    shutil.copytree(ROOT / "scripts", folder / "scripts", dirs_exist_ok=True)
    venv = Path(sys.executable).parents[1]
    command = ["make", "--no-print-directory", f"VENV={venv}", *args]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=timeout, check=False)


def test_make_alone_prints_help(chatbot: Chatbot) -> None:
    done = make(chatbot)
    assert done.returncode == 0
    for target in ("docker-dev", "docker-stage", "docker-prod", "docker-up", "docker-down", "docker-health", "test"):
        assert f"  {target} " in done.stdout


@pytest.mark.parametrize("environment", ["dev", "stage", "prod"])
def test_an_environment_comes_up_and_its_urls_are_printed(chatbot: Chatbot, environment: str) -> None:
    done = make(chatbot, f"docker-{environment}")
    assert done.returncode == 0, done.stderr
    assert chatbot.url(environment).replace("127.0.0.1", "localhost") in done.stdout


def test_infrastructure_health_and_status(chatbot: Chatbot) -> None:
    assert make(chatbot, "docker-up").returncode == 0
    health = make(chatbot, "docker-health")
    assert health.returncode == 0, health.stdout
    assert "PostgreSQL database prod_shia_chatbot" in health.stdout
    assert make(chatbot, "docker-status").stdout.count("3/3 up") == 3


def test_the_application_on_the_desk(chatbot: Chatbot) -> None:
    subprocess.run([ROOT / "scripts/example.sh", sys.executable], cwd=ROOT, check=True, timeout=600)
    folder = chatbot.sandbox.folder
    packages = folder / "examples" / "chatbot" / ".venv"
    packages.symlink_to(ROOT / "examples" / "chatbot" / ".venv")
    try:
        local = make(chatbot, "docker-local")
        assert local.returncode == 0, local.stderr
        assert "dev: migrate, app, worker, flower on the desk" in local.stdout
        command = ["make", "--no-print-directory", f"VENV={Path(sys.executable).parents[1]}", "dev"]
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True, start_new_session=True)
        eventually(lambda: _answers(chatbot.url("dev", "/health")), "the application answers", 90)
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=30)
        assert process.returncode not in (0, None)
    finally:
        packages.unlink()
        assert make(chatbot, "docker-dev").returncode == 0


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def test_docker_down_takes_dev_only(chatbot: Chatbot) -> None:
    before = chatbot.sandbox.identity("infra", "stage", "prod")
    assert make(chatbot, "docker-down").returncode == 0
    assert chatbot.sandbox.containers("dev") == {}
    assert chatbot.sandbox.identity("infra", "stage", "prod") == before
    assert make(chatbot, "docker-dev").returncode == 0


def test_logs_follow_until_interrupted(chatbot: Chatbot) -> None:
    folder = chatbot.sandbox.folder
    make(chatbot)
    venv = Path(sys.executable).parents[1]
    command = ["make", "--no-print-directory", f"VENV={venv}", "docker-logs", "SERVICE=app"]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout
    assert process.stdout.readline()
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode is not None


def test_plain_compose_finds_nothing_to_do(chatbot: Chatbot) -> None:
    sandbox = chatbot.sandbox
    before = sandbox.identity("infra", "dev")
    compose = sandbox.folder / "compose"
    for target, files in (
        ("infra", ["docker-compose.base.yml", "docker-compose.base.recipes.yml"]),
        ("dev", ["docker-compose.app.dev.yml"]),
    ):
        flags = [part for file in files for part in ("-f", str(compose / file))]
        docker("compose", "-p", f"{sandbox.name}-{target}", *flags, "up", "-d", timeout=120)
    after = sandbox.identity("infra", "dev")
    job = f"{sandbox.name}-dev-migrate-1"  # Compose runs a finished job again; it is the same container
    assert {name: it for name, it in after.items() if name != job} == {
        name: it for name, it in before.items() if name != job
    }
    assert after[job][0] == before[job][0]


def test_the_base_finds_its_way_back_after_plain_compose_recreated_it(chatbot: Chatbot) -> None:
    sandbox = chatbot.sandbox
    compose = sandbox.folder / "compose"
    flags = ["-f", str(compose / "docker-compose.base.yml"), "-f", str(compose / "docker-compose.base.recipes.yml")]
    docker("compose", "-p", f"{sandbox.name}-infra", *flags, "up", "-d", "--force-recreate", "redis", timeout=120)
    sandbox.ok("up", "dev")
    networks = sandbox.containers("infra", "redis")[f"{sandbox.name}-infra-redis-1"]["NetworkSettings"]["Networks"]
    assert {f"{sandbox.name}-{e}-data" for e in ("infra", "dev", "stage", "prod")} <= set(networks)
