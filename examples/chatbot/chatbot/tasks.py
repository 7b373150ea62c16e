"""The Celery application and its tasks; imports neither FastAPI nor the database, for every `inspect ping` loads it."""

from __future__ import annotations

import time
from typing import Any

from celery import Celery, signals

from chatbot.settings import QueueSettings, load_or_exit, read_queue_settings

TASK_TIME_LIMIT_S = 60
RESULT_EXPIRES_S = 3600


def configuration(settings: QueueSettings) -> dict[str, Any]:
    """Return Celery's configuration.

    The queue, event and control names stay Celery's own: the Redis user's channel rules name them literally.
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


@app.task(name="chatbot.reverse")
def reverse(text: str, seconds: float = 0.0) -> str:
    """Return the text reversed, after working on it for `seconds`."""
    time.sleep(seconds)
    return text[::-1]
