"""The numbers of the workers, the queries and the heartbeat, as Prometheus reads them."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from fakes import FakeRedis
from prometheus_client.parser import text_string_to_metric_families

from chatbot.counts import Counts, count_task, note_heartbeat, read_counts
from chatbot.db import count_query
from chatbot.metrics import exposition


def value(counts: Counts, name: str, **labels: str) -> float | None:
    samples = [
        sample
        for family in text_string_to_metric_families(exposition(counts).decode())
        for sample in family.samples
        if sample.name == name and sample.labels == labels
    ]
    assert len(samples) <= 1
    return samples[0].value if samples else None


def test_what_workers_count_reaches_the_metrics() -> None:
    redis = FakeRedis()
    for state in ("SUCCESS", "SUCCESS", "FAILURE"):
        count_task(redis, "dev_", "chatbot.reverse", state)
    count_task(redis, "prod_", "chatbot.reverse", "SUCCESS")
    note_heartbeat(redis, "dev_", 1700000000.25)
    counts = asyncio.run(read_counts(redis, "dev_"))
    assert counts == Counts({("chatbot.reverse", "SUCCESS"): 2, ("chatbot.reverse", "FAILURE"): 1}, 1700000000.25)
    assert value(counts, "celery_tasks_total", task="chatbot.reverse", state="SUCCESS") == 2
    assert value(counts, "celery_tasks_total", task="chatbot.reverse", state="FAILURE") == 1
    assert value(counts, "celery_heartbeat_timestamp_seconds") == 1700000000.25


def test_every_key_has_the_prefix() -> None:
    redis = FakeRedis()
    count_task(redis, "dev_", "x", "SUCCESS")
    note_heartbeat(redis, "dev_", 1.0)
    assert {*redis.hashes, *redis.strings} == {"dev_chatbot:tasks", "dev_chatbot:heartbeat"}


def test_without_workers_their_numbers_are_absent() -> None:
    counts = asyncio.run(read_counts(FakeRedis(), "dev_"))
    assert counts == Counts()
    assert value(counts, "celery_heartbeat_timestamp_seconds") is None


@pytest.mark.parametrize(
    ("query", "error", "outcome", "counted"),
    [
        ("SELECT 1", None, "ok", 1),
        ("SELECT 1", OSError(), "failed", 1),
        ("SELECT pg_advisory_unlock_all();\nCLOSE ALL;", None, "ok", 0),
    ],
)
def test_the_applications_own_queries_are_counted(
    query: str, error: Exception | None, outcome: str, counted: int
) -> None:
    def seen() -> tuple[float, float]:
        outcomes = value(Counts(), "db_queries_total", outcome=outcome) or 0
        return outcomes, value(Counts(), "db_query_duration_seconds_count") or 0

    before = seen()
    count_query(SimpleNamespace(query=query, exception=error, elapsed=0.25))  # type: ignore[arg-type]
    assert seen() == (before[0] + counted, before[1] + counted)
