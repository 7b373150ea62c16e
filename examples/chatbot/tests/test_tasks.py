"""Celery: its configuration, what a record of a task becomes, and what is imported."""

from __future__ import annotations

import subprocess
import sys
from uuid import UUID

import pytest
from kombu.exceptions import OperationalError

from chatbot import jobs, tasks
from chatbot.jobs import Job, Jobs, QueueUnavailable, job_from_meta

JOB = UUID("11111111-1111-4111-8111-111111111111")


def test_broker_and_results_carry_the_prefix() -> None:
    conf = tasks.configuration(tasks.settings)
    assert conf["broker_transport_options"]["global_keyprefix"] == "dev_"
    assert conf["result_backend_transport_options"]["global_keyprefix"] == "dev_"


def test_a_lost_task_returns_only_after_its_time_limit() -> None:
    conf = tasks.configuration(tasks.settings)
    assert conf["broker_transport_options"]["visibility_timeout"] > conf["task_time_limit"]


def test_flower_cannot_use_up_its_own_connections() -> None:
    # asyncio's default executor has at most 32 threads; an inspection holds one connection and waits for a second.
    assert tasks.configuration(tasks.settings)["broker_pool_limit"] > 2 * 32


def test_only_json_is_accepted() -> None:
    conf = tasks.app.conf
    assert (conf.accept_content, conf.task_serializer, conf.result_serializer) == (["json"], "json", "json")


def test_reverse() -> None:
    assert tasks.reverse("hello") == "olleh"


@pytest.mark.parametrize(
    ("meta", "job"),
    [
        ({"status": "QUEUED", "result": None}, Job(JOB, "QUEUED", None, None)),
        ({"status": "STARTED", "result": {"pid": 7, "hostname": "celery@x"}}, Job(JOB, "STARTED", None, None)),
        ({"status": "SUCCESS", "result": "x"}, Job(JOB, "SUCCESS", "x", None)),
        ({"status": "FAILURE", "result": ValueError("hunter2")}, Job(JOB, "FAILURE", None, "ValueError")),
    ],
)
def test_a_record_becomes_a_job(meta: dict[str, object], job: Job) -> None:
    assert job_from_meta(JOB, meta) == job


class DownBackend:
    def store_result(self, *_: object) -> None:
        raise OperationalError("refused")

    def get_task_meta(self, *_: object) -> None:
        raise OperationalError("refused")


class EmptyBackend:
    def get_task_meta(self, _: str) -> dict[str, object]:
        return {"status": "PENDING", "result": None}


class FakeApp:
    def __init__(self, backend: object) -> None:
        self.backend = backend
        self.conf = tasks.app.conf


def test_a_queue_that_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs.tasks, "app", FakeApp(DownBackend()))
    with pytest.raises(QueueUnavailable):
        Jobs().send_reverse("x", 0.0)
    with pytest.raises(QueueUnavailable):
        Jobs().find(JOB)


def test_an_unknown_id_is_no_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs.tasks, "app", FakeApp(EmptyBackend()))
    assert Jobs().find(JOB) is None


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("chatbot.tasks", {"fastapi", "pydantic", "sqlalchemy", "asyncpg", "uvicorn"}),
        ("chatbot.ping_worker", {"fastapi", "flower", "prompt_toolkit", "asyncpg"}),
        ("chatbot.probe", {"http", "urllib", "email", "asyncio", "ssl", "logging"}),
        ("chatbot.api", {"sqlalchemy", "alembic", "flower"}),
    ],
)
def test_what_starts_often_imports_little(module: str, heavy: set[str]) -> None:
    shown = subprocess.run(
        [sys.executable, "-c", f"import sys, {module}; print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    assert heavy.isdisjoint(shown.stdout.split())
