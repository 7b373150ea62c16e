"""Celery: its configuration, what a record of a task becomes, and what is imported."""

from __future__ import annotations

import subprocess
import sys
import time
from uuid import UUID

import pytest
from fakes import FakeRedis
from kombu.exceptions import OperationalError
from redis.exceptions import ConnectionError as RedisConnectionError

from chatbot import indexing, jobs, tasks
from chatbot.errors import QueueUnavailable, SearchUnavailable
from chatbot.jobs import Job, Jobs, job_from_meta
from chatbot.settings import IndexSettings

JOB = UUID("11111111-1111-4111-8111-111111111111")
QDRANT = {"QDRANT_URL": "http://qdrant:6333", "QDRANT_PREFIX": "dev_"}


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


def test_a_worker_without_queues_serves_all_of_them() -> None:
    served = tasks.app.amqp.queues.consume_from.values()
    # Queues that share an exchange and a key would each get every message.
    bound = {(queue.name, queue.exchange.name, queue.routing_key) for queue in served}
    assert bound == {(name, name, name) for name in ("default", "embeddings", "celery")}
    routed = {
        name: tasks.app.amqp.router.route({}, name)["queue"].name for name in ("chatbot.reverse", "chatbot.embed")
    }
    assert routed == {"chatbot.reverse": "default", "chatbot.embed": "embeddings"}


def test_beat_sends_tasks_that_exist_and_that_do_not_pile_up() -> None:
    entries = tasks.app.conf.beat_schedule.values()
    assert {entry["task"] for entry in entries} == {"chatbot.heartbeat", "chatbot.embed"} <= set(tasks.app.tasks)
    assert all(entry["options"]["expires"] < entry["schedule"] for entry in entries)


class FakeBackend:
    def __init__(self, client: object) -> None:
        self.client = client


def test_the_heartbeat_and_the_runs_are_noted_under_the_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    redis = FakeRedis()
    monkeypatch.setattr(tasks, "app", FakeApp(FakeBackend(redis)))
    tasks.heartbeat()
    tasks.count_run(tasks.heartbeat, state="SUCCESS")
    assert float(redis.strings["dev_chatbot:heartbeat"]) == pytest.approx(time.time(), abs=60)
    assert redis.hashes == {"dev_chatbot:tasks": {b"SUCCESS chatbot.heartbeat": 1}}


class DownRedis:
    def hincrby(self, *_: object) -> None:
        raise RedisConnectionError("refused")


def test_a_run_that_cannot_be_counted_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tasks, "app", FakeApp(FakeBackend(DownRedis())))
    tasks.count_run(tasks.reverse, state="SUCCESS")
    assert caplog.messages == ["a run of chatbot.reverse was not counted: ConnectionError"]


def test_embed_indexes_with_its_own_settings(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    def run(settings: IndexSettings | None) -> int:
        assert settings is not None
        return 3 if settings.qdrant.collection == "dev_messages" else 0

    monkeypatch.setattr(indexing, "run", run)
    for name, value in (variables | QDRANT).items():
        monkeypatch.setenv(name, value)
    assert tasks.embed() == 3


def test_embed_leaves_it_to_the_next_run_when_qdrant_is_down(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def run(_: object) -> int:
        raise SearchUnavailable from ConnectionRefusedError("refused")

    monkeypatch.setattr(indexing, "run", run)
    with pytest.raises(tasks.NotIndexed, match=r"^The search index is not available\.$"):
        tasks.embed()
    assert caplog.messages == ["not indexed: The search index is not available. (ConnectionRefusedError)"]


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


def test_a_queue_that_is_down_when_indexing_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise OperationalError("refused")

    monkeypatch.setattr(tasks.embed, "apply_async", refuse)
    with pytest.raises(QueueUnavailable):
        Jobs().send_embed()


def test_an_unknown_id_is_no_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs.tasks, "app", FakeApp(EmptyBackend()))
    assert Jobs().find(JOB) is None


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("chatbot.tasks", {"fastapi", "pydantic", "sqlalchemy", "asyncpg", "uvicorn", "httpx2", "obstore"}),
        ("chatbot.ping_worker", {"fastapi", "flower", "prompt_toolkit", "asyncpg"}),
        ("chatbot.probe", {"http", "urllib", "email", "asyncio", "ssl", "logging"}),
        ("chatbot.api", {"sqlalchemy", "alembic", "flower", "httpx2", "obstore"}),
    ],
)
def test_what_starts_often_imports_little(module: str, heavy: set[str]) -> None:
    shown = subprocess.run(
        [sys.executable, "-c", f"import sys, {module}; print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    assert heavy.isdisjoint(shown.stdout.split())
