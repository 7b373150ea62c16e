"""What the project's own programs run as: web service, worker, Flower, job."""

from __future__ import annotations

import ast
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from envmgr.catalog.kind import Application
from envmgr.catalog.registry import SERVICES
from envmgr.model.secret import SecretRef
from envmgr.model.stack import (
    Command,
    CommandProbe,
    ConfigMount,
    Healthcheck,
    HttpProbe,
    Image,
    Needed,
    Origin,
    Resources,
    SecretMount,
)
from tests.making import MEGABYTE

IMAGE = Image("registry.example/app:1.0")


def draft(kind: str, *, port: int | None = None, workers: int = 4, log_level: str = "INFO", **options: Any):
    application = Application(
        project="play",
        environment="prod",
        prefix="prod_",
        name="one",
        options=SERVICES[kind].Options(**options),
        resources=Resources(1.0, 512 * MEGABYTE, 64),
        image=IMAGE,
        workers=workers,
        debug=False,
        log_level=log_level,
        port=port,
    )
    return SERVICES[kind].draft(application)


# ---- the web service


def test_a_web_service_is_served_by_uvicorn():
    made = draft("asgi", app="chat.main:app", port=8000, log_level="WARNING")
    assert made.command == (
        *("uvicorn", "chat.main:app", "--host", "0.0.0.0", "--port", "8000", "--workers", "4"),
        *("--log-level", "warning", "--no-server-header", "--timeout-graceful-shutdown", "20"),
    )
    assert (made.image, made.user, made.target_port) == (IMAGE, "10001:10001", 8000)
    assert made.variables == {"WEB_CONCURRENCY": "4"}
    assert made.probe == HttpProbe(8000, "/health")


def test_a_web_service_that_publishes_nothing_cannot_be_asked_from_outside():
    assert draft("asgi", app="a:b").probe is None


@pytest.mark.parametrize("path", ["/health", "/a'b", '/a"b', "/a\\b", "/?q={x}&y=%20", "/$HOME"])
def test_its_healthcheck_is_a_python_program_that_asks_for_the_path(path: str):
    test = draft("asgi", app="a:b", health_path=path).healthcheck.test
    assert test[:3] == ("CMD", "python", "-c")
    calls = [node for node in ast.walk(ast.parse(test[3])) if isinstance(node, ast.Call)]
    asked = [[ast.literal_eval(value) for value in c.args] for c in calls if ast.unparse(c.func).endswith("request")]
    assert asked == [["GET", path]]
    assert "HTTPConnection('127.0.0.1', 8000, timeout=4)" in test[3]


@pytest.mark.spawns
@pytest.mark.parametrize(("status", "code"), [(200, 0), (204, 0), (302, 0), (400, 1), (404, 1), (503, 1)])
def test_its_healthcheck_passes_below_400(status: int, code: int):
    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"no \xff database")

        def log_message(self, *_arguments: object) -> None:
            return None

    server = HTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.handle_request, daemon=True).start()
    program = draft("asgi", app="a:b").healthcheck.test[3].replace(" 8000,", f" {server.server_port},")
    done = subprocess.run([sys.executable, "-S", "-c", program], capture_output=True, text=True, timeout=20)
    server.server_close()
    assert (done.returncode, done.stderr) == (code, "")
    assert done.stdout.startswith(f"{status} ")


# ---- the worker


PING = "exec celery -A chat.tasks inspect ping -d celery@$HOSTNAME --timeout 5"


def test_a_worker_answers_a_ping_that_is_for_it_alone():
    made = draft("celery-worker", app="chat.tasks")
    assert made.command == (*("celery", "-A", "chat.tasks", "worker", "--loglevel", "INFO", "--concurrency", "4"),)
    assert made.healthcheck == Healthcheck(("CMD-SHELL", PING), interval=60, timeout=20, start_interval=2)
    assert made.probe == CommandProbe(Command("prod", "one", ("/bin/sh", "-c", PING), timeout=20))
    assert made.target_port is None


@pytest.mark.parametrize(
    ("options", "end"),
    [
        ({"concurrency": 9}, ("--concurrency", "9")),
        ({"queues": ("default",)}, ("--concurrency", "4", "--queues", "default")),
        ({"queues": ("high", "low.1"), "concurrency": 1}, ("--concurrency", "1", "--queues", "high,low.1")),
    ],
)
def test_a_workers_queues_and_processes(options: dict[str, Any], end: tuple[str, ...]):
    assert draft("celery-worker", app="chat.tasks", **options).command[6:] == end


# ---- Flower


def test_flower_asks_for_a_password_that_stands_in_a_file():
    made = draft("flower", app="chat.tasks", port=5557, login="ops", max_tasks=500)
    password = SecretRef("FLOWER_PASSWORD", "prod")
    assert made.command == ("celery", "-A", "chat.tasks", "flower", "--conf=/etc/flower/flowerconfig.py")
    assert made.secrets == (SecretMount("FLOWER_BASIC_AUTH", ("ops:", password)),)
    assert made.needed == (Needed("FLOWER_PASSWORD", "prod", True, Origin.GENERATED, place="services.one"),)
    assert made.configs == (
        ConfigMount(
            "config/prod/one/flowerconfig.py",
            "/etc/flower/flowerconfig.py",
            "flower/flowerconfig.py.j2",
            {"port": 5555, "max_tasks": 500},
        ),
    )
    assert (made.target_port, made.probe) == (5555, HttpProbe(5557, "/healthcheck"))
    assert draft("flower", app="chat.tasks").probe is None


# ---- the job


def test_a_job_runs_its_command_without_a_shell():
    made = draft("job", command=("alembic", "upgrade", "head; rm -rf /"))
    assert made.command == ("alembic", "upgrade", "head; rm -rf /")
    assert (made.healthcheck, made.probe, made.target_port) == (None, None, None)
    assert SERVICES["job"].defaults.is_job


def test_only_a_job_is_one():
    assert [name for name, kind in SERVICES.items() if kind.defaults.is_job] == ["job"]
