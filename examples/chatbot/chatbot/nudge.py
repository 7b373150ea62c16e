"""Ask for something once, however many times it was requested meanwhile; must not know what it is."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

PAUSE_S = 1.0

logger = logging.getLogger(__name__)


class Nudge:
    """Calls `send`, which blocks, in a thread: at most once in `pause_s`, and always once after the last request."""

    def __init__(self, send: Callable[[], None], pause_s: float = PAUSE_S) -> None:
        self._send = send
        self._pause_s = pause_s
        self._requested = asyncio.Event()

    def request(self) -> None:
        """Return at once."""
        self._requested.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Nudge]:
        """Serve requests until the block ends."""
        task = asyncio.create_task(self._serve())
        try:
            yield self
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _serve(self) -> None:
        while True:
            await self._requested.wait()
            self._requested.clear()
            try:
                await asyncio.to_thread(self._send)
            except Exception as error:  # the requester has long been answered, and the next request comes
                logger.warning("%s: %s", type(error).__name__, error.__cause__ or error)
            await asyncio.sleep(self._pause_s)
