"""Logging: which access lines are kept."""

from __future__ import annotations

import logging

import pytest

from chatbot.logs import HidePolling


def access(path: str, status: int) -> logging.LogRecord:
    arguments = ("127.0.0.1:1", "GET", path, "1.1", status)
    return logging.LogRecord("uvicorn.access", logging.INFO, "", 0, '%s - "%s %s HTTP/%s" %d', arguments, None)


@pytest.mark.parametrize(
    ("path", "status", "kept"),
    [
        ("/health", 200, False),
        ("/health?x=1", 200, False),
        ("/metrics", 200, False),
        ("/health", 503, True),
        ("/healthy", 200, True),
        ("/messages", 200, True),
    ],
)
def test_successful_polls_are_hidden(path: str, status: int, kept: bool) -> None:
    assert HidePolling().filter(access(path, status)) is kept


def test_a_record_of_another_shape_is_kept() -> None:
    assert HidePolling().filter(logging.LogRecord("uvicorn.access", logging.INFO, "", 0, "text", None, None))
