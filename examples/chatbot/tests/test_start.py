"""Starting a process without a setting: one sentence, exit code 1, no traceback."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("command", "missing"),
    [
        (["chatbot"], "DATABASE_URL"),
        (["uvicorn", "chatbot.main:app"], "DATABASE_URL"),
        (["celery", "-A", "chatbot.tasks", "worker"], "REDIS_URL"),
        (["celery", "-A", "chatbot.tasks", "flower"], "REDIS_URL"),
        (["alembic", "upgrade", "head"], "DATABASE_URL"),
        (["chatbot.ping_worker"], "REDIS_URL"),
    ],
)
def test_a_missing_secret_stops_the_process(variables: dict[str, str], command: list[str], missing: str) -> None:
    del variables[missing]
    ended = subprocess.run(
        [sys.executable, "-m", *command],
        env={"PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
        timeout=60,
    )
    sentence = f"chatbot: {missing} is not set: set {missing}_FILE to the path of its file, or {missing}.\n"
    assert (ended.returncode, ended.stderr) == (1, sentence)


def test_several_web_processes_are_not_started_in_vain(variables: dict[str, str]) -> None:
    del variables["SECRET_KEY"]
    ended = subprocess.run(
        [sys.executable, "-m", "chatbot"],
        env={"PATH": os.environ["PATH"], **variables, "WEB_CONCURRENCY": "4"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
