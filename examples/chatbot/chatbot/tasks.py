"""The Celery application and its tasks; imports neither FastAPI nor the database, for every `inspect ping` loads it."""

from __future__ import annotations

import logging
import os
import time
from typing import Any

from celery import Celery, Task, signals
from kombu import Exchange, Queue

from chatbot.counts import count_task, note_heartbeat
from chatbot.errors import Unavailable
from chatbot.settings import QueueSettings, load_or_exit, read_index_settings, read_queue_settings

TASK_TIME_LIMIT_S = 60
RESULT_EXPIRES_S = 3600
HEARTBEAT_S = 60.0
INDEX_S = 30.0

DEFAULT_QUEUE, EMBEDDINGS_QUEUE = "default", "embeddings"
# The last is Celery's own default: what an earlier release or another client sends there is done too.
QUEUES = (DEFAULT_QUEUE, EMBEDDINGS_QUEUE, "celery")

logger = logging.getLogger(__name__)


class NotIndexed(Exception):
    """A server was not available: what is pending stays pending, and the next run goes on."""


def schedule() -> dict[str, Any]:
    """Return what beat sends; a run that no worker took in time is dropped, so that none pile up."""
    return {
        "heartbeat": {
            "task": "chatbot.heartbeat",
            "schedule": HEARTBEAT_S,
            "options": {"expires": HEARTBEAT_S - 5},
        },
        "embed": {"task": "chatbot.embed", "schedule": INDEX_S, "options": {"expires": INDEX_S - 5}},
    }


def configuration(settings: QueueSettings) -> dict[str, Any]:
    """Return Celery's configuration.

    The event and control names stay Celery's own: the Redis user's channel rules name them literally.
    A worker without `--queues` serves all queues.
    """
    timeouts = {
        "socket_timeout": 5.0,
        "socket_connect_timeout": 5.0,
        "socket_keepalive": True,
        "health_check_interval": 25,
    }
    prefix = {"global_keyprefix": settings.key_prefix}
    return {
        "broker_url": settings.redis_url.reveal(),
        "result_backend": settings.redis_url.reveal(),
        # An unfinished task returns to the queue after this time; it must exceed the longest task.
        "broker_transport_options": {"visibility_timeout": TASK_TIME_LIMIT_S * 5, **timeouts, **prefix},
        "result_backend_transport_options": prefix,
        "redis_socket_timeout": timeouts["socket_timeout"],
        "redis_socket_connect_timeout": timeouts["socket_connect_timeout"],
        "redis_socket_keepalive": True,
        "redis_backend_health_check_interval": timeouts["health_check_interval"],
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        # Flower inspects in up to 32 threads, each with two connections at once: with Celery's 10 it can lock up.
        "broker_pool_limit": 100,
        "task_publish_retry_policy": {
            "max_retries": 2,
            "interval_start": 0.1,
            "interval_step": 0.2,
            "interval_max": 0.5,
        },
        "task_default_queue": DEFAULT_QUEUE,
        "task_queues": [Queue(name, Exchange(name), routing_key=name) for name in QUEUES],
        "task_routes": {"chatbot.embed": {"queue": EMBEDDINGS_QUEUE}},
        "beat_schedule": schedule(),
        "accept_content": ["json"],
        "result_accept_content": ["json"],
        "task_serializer": "json",
        "result_serializer": "json",
        "result_expires": RESULT_EXPIRES_S,
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "task_track_started": True,
        "task_time_limit": TASK_TIME_LIMIT_S,
        "task_soft_time_limit": TASK_TIME_LIMIT_S - 10,
        "task_send_sent_event": True,
        "worker_send_task_events": True,
        "worker_prefetch_multiplier": 1,
        "worker_cancel_long_running_tasks_on_connection_loss": True,
        # A second SIGTERM (or SIGQUIT) waits this long, then puts the unfinished tasks back.
        "worker_soft_shutdown_timeout": 5.0,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "timezone": "UTC",
    }


settings = load_or_exit(read_queue_settings)
app = Celery("chatbot")
app.conf.update(configuration(settings))


@signals.setup_logging.connect
def configure_worker_logging(**_: object) -> None:
    """Log as the web process does; LOG_LEVEL decides, `--loglevel` is ignored."""
    from chatbot.logs import configure_logging

    configure_logging(settings.log_level)


@signals.celeryd_init.connect
def check_worker_settings(**_: object) -> None:
    """Stop a worker with one sentence when it cannot index; Flower and beat have no such settings."""
    load_or_exit(read_index_settings)


@signals.task_postrun.connect
def count_run(task: Task, state: str | None = None, **_: object) -> None:
    """Count for /metrics, which the web process answers."""
    from redis.exceptions import RedisError  # the client is loaded by now; `inspect ping` starts without it

    try:
        count_task(app.backend.client, settings.key_prefix, task.name, state or "UNKNOWN")
    except RedisError as error:
        logger.warning("a run of %s was not counted: %s", task.name, type(error).__name__)


@app.task(name="chatbot.reverse")
def reverse(text: str, seconds: float = 0.0) -> str:
    """Return the text reversed, after working on it for `seconds`."""
    time.sleep(seconds)
    return text[::-1]


@app.task(name="chatbot.heartbeat", ignore_result=True)
def heartbeat() -> None:
    """Note in Redis that beat and a worker work together."""
    note_heartbeat(app.backend.client, settings.key_prefix, time.time())


@app.task(name="chatbot.embed", ignore_result=True, throws=(NotIndexed,))
def embed() -> int:
    """Make all pending messages searchable, and return how many there were; any number of runs do no harm."""
    from chatbot import indexing  # with the database driver and the HTTP client, which only this task needs

    try:
        return indexing.run(read_index_settings(os.environ))
    except Unavailable as error:
        logger.warning("not indexed: %s (%s)", error.sentence, type(error.__cause__).__name__)
        raise NotIndexed(error.sentence) from error
