"""The kinds that run a project's own programs, with real ones: each comes up as its kind says, with no privilege."""

from __future__ import annotations

import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docker.conftest import Sandbox, docker, eventually, free_port, make_sandbox

pytestmark = pytest.mark.docker

SPEC = """\
[project]
name = "{name}"

[networks]
range = "10.96.0.0/12"

[infra.redis]
memory = "64M"

[infra.echo]
kind = "container"
image = "python:3.13-slim-trixie"
command = ["python", "-m", "http.server", "8080", "--directory", "/var/lib/echo"]
container_port = 8080
container_ports = {{ again = 8080 }}
health_path = "/"
health_program = "python"
volumes = {{ data = "/var/lib/echo" }}
variables = {{ GREETING = "a $b" }}
secrets = ["ECHO_TOKEN"]
user = "10001:10001"
port = {echo}
ports = {{ again = {again} }}
memory = "64M"

[builds.programs]
context = "programs"
target = "programs"

[builds.site]
context = "programs"
target = "site"

[services.web]
kind = "wsgi"
build = "programs"
app = "web:app"
threads = 4
timeout = 60
max_requests = 1000
health_path = "/health"
uses = ["echo"]

[services.api]
kind = "node"
build = "programs"
container_port = 4000
memory = "128M"

[services.site]
kind = "static"
build = "site"
spa = true
immutable = ["js"]

[services.worker]
kind = "celery-worker"
start_seconds = 180
build = "programs"
app = "tasks"
pool = "threads"
concurrency = 2
uses = ["redis"]

[services.beat]
kind = "celery-beat"
start_seconds = 180
build = "programs"
app = "tasks"
schedule_file = "/srv/schedule/beat"
volumes = {{ schedule = "/srv/schedule" }}
uses = ["redis"]

[services.plain]
kind = "container"
build = "programs"
command = ["python", "-m", "http.server", "9000", "--directory", "/srv"]
container_port = 9000
healthcheck = ["python", "-c", "import socket; socket.create_connection(('127.0.0.1', 9000), 2).close()"]
tmpfs = {{ "/srv/scratch" = "8M" }}

[services.plain.compose]
sysctls = {{ "net.core.somaxconn" = 512 }}
labels = {{ "com.example.price" = "5 $" }}
extra_hosts = ["up:127.0.0.2"]

[environments.dev]
workers = 2
ports = {{ web = {web}, api = {api}, site = {site}, plain = {plain} }}
"""
PORTS = ("echo", "again", "web", "api", "site", "plain")


def ask(port: int, path: str) -> tuple[int, str, dict[str, str]]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode(), dict(answer.headers)
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), dict(error.headers)


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sandbox, dict[str, int]]]:
    one = make_sandbox(tmp_path_factory.mktemp("programs") / "project")
    (one.folder / "programs").symlink_to(Path(__file__).parent / "programs")
    ports: dict[str, int] = {}
    while len(set(ports.values())) < len(PORTS):
        ports = {name: free_port() for name in PORTS}
    one.write(SPEC.format(name=one.name, **ports))
    try:
        one.ok("up", "dev", timeout=600)
        yield one, ports
    finally:
        one.remove()


def running(up: tuple[Sandbox, dict[str, int]], service: str, target: str = "dev") -> str:
    (name,) = up[0].containers(target, service)
    return name


def test_all_of_it_is_healthy_and_the_next_up_changes_nothing(up: tuple[Sandbox, dict[str, int]]):
    found = up[0].ok("health", "--json").json["probes"]
    services = {"web", "api", "site", "worker", "beat", "plain", "redis", "echo"}
    assert {one["service"] for one in found if one["is_good"]} == services
    assert up[0].ok("up", "dev", "--json").json["changed"] == 0


def test_gunicorn_has_its_workers_and_threads(up: tuple[Sandbox, dict[str, int]]):
    assert ask(up[1]["web"], "/")[:2] == (200, "True True 2")
    assert not [line for line in logs(running(up, "web")).splitlines() if "[INFO]" not in line and '"GET ' not in line]


def test_node_runs_for_production_within_its_memory(up: tuple[Sandbox, dict[str, int]]):
    told = json.loads(ask(up[1]["api"], "/")[1])
    assert (told["mode"], told["options"]) == ("production", "--max-old-space-size=96")
    assert 90 <= told["megabytes"] <= 128


@pytest.mark.parametrize(
    ("path", "status", "cached"),
    [
        ("/", 200, "no-cache"),
        ("/no/such/page", 200, "no-cache"),
        ("/docs/", 200, "no-cache"),
        ("/app.js", 200, "public, max-age=31536000, immutable"),
        ("/none.js", 404, None),
        ("/-/healthy", 200, "no-cache"),
        ("/.env", 404, None),
    ],
)
def test_a_frontend_is_served(up: tuple[Sandbox, dict[str, int]], path: str, status: int, cached: str | None):
    found, _, headers = ask(up[1]["site"], path)
    assert (found, headers.get("Cache-Control")) == (status, cached)
    assert (headers["X-Content-Type-Options"], headers["Server"]) == ("nosniff", "nginx")


def test_a_path_of_the_application_in_the_browser_shows_the_application(up: tuple[Sandbox, dict[str, int]]):
    assert ask(up[1]["site"], "/no/such/page")[1] == ask(up[1]["site"], "/")[1]


def test_beat_ticks_and_a_worker_hears_it(up: tuple[Sandbox, dict[str, int]]):
    worker = running(up, "worker")
    eventually(
        lambda: "Task tasks.tick" in logs(worker) and "'tock'" in logs(worker), "a task that beat planned is done"
    )


def logs(container: str) -> str:
    """Return both streams of a container."""
    done = subprocess.run(["docker", "logs", container], capture_output=True, text=True, timeout=30, check=True)
    return done.stdout + done.stderr


def test_a_container_that_no_kind_covers(up: tuple[Sandbox, dict[str, int]]):
    assert ask(up[1]["plain"], "/")[0] == ask(up[1]["echo"], "/")[0] == ask(up[1]["again"], "/")[0] == 200
    plain = up[0].containers("dev", "plain")[running(up, "plain")]
    assert plain["HostConfig"]["Sysctls"] == {"net.core.somaxconn": "512", "net.ipv4.ip_forward": "0"}
    assert plain["Config"]["Labels"]["com.example.price"] == "5 $"
    assert plain["HostConfig"]["Tmpfs"]["/srv/scratch"].startswith("size=8m,uid=10001")
    echo = running(up, "echo", "infra")
    assert docker(
        "exec", echo, "sh", "-c", "printenv GREETING; printenv ECHO_TOKEN_FILE; wc -c < $ECHO_TOKEN_FILE"
    ).split("\n")[:2] == [
        "a $b",
        "/run/secrets/ECHO_TOKEN",
    ]
    assert (
        docker(
            "exec",
            running(up, "web"),
            "python",
            "-c",
            "import urllib.request as r; print(r.urlopen('http://echo:8080/').status)",
        )
        == "200"
    )
