"""Carry connections from a bridge's gateway address to a process that listens on the loopback alone.

On Linux a container reaches the desk by that address only; Docker Desktop reaches the loopback by itself.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import suppress

_LOOPBACK = "127.0.0.1"
_ASKS = 0.05
"""Seconds between two looks whether the process listens yet."""
_CHUNK = 64 * 1024


class Relay:
    """One port of one process, for as long as the process lives."""

    def __init__(self, address: str, port: int) -> None:
        self._address, self._port = address, port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=f"relay {port}", daemon=True)
        self._closing = asyncio.Event()

    def open(self) -> None:
        """Begin as soon as the process listens: one that listens on every address itself is not hindered."""
        self._thread.start()

    def close(self) -> None:
        """Drop every connection and give the port back."""
        with suppress(RuntimeError):  # it has ended by itself
            self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            for task in asyncio.all_tasks(self._loop):
                task.cancel()
            self._loop.run_until_complete(asyncio.sleep(0))
            self._loop.close()

    async def _serve(self) -> None:
        while not self._closing.is_set() and not _listens(self._port):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), _ASKS)
        if self._closing.is_set():
            return
        try:
            server = await asyncio.start_server(self._carry, self._address, self._port)
        except OSError:
            return  # no such address here, or the process listens on it itself
        async with server:
            await self._closing.wait()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(_LOOPBACK, self._port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(_pipe(reader, far_writer), _pipe(far_reader, writer))


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await reader.read(_CHUNK):
            writer.write(chunk)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
            return
    writer.close()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(_ASKS)
        return probe.connect_ex((_LOOPBACK, port)) == 0
