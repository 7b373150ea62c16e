"""Background work across a release: each task done once, beat alone, by real Celery on a real Redis."""

from __future__ import annotations

import re
import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx
import pytest

from tests.docker.conftest import ROOT, Sandbox, docker, eventually, free_port, make_sandbox

pytestmark = [pytest.mark.docker, pytest.mark.full]
TASKS = 500
SPEC = """\
[project]
name = "{name}"

[networks]
range = "10.96.0.0/12"

[infra.postgres]
url_scheme = "postgresql+asyncpg"
[infra.redis]
[infra.qdrant]
collections = {{ messages = {{ size = 64, distance = "Cosine" }} }}
[infra.minio]
buckets = ["uploads"]

[builds.chatbot]
context = "examples/chatbot"

[variables.SECRET_KEY]
secret = true
generate = true
services = ["app", "worker"]

[services.migrate]
kind = "job"
build = "chatbot"
command = ["alembic", "upgrade", "head"]
uses = ["postgres"]

[services.app]
kind = "asgi"
build = "chatbot"
app = "chatbot.main:app"
metrics_path = "/metrics"
uses = ["postgres", "redis", "qdrant", "minio"]
after = ["migrate"]
start_seconds = 120

[services.worker]
kind = "celery-worker"
build = "chatbot"
app = "chatbot.tasks"
uses = ["postgres", "redis", "qdrant", "minio"]
after = ["migrate"]

[services.beat]
kind = "celery-beat"
build = "chatbot"
app = "chatbot.tasks"
uses = ["redis"]

[environments.prod]
workers = 2
ports = {{ app = {port} }}

[environments.prod.variables]
MARK = "m1"

[environments.prod.deploy]
strategy = "blue-green"
watch_seconds = 1
smoke = [{{ service = "app", path = "/health" }}]
"""


@dataclass
class Shop:
    """A chat application that is deployed blue-green."""

    sandbox: Sandbox
    url: str
    jobs: dict[str, str] = field(default_factory=dict)
    """Task → the text that it has to reverse."""

    def queue(self, count: int) -> None:
        """Ask for tasks, one after the other; an answer that is no promise fails."""
        with httpx.Client(base_url=self.url, timeout=20) as client:
            for _ in range(count):
                text = f"task {len(self.jobs)}"
                answer = client.post("/tasks/reverse", json={"text": text, "seconds": 0.05}).raise_for_status()
                self.jobs[answer.json()["id"]] = text
                time.sleep(0.03)

    def results(self) -> dict[str, str]:
        """Return what became of each task."""
        with httpx.Client(base_url=self.url, timeout=20) as client:
            found = {job: client.get(f"/tasks/{job}").raise_for_status().json() for job in self.jobs}
        return {job: one["result"] if one["state"] == "SUCCESS" else one["state"] for job, one in found.items()}

    def runs(self) -> Counter[str]:
        """Return how many runs of tasks have ended, by task and state."""
        text = httpx.get(f"{self.url}/metrics").raise_for_status().text
        found = re.findall(r"^celery_tasks_total\{([^}]*)\} ([0-9.]+)$", text, re.M)
        return Counter({labels: int(float(value)) for labels, value in found})

    def beats(self) -> int:
        """Return how many schedulers run."""
        label = f"label=envmgr.project={self.sandbox.name}"
        return len(docker("ps", "-q", "--filter", label, "--filter", "label=envmgr.service=beat").split())


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The first release serves."""
    sandbox = make_sandbox(tmp_path_factory.mktemp("tasks") / "project")
    shutil.copytree(
        ROOT / "examples/chatbot",
        sandbox.folder / "examples/chatbot",
        ignore=shutil.ignore_patterns("__pycache__", ".pytest_cache", ".venv"),
    )
    port = free_port()
    sandbox.write(SPEC.format(name=sandbox.name, port=port))
    try:
        sandbox.ok("deploy", "prod", timeout=1200)
        yield Shop(sandbox, f"http://127.0.0.1:{port}")
    finally:
        sandbox.remove()


def test_every_task_is_done_once_across_a_deploy_and_a_rollback(shop: Shop) -> None:
    before = sum(count for labels, count in shop.runs().items() if "reverse" in labels)
    queueing = threading.Thread(target=shop.queue, args=(TASKS,))
    beats = []
    watching = threading.Event()

    def watch() -> None:
        while not watching.wait(0.2):
            beats.append(shop.beats())

    watcher = threading.Thread(target=watch)
    queueing.start()
    watcher.start()
    try:
        shop.sandbox.edit('MARK = "m1"', 'MARK = "m2"')
        shop.sandbox.ok("deploy", "prod", timeout=300)
        shop.sandbox.ok("rollback", "prod", timeout=300)
    finally:
        queueing.join(300)
        watching.set()
        watcher.join(30)
    assert len(shop.jobs) == TASKS
    expected = {job: text[::-1] for job, text in shop.jobs.items()}
    eventually(lambda: shop.results() == expected, "the result of every task", 120)
    ended = sum(count for labels, count in shop.runs().items() if "reverse" in labels)
    assert ended - before == TASKS
    assert beats
    assert max(beats) == 1
