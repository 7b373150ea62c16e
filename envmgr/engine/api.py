"""Speak HTTP to the engine, over its socket; it knows no object of the engine, only requests and answers."""

from __future__ import annotations

import json
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from typing import Any
from urllib.parse import quote, urlencode

from envmgr.engine.context import Endpoint
from envmgr.engine.failures import engine_error
from envmgr.engine.wire import FAILURES, HttpWire, Request, Response, Wire
from envmgr.errors import EngineError
from envmgr.model.value import dataclass

NEWEST_VERSION = (1, 51)
"""Newest version of the API that this was tried with (Engine 28); a newer engine still speaks it."""
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
    """Requests to one engine; may be used from several threads, each of which has a connection of its own."""

    def __init__(self, endpoint: Endpoint, connect: Callable[[], Wire] | None = None) -> None:
        """Connect to nothing yet; a test may bring connections of its own."""
        self.endpoint = endpoint
        self._connect = connect or (lambda: HttpWire(endpoint))
        self._mine = threading.local()
        self._all: weakref.WeakSet[Wire] = weakref.WeakSet()
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
        wire = self._connected()
        request = _request(method, self._version + path, params, body, timeout)
        with self._translating(f"{method} {path}"):
            answer = _whole(wire.ask(request))
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
    ) -> Iterator[Response]:
        """Send a request and yield the answer while its content still comes; `silence` bounds each wait for more.

        It has a connection for itself. What reading it raises is one of the wire's `FAILURES`.
        """
        self._connected()
        request = _request(method, self._version + path, params, body, silence)
        with closing(self._connect()) as wire:
            with self._translating(f"{method} {path}"):
                got = wire.ask(request)
                if got.status >= 400:
                    _checked(_whole(got), ())
            try:
                yield got
            finally:
                got.close()

    def close(self) -> None:
        """Drop every connection."""
        with self._lock:
            for wire in tuple(self._all):
                wire.close()
            self._all.clear()
            self._mine = threading.local()

    def _connected(self) -> Wire:
        wire: Wire | None = getattr(self._mine, "wire", None)
        if wire is None:
            wire = self._connect()
            self._agree(wire)
            self._mine.wire = wire
        return wire

    def _agree(self, wire: Wire) -> None:
        with self._lock:
            self._version = self._version or f"/v{self._agreed_version(wire)}"
            self._all.add(wire)

    def _agreed_version(self, wire: Wire) -> str:
        with self._translating("GET /_ping"):
            got = wire.ask(_request("GET", "/_ping", None, None, ANSWER_SECONDS))
            offered = got.header("Api-Version")
            _whole(got)
        try:
            major, minor = (int(part) for part in offered.split("."))
        except ValueError as error:
            raise EngineError(f"What answers at {self.endpoint.url} is not a Docker engine") from error
        return ".".join(str(part) for part in min((major, minor), NEWEST_VERSION))

    @contextmanager
    def _translating(self, what: str) -> Iterator[None]:
        try:
            yield
        except FAILURES as error:
            raise engine_error(error, self.endpoint, what) from error


def _request(
    method: str,
    path: str,
    params: Parameters | None,
    body: Mapping[str, Any] | bytes | None,
    seconds: float | None,
) -> Request:
    query = f"?{urlencode(params)}" if params else ""
    whole = quote(path, safe="/:@%") + query
    if body is None or isinstance(body, bytes):
        return Request(method, whole, body, {}, seconds)
    return Request(method, whole, json.dumps(body).encode(), {"Content-Type": "application/json"}, seconds)


def _whole(got: Response) -> Answer:
    try:
        return Answer(got.status, got.read(), got.header("Content-Type"))
    finally:
        got.close()


def _checked(answer: Answer, allowed: tuple[int, ...]) -> Answer:
    if answer.status >= 400 and answer.status not in allowed:
        raise EngineError(f"Docker refused: {answer.message}")
    return answer
