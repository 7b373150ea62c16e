"""Speak HTTP to the engine, over its socket; it knows no object of the engine, only requests and answers."""

from __future__ import annotations

import json
import socket as sockets
import threading
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
    """Requests to one engine; may be used from several threads."""

    def __init__(self, endpoint: Endpoint, transport: httpx.BaseTransport | None = None) -> None:
        """Connect to nothing yet; a test may bring a transport of its own."""
        self.endpoint = endpoint
        self._transport = transport
        self._lock = threading.Lock()
        self._connected: httpx.Client | None = None
        self._prefix = ""

    def get(self, path: str, params: Parameters | None = None) -> Any:
        """Return the document at a path."""
        return self.call("GET", path, params=params).json()

    def call(
        self,
        method: str,
        path: str,
        *,
        params: Parameters | None = None,
        body: Mapping[str, Any] | None = None,
        allowed: tuple[int, ...] = (),
        timeout: float = ANSWER_SECONDS,
    ) -> Answer:
        """Send a request and return the answer; statuses from 400 on raise unless they are allowed."""
        import httpx

        client = self._client()
        request = client.build_request(method, self._prefix + path, params=params, json=body, timeout=_limits(timeout))
        try:
            got = _send(client, request)
        except httpx.TransportError as error:
            raise engine_error(error, self.endpoint, f"{method} {path}") from error
        return _checked(Answer(got.status_code, got.content, got.headers.get("content-type", "")), allowed)

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
        """Send a request and yield the answer while its content still comes; `silence` bounds each wait for more."""
        import httpx

        client = self._client()
        sent = client.build_request(method, self._prefix + path, params=params, json=body, timeout=_limits(silence))
        try:
            got = client.send(sent, stream=True)
        except httpx.TransportError as error:
            raise engine_error(error, self.endpoint, f"{method} {path}") from error
        try:
            if got.status_code >= 400:
                _checked(Answer(got.status_code, got.read(), ""), ())
            yield got
        finally:
            got.close()

    def close(self) -> None:
        """Drop every connection."""
        with self._lock:
            if self._connected is not None:
                self._connected.close()
            self._connected = None

    def _client(self) -> httpx.Client:
        with self._lock:
            if self._connected is None:
                client = _new_client(self.endpoint, self._transport)
                self._prefix = f"/v{self._agreed_version(client)}"
                self._connected = client
            return self._connected

    def _agreed_version(self, client: httpx.Client) -> str:
        import httpx

        try:
            offered = client.get("/_ping", timeout=_limits(ANSWER_SECONDS)).headers.get("api-version", "")
        except httpx.TransportError as error:
            raise engine_error(error, self.endpoint, "GET /_ping") from error
        try:
            major, minor = (int(part) for part in offered.split("."))
        except ValueError as error:
            raise EngineError(f"What answers at {self.endpoint.url} is not a Docker engine") from error
        return ".".join(str(part) for part in min((major, minor), NEWEST_VERSION))


def hang_up(response: httpx.Response) -> None:
    """Make a thread that reads this response see its end at once; closing alone would leave it waiting."""
    connection = response.extensions["network_stream"].get_extra_info("socket")
    with suppress(OSError):
        connection.shutdown(sockets.SHUT_RDWR)


def _send(client: httpx.Client, request: httpx.Request) -> httpx.Response:
    """Send a request; a question whose kept-alive connection breaks is asked once more, on a new one."""
    import httpx

    try:
        return client.send(request)
    except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
        if request.method != "GET":
            raise
        return client.send(request)


def _checked(answer: Answer, allowed: tuple[int, ...]) -> Answer:
    if answer.status >= 400 and answer.status not in allowed:
        raise EngineError(f"Docker refused: {answer.message}")
    return answer


def _limits(seconds: float | None) -> httpx.Timeout:
    import httpx

    return httpx.Timeout(seconds, connect=CONNECT_SECONDS)


def _new_client(endpoint: Endpoint, transport: httpx.BaseTransport | None) -> httpx.Client:
    import httpx

    # trust_env: a proxy of the operator's is not meant for the engine.
    return httpx.Client(transport=transport or _new_transport(endpoint), base_url=endpoint.base_url, trust_env=False)


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
