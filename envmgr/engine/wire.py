"""HTTP to whatever listens at an endpoint, a socket, TCP or TLS; it knows no request of the engine's.

No HTTP library: what they bring, redirects, cookies, proxies, no engine has, and importing one takes longer than most
commands need in all.
"""

from __future__ import annotations

import select
import socket as sockets
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import field
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from envmgr.engine.context import PLAIN_PORT, TLS_PORT, Endpoint
from envmgr.errors import EngineError
from envmgr.model.value import dataclass

if TYPE_CHECKING:
    import ssl

CONNECT_SECONDS = 5.0
_PIECE = 64 * 1024


class Unconnected(OSError):
    """Nobody took the connection; the cause says why."""


FAILURES = (OSError, HTTPException)
"""What asking and reading raise."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked."""

    method: str
    path: str
    """With its query, both encoded."""
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float | None = None
    """Silence to bear with, at each wait for more; None is any."""


class Response(Protocol):
    """What comes back, its content still to be read."""

    @property
    def status(self) -> int:
        """The three digits."""

    def header(self, name: str) -> str:
        """Return a header, empty when it is not there."""

    def read(self) -> bytes:
        """Return all of the content that is left."""

    def pieces(self) -> Iterator[bytes]:
        """Yield the content as it comes."""

    def hang_up(self) -> None:
        """Make a thread that reads this see its end at once; closing alone would leave it waiting."""

    def close(self) -> None:
        """Let go of what was not read."""


class Wire(Protocol):
    """One connection, asked one thing after another; only one thread may use it."""

    def ask(self, request: Request) -> Response:
        """Send a request and return the answer's head."""

    def close(self) -> None:
        """Let go."""


class HttpWire:
    """A connection that is made at the first request, and made anew when the other side has closed it since."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        address = urlsplit(endpoint.base_url)
        self._connection = HTTPConnection(address.netloc)
        self._connection.auto_open = 0
        self._above = address.path
        self._socket: sockets.socket | None = None
        self._answer: HTTPResponse | None = None

    def ask(self, request: Request) -> HttpResponse:
        """Send a request and return the answer's head.

        Raises: `Unconnected`, or another of `FAILURES`; `EngineError` for certificates that cannot be used.
        """
        connected = self._connected()
        connected.settimeout(request.seconds)
        try:
            self._connection.request(request.method, self._above + request.path, request.body, dict(request.headers))
            self._answer = self._connection.getresponse()
        except BaseException:
            self.close()
            raise
        return HttpResponse(self._answer, connected, self.close)

    def close(self) -> None:
        """Let go."""
        self._connection.close()
        self._socket = None
        self._answer = None

    def _connected(self) -> sockets.socket:
        if self._socket is None or not self._is_idle():
            self.close()
            self._socket = self._connection.sock = dial(self._endpoint)
        return self._socket

    def _is_idle(self) -> bool:
        """Tell whether the last answer was read to its end, and nothing has come since: not even that it was closed."""
        if self._connection.sock is None or (self._answer is not None and not self._answer.isclosed()):
            return False
        poll = select.poll()
        poll.register(self._connection.sock, select.POLLIN)
        return not poll.poll(0)


class HttpResponse:
    """An answer, with the socket that it comes from."""

    def __init__(self, answer: HTTPResponse, socket: sockets.socket, abandon: Callable[[], None]) -> None:
        self._answer = answer
        self._abandon = abandon
        self._socket = socket
        self.status = answer.status

    def header(self, name: str) -> str:
        """Return a header, empty when it is not there."""
        return self._answer.headers.get(name, "")

    def read(self) -> bytes:
        """Return all of the content that is left."""
        return self._answer.read()

    def pieces(self) -> Iterator[bytes]:
        """Yield the content as it comes."""
        while piece := self._answer.read1(_PIECE):
            yield piece

    def hang_up(self) -> None:
        """Make a thread that reads this see its end at once."""
        with suppress(OSError):
            self._socket.shutdown(sockets.SHUT_RDWR)

    def close(self) -> None:
        """Let go of what was not read, and then of the connection, on which it would still come."""
        if not self._answer.isclosed():
            self._answer.close()
            self._abandon()


def dial(endpoint: Endpoint) -> sockets.socket:
    """Return a connection to an endpoint.

    Raises: `Unconnected`; `EngineError` for certificates that cannot be used.
    """
    context = _certificates(endpoint)
    address = urlsplit(endpoint.url)
    try:
        if endpoint.socket is not None:
            return _dial_socket(endpoint.socket)
        port = address.port or (TLS_PORT if context else PLAIN_PORT)
        found = sockets.create_connection((address.hostname or "", port), CONNECT_SECONDS)
        found.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_NODELAY, 1)
        return context.wrap_socket(found, server_hostname=address.hostname) if context else found
    except (OSError, ValueError) as error:
        raise Unconnected(str(error)) from error


def _dial_socket(path: str) -> sockets.socket:
    found = sockets.socket(sockets.AF_UNIX)
    try:
        found.settimeout(CONNECT_SECONDS)
        found.connect(path)
    except BaseException:
        found.close()
        raise
    return found


def _certificates(endpoint: Endpoint) -> ssl.SSLContext | None:
    folder = endpoint.tls_folder
    if folder is None:
        return None
    import ssl

    try:
        context = ssl.create_default_context(cafile=folder / "ca.pem" if endpoint.verifies else None)
        context.check_hostname = endpoint.verifies
        context.verify_mode = ssl.CERT_REQUIRED if endpoint.verifies else ssl.CERT_NONE
        if (folder / "cert.pem").exists():
            context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    except OSError as error:
        raise EngineError(
            f"The certificates in {folder} cannot be used: {error}", help="see DOCKER_CERT_PATH"
        ) from error
    return context
