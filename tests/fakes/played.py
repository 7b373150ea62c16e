"""An engine's answers, played back to the real adapter without a socket."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from envmgr.engine.api import Api
from envmgr.engine.context import Endpoint
from envmgr.engine.wire import Request


class Told:
    """An answer; `pieces_of` makes its content while it is read."""

    def __init__(
        self,
        status: int,
        content: bytes = b"",
        headers: Mapping[str, str] | None = None,
        pieces_of: Callable[[], Iterator[bytes]] | None = None,
        on_hang_up: Callable[[], None] = lambda: None,
    ) -> None:
        self.status = status
        self._headers = {name.lower(): value for name, value in (headers or {}).items()}
        self.pieces = pieces_of or (lambda: iter([content] if content else []))
        self.hang_up = on_hang_up

    def header(self, name: str) -> str:
        return self._headers.get(name.lower(), "")

    def read(self) -> bytes:
        return b"".join(self.pieces())

    def close(self) -> None:
        pass


Reply = Told | Exception


def reply(status: int, document: Any = None) -> Told:
    return Told(status, b"" if document is None else json.dumps(document).encode())


def refusal(status: int, message: str) -> Told:
    return reply(status, {"message": message})


class PlayedWire:
    """A connection on which a function answers."""

    def __init__(self, answer: Callable[[Request], Told]) -> None:
        self.ask = answer

    def close(self) -> None:
        pass


def path_of(request: Request) -> str:
    return unquote(urlsplit(request.path).path)


def params_of(request: Request) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(request.path).query, keep_blank_values=True))


class Played:
    """Replies by method and path; keeps what was asked."""

    def __init__(self, replies: dict[str, Reply | list[Reply]], version: str) -> None:
        self.replies = replies
        self.version = version
        self.asked: list[tuple[str, Any]] = []

    def __call__(self, request: Request) -> Told:
        if path_of(request) == "/_ping":
            return Told(200, headers={"Api-Version": self.version} if self.version else {})
        what = f"{request.method} {path_of(request).removeprefix('/v1.51')}"
        self.asked.append((what, json.loads(request.body) if request.body else params_of(request)))
        found = self.replies[what]
        if isinstance(found, list):
            found = found.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    @property
    def paths(self) -> list[str]:
        return [what for what, _ in self.asked]


def api_playing(answer: Callable[[Request], Told]) -> Api:
    """Return a client that a function answers."""
    return Api(Endpoint("unix:///run/docker.sock"), lambda: PlayedWire(answer))


def api_of(replies: dict[str, Reply | list[Reply]], version: str = "1.51") -> tuple[Api, Played]:
    """Return a client of these replies, and what it will have asked."""
    played = Played(replies, version)
    return api_playing(played), played
