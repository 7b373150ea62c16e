"""The nudge: many requests become few calls, and none is forgotten."""

from __future__ import annotations

import asyncio
import logging
import threading

import pytest

from chatbot.errors import QueueUnavailable
from chatbot.nudge import Nudge

DEADLINE_S = 5.0


class Sender:
    """Counts its calls; each waits until it may go on."""

    def __init__(self) -> None:
        self.calls = 0
        self.error: Exception | None = None
        self.called = threading.Semaphore(0)
        self.may_end = threading.Event()
        self.may_end.set()

    def __call__(self) -> None:
        self.calls += 1
        self.called.release()
        assert self.may_end.wait(DEADLINE_S)
        if self.error:
            raise self.error

    async def wait_for_call(self) -> None:
        assert await asyncio.to_thread(self.called.acquire, timeout=DEADLINE_S)


def test_many_requests_are_one_call() -> None:
    async def walk(sender: Sender) -> None:
        async with Nudge(sender, pause_s=60).running() as nudge:
            for _ in range(100):
                nudge.request()
            await sender.wait_for_call()

    sender = Sender()
    asyncio.run(walk(sender))
    assert sender.calls == 1


def test_a_request_during_a_call_is_called_for_afterwards() -> None:
    async def walk(sender: Sender) -> None:
        sender.may_end.clear()
        async with Nudge(sender, pause_s=0).running() as nudge:
            nudge.request()
            await sender.wait_for_call()
            nudge.request()
            sender.may_end.set()
            await sender.wait_for_call()

    sender = Sender()
    asyncio.run(walk(sender))
    assert sender.calls == 2


def test_a_failure_is_logged_and_the_next_request_served(caplog: pytest.LogCaptureFixture) -> None:
    async def walk(sender: Sender) -> None:
        sender.error = QueueUnavailable()
        sender.error.__cause__ = ConnectionRefusedError("refused")
        async with Nudge(sender, pause_s=0).running() as nudge:
            nudge.request()
            await sender.wait_for_call()
            nudge.request()
            await sender.wait_for_call()

    with caplog.at_level(logging.WARNING):
        asyncio.run(walk(Sender()))
    assert "QueueUnavailable: refused" in caplog.messages


def test_without_a_request_nothing_is_called() -> None:
    async def walk(sender: Sender) -> None:
        async with Nudge(sender).running():
            await asyncio.sleep(0)

    sender = Sender()
    asyncio.run(walk(sender))
    assert sender.calls == 0
