"""Health: verdicts, concurrency and the time limit."""

from __future__ import annotations

import asyncio
import time

from chatbot import health


async def answer() -> bool:
    return True


async def refuse() -> None:
    raise ConnectionRefusedError("redis://dev:hunter2@redis:6379")


async def hang() -> None:
    await asyncio.sleep(60)


async def hang_even_when_cancelled() -> None:
    try:
        await asyncio.sleep(60)
    finally:
        await asyncio.sleep(1)


def test_all_answer() -> None:
    verdicts = asyncio.run(health.check({"postgres": answer, "redis": answer}))
    assert verdicts == {"postgres": "ok", "redis": "ok"}


def test_a_failure_is_named_by_its_class_alone() -> None:
    verdicts = asyncio.run(health.check({"postgres": answer, "redis": refuse}))
    assert verdicts == {"postgres": "ok", "redis": "failed (ConnectionRefusedError)"}


def test_no_answer_is_waited_for_once_not_in_turn() -> None:
    started = time.monotonic()
    verdicts = asyncio.run(health.check({"postgres": hang, "redis": hang}, timeout_s=0.5))
    assert verdicts == {"postgres": "no answer within 0.5 s", "redis": "no answer within 0.5 s"}
    assert time.monotonic() - started < 0.95


def test_a_ping_that_ends_slowly_does_not_hold_the_answer() -> None:
    async def timed() -> float:
        started = time.monotonic()
        await health.check({"postgres": hang_even_when_cancelled}, timeout_s=0.05)
        return time.monotonic() - started

    assert asyncio.run(timed()) < 0.9
