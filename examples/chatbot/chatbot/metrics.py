"""Count and time the web process's requests for Prometheus; must not know what they do.

Several web processes put their numbers together in the directory that `PROMETHEUS_MULTIPROC_DIR` names. What the
workers count arrives as `Counts`.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if parent := multiprocessing.parent_process():  # prometheus_client looks at the variable when it is imported
    shared = os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", f"{tempfile.gettempdir()}/chatbot-metrics-{parent.pid}")
    Path(shared).mkdir(mode=0o700, exist_ok=True)

from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily

from chatbot.counts import Counts

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

disable_created_metrics()  # one series less for each of the others
REQUESTS = Counter("http_requests", "HTTP requests by route and status.", ["method", "path", "status"])
DURATION = Histogram("http_request_duration_seconds", "Time to the end of the response.", ["method", "path"])
ACTIVE = Gauge("http_requests_active", "HTTP requests in progress.", multiprocess_mode="livesum")
DB_CONNECTIONS = Gauge("db_connections_active", "Database connections in use.", multiprocess_mode="livesum")
DB_QUERIES = Counter("db_queries", "Database queries, by how they ended.", ["outcome"])
DB_QUERY_DURATION = Histogram("db_query_duration_seconds", "Time from a query's start to its result.")
TASKS_SENT = Counter("celery_tasks_sent", "Tasks that this process queued.", ["task"])
MESSAGES_STORED = Counter("messages_stored", "Messages that this process stored.")


class RequestMetrics:
    """ASGI middleware: the label `path` is the route's template, so that its values stay few."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and count it when its response ends."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = "500"

        async def note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        started = time.perf_counter()
        with ACTIVE.track_inprogress():
            try:
                await self._app(scope, receive, note_status)
            finally:
                _count(scope, status, time.perf_counter() - started)


def _count(scope: Scope, status: str, seconds: float) -> None:
    method = scope["method"] if scope["method"] in METHODS else "other"
    path = getattr(scope.get("route"), "path", "unmatched")
    REQUESTS.labels(method, path, status).inc()
    DURATION.labels(method, path).observe(seconds)


class WorkerCounts:
    """Collect what the environment's workers counted; every instance shows the same: never add them up."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        """Leave out what nobody has counted yet."""
        tasks = CounterMetricFamily("celery_tasks", "Ended runs of tasks, by state.", labels=["task", "state"])
        for labels, count in sorted(self._counts.tasks.items()):
            tasks.add_metric(labels, count)
        yield tasks
        if self._counts.heartbeat is not None:
            yield GaugeMetricFamily(
                "celery_heartbeat_timestamp_seconds",
                "Last heartbeat that beat sent and a worker wrote.",
                self._counts.heartbeat,
            )


def exposition(counts: Counts) -> bytes:
    """Return the numbers of all web processes, and the workers' `counts`, in Prometheus's text format."""
    workers = CollectorRegistry()
    workers.register(WorkerCounts(counts))
    return _own_numbers() + generate_latest(workers)


def _own_numbers() -> bytes:
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    from prometheus_client.multiprocess import MultiProcessCollector

    registry = CollectorRegistry()
    MultiProcessCollector(registry)
    return generate_latest(registry)


def forget_process() -> None:
    """Take this process's gauges out of the sums when it ends."""
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        from prometheus_client.multiprocess import mark_process_dead

        mark_process_dead(os.getpid())
