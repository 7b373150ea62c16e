"""Count and time the web process's requests for Prometheus; must not know what they do.

Several web processes put their numbers together in the directory that `PROMETHEUS_MULTIPROC_DIR` names.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
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

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

disable_created_metrics()  # one series less for each of the others
REQUESTS = Counter("http_requests", "HTTP requests by route and status.", ["method", "path", "status"])
DURATION = Histogram("http_request_duration_seconds", "Time to the end of the response.", ["method", "path"])
ACTIVE = Gauge("http_requests_active", "HTTP requests in progress.", multiprocess_mode="livesum")
DB_CONNECTIONS = Gauge("db_connections_active", "Database connections in use.", multiprocess_mode="livesum")


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


def exposition() -> bytes:
    """Return the numbers of all web processes in Prometheus's text format."""
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
