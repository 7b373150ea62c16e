"""Send tasks and look up their state for the API; must not run them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from celery.exceptions import BackendError
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from chatbot import tasks
from chatbot.errors import QueueUnavailable
from chatbot.metrics import TASKS_SENT

# A request waits less for Redis than a worker that holds a finished result does.
REQUEST_RETRIES = {"max_retries": 2, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.5}
QUEUED, ABSENT = "QUEUED", "PENDING"  # Celery answers PENDING for every id that it does not know
UNAVAILABLE = (OperationalError, RedisError, BackendError, OSError)


@dataclass(frozen=True, slots=True)
class Job:
    """A task as the API shows it; `error` is the class of a failure."""

    id: UUID
    state: str
    result: Any
    error: str | None


class Jobs:
    """The queue, seen from a sender. Its methods block: call them from a thread."""

    def __init__(self) -> None:
        options = tasks.app.conf.result_backend_transport_options
        tasks.app.conf.result_backend_transport_options = {**options, "retry_policy": REQUEST_RETRIES}

    def send_reverse(self, text: str, seconds: float) -> UUID:
        """Queue a task and return its id. Raises: QueueUnavailable."""
        job_id = uuid4()
        try:
            # Recorded first, so that a known id can be told from an unknown one.
            tasks.app.backend.store_result(str(job_id), None, QUEUED)
            tasks.reverse.apply_async((text, seconds), task_id=str(job_id))
        except UNAVAILABLE as error:
            raise QueueUnavailable from error
        TASKS_SENT.labels(tasks.reverse.name).inc()
        return job_id

    def send_embed(self) -> None:
        """Queue the task that indexes whatever is pending. Raises: QueueUnavailable."""
        try:
            tasks.embed.apply_async()
        except UNAVAILABLE as error:
            raise QueueUnavailable from error
        TASKS_SENT.labels(tasks.embed.name).inc()

    def find(self, job_id: UUID) -> Job | None:
        """Return the task, or nothing when its id is unknown or expired. Raises: QueueUnavailable."""
        try:
            meta = tasks.app.backend.get_task_meta(str(job_id))
        except UNAVAILABLE as error:
            raise QueueUnavailable from error
        return None if meta["status"] == ABSENT else job_from_meta(job_id, meta)


def job_from_meta(job_id: UUID, meta: dict[str, Any]) -> Job:
    """Translate Celery's record of a task."""
    result = meta.get("result")
    if isinstance(result, BaseException):
        return Job(job_id, meta["status"], None, type(result).__name__)
    return Job(job_id, meta["status"], result if meta["status"] == "SUCCESS" else None, None)
