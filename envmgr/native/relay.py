"""Carry connections from a bridge's gateway address to a process that listens on the loopback alone.

On Linux a container reaches the desk by that address only; Docker Desktop reaches the loopback by itself.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import suppress
from functools import partial

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
        self._sockets: set[socket.socket] = set()

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
            self._loop.close()

    async def _serve(self) -> None:
        while not self._closing.is_set() and not _listens(self._port):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), _ASKS)
        if self._closing.is_set():
            return
        try:
            listener = socket.create_server((self._address, self._port))
        except OSError:
            return  # no such address here, or the process listens on it itself
        accepting = self._loop.create_task(self._accept(listener))
        await self._closing.wait()
        await self._drop(accepting)

    async def _drop(self, accepting: asyncio.Task[None]) -> None:
        tasks = asyncio.all_tasks(self._loop) - {asyncio.current_task(self._loop)}
        for task in tasks:
            task.cancel()
        await asyncio.wait({accepting, *tasks})
        for one in self._sockets:
            one.close()

    # Plain sockets, not asyncio's servers: one of those loses a connection that it accepts while it closes, and since
    # Python 3.12 it waits for every client before it has closed.
    async def _accept(self, listener: socket.socket) -> None:
        with listener:
            listener.setblocking(False)
            while True:
                near, _ = await self._loop.sock_accept(listener)
                self._sockets.add(near)
                conversation = self._loop.create_task(self._carry(near))
                conversation.add_done_callback(partial(self._leave, near))

    async def _carry(self, near: socket.socket) -> None:
        with socket.socket() as far, suppress(OSError):  # who has gone ends the conversation
            far.setblocking(False)
            await self._loop.sock_connect(far, (_LOOPBACK, self._port))
            await asyncio.gather(self._pipe(near, far), self._pipe(far, near))

    async def _pipe(self, source: socket.socket, target: socket.socket) -> None:
        while chunk := await self._loop.sock_recv(source, _CHUNK):
            await self._loop.sock_sendall(target, chunk)
        target.shutdown(socket.SHUT_WR)

    def _leave(self, near: socket.socket, _: asyncio.Task[None]) -> None:
        self._sockets.discard(near)
        near.close()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(_ASKS)
        return probe.connect_ex((_LOOPBACK, port)) == 0
