"""A server on a socket of its own that says what a test has it say, byte for byte."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from envmgr.engine.context import Endpoint

PING = b"HTTP/1.1 200 OK\r\nApi-Version: 1.51\r\nContent-Length: 0\r\n\r\n"


class Served:
    """What was asked, and how often somebody connected."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.asked: list[bytes] = []
        self.connections = 0


Script = Callable[[socket.socket, Served], None]


@contextmanager
def serving(listener: socket.socket, endpoint: Endpoint, script: Script) -> Iterator[Served]:
    """Run a script for each connection until the test ends."""
    served = Served(endpoint)

    def accept() -> None:
        with suppress(OSError):
            while True:
                taken, _ = listener.accept()
                served.connections += 1
                threading.Thread(target=answer, args=(taken,), daemon=True).start()

    def answer(taken: socket.socket) -> None:
        with taken, suppress(OSError):
            script(taken, served)

    listener.listen()
    threading.Thread(target=accept, daemon=True).start()
    try:
        yield served
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@contextmanager
def on_a_socket(folder: Path, script: Script) -> Iterator[Served]:
    path = folder / "docker.sock"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    with serving(listener, Endpoint(f"unix://{path}"), script) as served:
        yield served


@contextmanager
def on_a_port(script: Script) -> Iterator[Served]:
    listener = socket.create_server(("127.0.0.1", 0))
    with serving(listener, Endpoint(f"tcp://127.0.0.1:{listener.getsockname()[1]}/engine"), script) as served:
        yield served


def request_of(taken: socket.socket) -> bytes:
    """Return a whole request, empty when the other side has gone."""
    data = b""
    while b"\r\n\r\n" not in data:
        if not (piece := taken.recv(4096)):
            return b""
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    length = int(lengths[0].split(b":")[1]) if lengths else 0
    while len(body) < length:
        body += taken.recv(4096)
    return head + b"\r\n\r\n" + body


def saying(*answers: bytes, then_closes: bool = False) -> Script:
    """Answer requests one after the other, on each connection from the first on."""

    def script(taken: socket.socket, served: Served) -> None:
        for answer in answers:
            if not (asked := request_of(taken)):
                return
            served.asked.append(asked)
            taken.sendall(answer)
        if not then_closes:
            request_of(taken)

    return script


def whole(content: bytes, *headers: str) -> bytes:
    """Return an answer of a known length."""
    lines = ["HTTP/1.1 200 OK", *headers, f"Content-Length: {len(content)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content
