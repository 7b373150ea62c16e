"""What the project's own programs run as: web services, frontend, worker, beat, Flower, job, any container."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from envmgr.catalog import http
from envmgr.catalog.kind import Application, Binding, Client, Metrics, Server
from envmgr.catalog.registry import INFRA, SERVICES
from envmgr.model.needed import Needed, Origin
from envmgr.model.secret import SecretRef
from envmgr.model.stack import (
    Command,
    CommandProbe,
    ConfigMount,
    Healthcheck,
    HttpProbe,
    Image,
    Resources,
    SecretMount,
    Tmpfs,
)
from tests.making import MEGABYTE

IMAGE = Image("registry.example/app:1.0")
ASK = {"wget": http.wget, "curl": http.curl, "python": http.python, "node": http.node}


def draft(kind: str, *, port: int | None = None, log_level: str = "INFO", debug: bool = False, **options: Any):
    application = Application(
        project="play",
        environment="prod",
        prefix="prod_",
        name="one",
        options=SERVICES[kind].Options(**options),
        resources=Resources(1.0, 512 * MEGABYTE, 64),
        image=IMAGE,
        workers=4,
        debug=debug,
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


def test_a_web_service_listens_and_is_scraped_where_the_spec_says():
    made = draft("asgi", app="a:b", container_port=9000, metrics_path="/metrics", health_path="/up", port=80)
    assert made.command[4:6] == ("--port", "9000")
    assert (made.target_port, made.metrics, made.probe) == (9000, Metrics(9000, "/metrics"), HttpProbe(80, "/up"))
    assert "9000" in made.healthcheck.test[3]
    assert draft("asgi", app="a:b").metrics is None


def test_a_wsgi_application_is_served_by_gunicorn():
    made = draft("wsgi", app="chat.wsgi:make()", port=8001, log_level="ERROR")
    assert made.command == (
        *("gunicorn", "chat.wsgi:make()", "--bind", "0.0.0.0:8000", "--workers", "4", "--threads", "1"),
        *("--worker-class", "sync", "--timeout", "30", "--graceful-timeout", "20", "--worker-tmp-dir", "/dev/shm"),
        *("--log-level", "error", "--access-logfile", "-"),
    )
    assert (made.image, made.user, made.target_port) == (IMAGE, "10001:10001", 8000)
    assert made.variables == {"WEB_CONCURRENCY": "4", "XDG_RUNTIME_DIR": "/tmp"}
    assert (made.probe, made.metrics) == (HttpProbe(8001, "/health"), None)
    assert made.healthcheck == http.python(8000, "/health")


def test_gunicorns_workers():
    options = {"threads": 8, "worker_class": "gthread", "timeout": 300, "max_requests": 5000, "container_port": 5002}
    command = draft("wsgi", app="a:b", metrics_path="/m", **options).command
    assert command[3] == "0.0.0.0:5002"
    assert command[6:14] == (
        *("--threads", "8", "--worker-class", "gthread", "--timeout", "300", "--max-requests", "5000"),
    )


@pytest.mark.parametrize(("debug", "mode"), [(True, "development"), (False, "production")])
def test_a_node_program_knows_where_it_runs(debug: bool, mode: str):
    made = draft("node", debug=debug, port=3001)
    assert (made.command, made.user, made.target_port) == (("node", "server.js"), "1000:1000", 3000)
    assert made.variables == {"NODE_ENV": mode, "NODE_OPTIONS": "--max-old-space-size=384", "PORT": "3000"}
    assert made.healthcheck == http.node(3000, "/health")
    assert made.probe == HttpProbe(3001, "/health")


def test_another_node_program():
    command = ("node", "dist/server.js", "--flag; rm")
    made = draft("node", command=command, container_port=5001, metrics_path="/metrics", health_path="/")
    assert (made.command, made.variables["PORT"], made.metrics) == (command, "5001", Metrics(5001, "/metrics"))
    assert made.healthcheck == http.node(5001, "/")


def test_a_frontend_is_files_that_nginx_serves():
    made = draft("static", port=8080, spa=True, immutable=("js", "css"))
    assert (made.command, made.user, made.target_port) == (("nginx", "-g", "daemon off;"), "101:101", 8080)
    assert made.healthcheck == http.curl_or_wget(8080, "/")
    assert (made.probe, made.stop_signal) == (HttpProbe(8080, "/"), "SIGQUIT")
    (config,) = made.configs
    assert (config.path, config.target) == ("config/prod/one/nginx.conf", "/etc/nginx/nginx.conf")
    assert config.context == {
        "port": 8080,
        "workers": 1,
        "root": "/usr/share/nginx/html",
        "spa": True,
        "immutable": ["js", "css"],
    }
    assert draft("static").probe is None


# ---- a container that no kind covers


def test_a_container_is_what_the_spec_says():
    made = draft(
        "container",
        command=("serve", "--all"),
        container_port=9000,
        container_ports={"admin": 9001},
        tmpfs={"/run/thing": "32M", "/tmp": "64M"},
        health_path="/up",
        metrics_path="/metrics",
        user="5:5",
        port=9100,
    )
    assert (made.image, made.user, made.command) == (IMAGE, "5:5", ("serve", "--all"))
    assert (made.target_port, made.more_ports) == (9000, {"admin": 9001})
    assert made.tmpfs == (Tmpfs("/tmp", 64), Tmpfs("/run/thing", 32))
    assert (made.healthcheck, made.probe) == (http.wget(9000, "/up"), HttpProbe(9100, "/up"))
    assert made.metrics == Metrics(9000, "/metrics")


def test_a_container_is_asked_with_what_its_image_has():
    asks = {program: draft("container", container_port=80, health_path="/", health_program=program) for program in ASK}
    assert {program: made.healthcheck for program, made in asks.items()} == {p: ask(80, "/") for p, ask in ASK.items()}
    inside = asks["curl"].probe
    assert inside == CommandProbe(Command("prod", "one", http.curl(80, "/").test[1:]))


def test_a_containers_own_check_needs_no_shell():
    made = draft("container", healthcheck=("ready", "a; b"))
    assert made.healthcheck == Healthcheck(("CMD", "ready", "a; b"))
    assert made.probe == CommandProbe(Command("prod", "one", ("ready", "a; b")))
    assert (made.target_port, made.metrics, made.tmpfs) == (None, None, (Tmpfs("/tmp"),))


def test_a_container_without_any_check():
    made = draft("container")
    assert (made.healthcheck, made.probe, made.command) == (None, None, ())


def server(**options: Any) -> Server:
    kind = INFRA["container"]
    return Server(
        project="play",
        target="infra",
        name="mail",
        options=kind.Options(**options),
        resources=kind.defaults.resources,
        image="example/mail:1.0",
        port=None,
    )


def test_a_container_of_the_base_has_what_a_service_gets_elsewhere():
    one = server(
        container_port=8025,
        health_path="/",
        volumes={"data": "/data"},
        variables={"MODE": "x"},
        secrets=("MAIL_TOKEN",),
        egress=True,
    )
    made = INFRA["container"].draft(one)
    assert (made.image, made.volumes, made.egress) == (Image("example/mail:1.0"), {"data": "/data"}, True)
    assert made.variables == {"MODE": "x", "MAIL_TOKEN_FILE": "/run/secrets/MAIL_TOKEN"}
    assert made.secrets == (SecretMount("MAIL_TOKEN", (SecretRef("MAIL_TOKEN", "infra"),)),)
    assert made.needed == (Needed("MAIL_TOKEN", "infra", True, Origin.GENERATED, place="infra.mail"),)
    assert made.probe == CommandProbe(Command("infra", "mail", http.wget(8025, "/").test[1:]))
    assert INFRA["container"].bind(one, Client("dev", "dev_")) == Binding()


def test_a_published_container_of_the_base_is_asked_from_outside():
    one = replace(server(container_port=8025, health_path="/up"), port=1080)
    assert INFRA["container"].draft(one).probe == HttpProbe(1080, "/up")


# ---- the worker


PING = "exec celery -A chat.tasks inspect ping -d celery@$HOSTNAME --timeout 5"


def test_a_worker_answers_a_ping_that_is_for_it_alone():
    made = draft("celery-worker", app="chat.tasks")
    assert made.command == (*("celery", "-A", "chat.tasks", "worker", "--loglevel", "INFO", "--concurrency", "4"),)
    assert made.healthcheck == Healthcheck(("CMD-SHELL", PING), interval=60, timeout=30, start_interval=2)
    assert made.probe == CommandProbe(Command("prod", "one", ("/bin/sh", "-c", PING), timeout=45))
    assert made.target_port is None


@pytest.mark.parametrize(
    ("options", "end"),
    [
        ({"concurrency": 9}, ("--concurrency", "9")),
        ({"queues": ("default",)}, ("--concurrency", "4", "--queues", "default")),
        ({"queues": ("high", "low.1"), "concurrency": 1}, ("--concurrency", "1", "--queues", "high,low.1")),
        ({"pool": "threads"}, ("--concurrency", "4", "--pool", "threads")),
        ({"max_tasks_per_child": 50}, ("--concurrency", "4", "--max-tasks-per-child", "50")),
    ],
)
def test_a_workers_queues_and_processes(options: dict[str, Any], end: tuple[str, ...]):
    assert draft("celery-worker", app="chat.tasks", **options).command[6:] == end


# ---- beat


def test_beat_wakes_often_enough_to_be_seen():
    made = draft("celery-beat", app="chat.tasks", schedule_file="/data/schedule")
    assert made.command == (
        *("celery", "-A", "chat.tasks", "beat", "--loglevel", "INFO", "--pidfile="),
        *("--schedule", "/data/schedule", "--max-interval", "60"),
    )
    assert (made.healthcheck.test[:3], made.target_port) == (("CMD", "python", "-c"), None)
    assert made.probe == CommandProbe(Command("prod", "one", made.healthcheck.test[1:]))
    assert draft("celery-beat", app="a").command[8] == "/tmp/celerybeat-schedule"
    assert SERVICES["celery-beat"].defaults.is_single


@pytest.mark.spawns
@pytest.mark.parametrize(
    ("ages", "code", "said"),
    [
        ({}, 1, "no schedule was written"),
        ({"schedule": 10}, 0, "written"),
        ({"schedule": 270}, 0, "written"),
        ({"schedule": 310}, 1, "written"),
        # Python's dbm may put endings behind the name, and does not touch every one of its files.
        ({"schedule.db": 10}, 0, "written"),
        ({"schedule.dat": 400, "schedule.dir": 10}, 0, "written"),
    ],
)
def test_beat_is_healthy_while_its_schedule_is_fresh(tmp_path: Path, ages: dict[str, int], code: int, said: str):
    for name, age in ages.items():
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    test = draft("celery-beat", app="a", schedule_file=f"{tmp_path}/schedule").healthcheck.test
    done = subprocess.run([sys.executable, "-S", *test[2:]], capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stdout[: len(said)], done.stderr) == (code, said, "")


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
