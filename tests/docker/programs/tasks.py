"""A Celery application with one periodic task."""

import os
from pathlib import Path

from celery import Celery

prefix = {"global_keyprefix": os.environ["REDIS_KEY_PREFIX"]}
url = Path(os.environ["REDIS_URL_FILE"]).read_text()
app = Celery("tasks", broker=url)
app.conf.update(
    broker_transport_options=prefix,
    broker_connection_retry_on_startup=True,
    task_ignore_result=True,
    beat_schedule={"tick": {"task": "tasks.tick", "schedule": 1.0}},
)


@app.task
def tick():
    return "tock"
