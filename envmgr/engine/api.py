"""Speak HTTP to the engine, over its socket; it knows no object of the engine, only requests and answers."""

from __future__ import annotations

import json
import socket as sockets
import threading
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from envmgr.engine.context import Endpoint
from envmgr.engine.failures import engine_error
from envmgr.errors import EngineError

if TYPE_CHECKING:
    import ssl

    import httpx

NEWEST_VERSION = (1, 51)
"""Newest version of the API that this was tried with (Engine 28); a newer engine still speaks it."""
CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 60.0
"""An idle engine answers in milliseconds; one whose disk is busy with a build has taken half a minute."""

Parameters = Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the engine said."""

    status: int
    content: bytes
    content_type: str

    def json(self) -> Any:
        """Return the document."""
        return json.loads(self.content)

    @property
    def message(self) -> str:
        """Return the engine's words about what went wrong."""
        with suppress(ValueError):
            document = self.json()
            if isinstance(document, dict) and document.get("message"):
                return str(document["message"])
        return self.content.decode("utf-8", "replace").strip() or f"status {self.status}"


class Api:
    """Requests to one engine; may be used from several threads.

    They go straight to httpx's transport: its client brings redirects, cookies and proxies, which no engine has, and
    takes a third of the time of a snapshot for them. Each thread has a transport of its own: httpcore 1.0 takes a
    shared connection for broken, and closes it, when one thread looks at it while another begins to use it.
    """

    def __init__(self, endpoint: Endpoint, transport: httpx.BaseTransport | None = None) -> None:
        """Connect to nothing yet; a test may bring a transport of its own."""
        self.endpoint = endpoint
        self._given = transport
        self._mine = threading.local()
        self._all: weakref.WeakSet[httpx.BaseTransport] = weakref.WeakSet()
        self._version = ""
        self._lock = threading.Lock()

    def get(self, path: str, params: Parameters | None = None) -> Any:
        """Return the document at a path."""
        return self.call("GET", path, params=params).json()

    def call(
        self,
        method: str,
        path: str,
        *,
        params: Parameters | None = None,
        body: Mapping[str, Any] | bytes | None = None,
        allowed: tuple[int, ...] = (),
        timeout: float = ANSWER_SECONDS,
    ) -> Answer:
        """Send a request and return the answer; statuses from 400 on raise unless they are allowed.

        `body` is a document, or bytes as they are.
        """
        transport = self._connected()
        request = self._request(method, self._version + path, params, body, timeout)
        with self._translating(f"{method} {path}"):
            answer = _whole(transport.handle_request(request))
        return _checked(answer, allowed)

    @contextmanager
    def stream(
        self,
        method: str,
        path: str,
        *,
        params: Parameters | None = None,
        body: Mapping[str, Any] | None = None,
        silence: float | None = None,
    ) -> Iterator[httpx.Response]:
        """Send a request and yield the answer while its content still comes; `silence` bounds each wait for more.

        What reading it raises is httpx's own.
        """
        transport = self._connected()
        request = self._request(method, self._version + path, params, body, silence)
        with self._translating(f"{method} {path}"):
            got = transport.handle_request(request)
            if got.status_code >= 400:
                _checked(_whole(got), ())
        try:
            yield got
        finally:
            got.close()

    def close(self) -> None:
        """Drop every connection."""
        with self._lock:
            for transport in tuple(self._all):
                transport.close()
            self._all.clear()
            self._mine = threading.local()

    def _connected(self) -> httpx.BaseTransport:
        transport: httpx.BaseTransport | None = getattr(self._mine, "transport", None)
        if transport is None:
            transport = self._given or _new_transport(self.endpoint)
            self._agree(transport)
            self._mine.transport = transport
        return transport

    def _agree(self, transport: httpx.BaseTransport) -> None:
        with self._lock:
            self._version = self._version or f"/v{self._agreed_version(transport)}"
            self._all.add(transport)

    def _agreed_version(self, transport: httpx.BaseTransport) -> str:
        with self._translating("GET /_ping"):
            request = self._request("GET", "/_ping", None, None, ANSWER_SECONDS)
            got = transport.handle_request(request)
            _whole(got)
        try:
            major, minor = (int(part) for part in got.headers.get("api-version", "").split("."))
        except ValueError as error:
            raise EngineError(f"What answers at {self.endpoint.url} is not a Docker engine") from error
        return ".".join(str(part) for part in min((major, minor), NEWEST_VERSION))

    def _request(
        self,
        method: str,
        path: str,
        params: Parameters | None,
        body: Mapping[str, Any] | bytes | None,
        seconds: float | None,
    ) -> httpx.Request:
        import httpx

        limits = httpx.Timeout(seconds, connect=CONNECT_SECONDS).as_dict()
        url = self.endpoint.base_url + path
        content, document = (body, None) if isinstance(body, bytes) else (None, body)
        return httpx.Request(method, url, params=params, content=content, json=document, extensions={"timeout": limits})

    @contextmanager
    def _translating(self, what: str) -> Iterator[None]:
        import httpx

        try:
            yield
        except httpx.TransportError as error:
            raise engine_error(error, self.endpoint, what) from error


def hang_up(response: httpx.Response) -> None:
    """Make a thread that reads this response see its end at once; closing alone would leave it waiting."""
    connection = response.extensions["network_stream"].get_extra_info("socket")
    with suppress(OSError):
        connection.shutdown(sockets.SHUT_RDWR)


def _whole(got: httpx.Response) -> Answer:
    try:
        return Answer(got.status_code, got.read(), got.headers.get("content-type", ""))
    finally:
        got.close()


def _checked(answer: Answer, allowed: tuple[int, ...]) -> Answer:
    if answer.status >= 400 and answer.status not in allowed:
        raise EngineError(f"Docker refused: {answer.message}")
    return answer


def _new_transport(endpoint: Endpoint) -> httpx.BaseTransport:
    import httpx

    # verify: loading the public certificate authorities costs 20 ms, and no engine has a certificate of theirs.
    return httpx.HTTPTransport(uds=endpoint.socket, verify=_certificates(endpoint), trust_env=False)


def _certificates(endpoint: Endpoint) -> ssl.SSLContext | bool:
    import ssl

    folder = endpoint.tls_folder
    if folder is None:
        return False
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
