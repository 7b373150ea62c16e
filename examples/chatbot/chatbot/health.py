"""Ask every server that the application uses whether it answers; must not tell more than that."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

TIMEOUT_S = 2.0
OK = "ok"

Ping = Callable[[], Awaitable[object]]

logger = logging.getLogger(__name__)


async def check(pings: Mapping[str, Ping], timeout_s: float = TIMEOUT_S) -> dict[str, str]:
    """Run all pings at once and return `ok` or the kind of failure by name, after `timeout_s` at the latest."""
    running = {name: asyncio.create_task(_run(ping)) for name, ping in pings.items()}
    # Not asyncio.timeout: a cancelled query may take its time to end, and nobody waits for it here.
    await asyncio.wait(running.values(), timeout=timeout_s)
    verdicts = {name: _verdict(task, timeout_s) for name, task in running.items()}
    for name, verdict in verdicts.items():
        if verdict != OK:
            logger.warning("health: %s %s", name, verdict)
    return verdicts


async def _run(ping: Ping) -> str:
    try:
        await ping()
    except Exception as error:
        # Only the class: a message may quote an address or a user.
        return f"failed ({type(error).__name__})"
    return OK


def _verdict(task: asyncio.Task[str], timeout_s: float) -> str:
    if task.done():
        return task.result()
    task.cancel()
    return f"no answer within {timeout_s:g} s"
