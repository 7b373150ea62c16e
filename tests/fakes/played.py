"""An engine's answers, played back to the real adapter without a socket."""

from __future__ import annotations

import json
from typing import Any

import httpx

from envmgr.engine.api import Api
from envmgr.engine.context import Endpoint

Reply = httpx.Response | Exception


def reply(status: int, document: Any = None) -> httpx.Response:
    return httpx.Response(status, json=document) if document is not None else httpx.Response(status)


def refusal(status: int, message: str) -> httpx.Response:
    return httpx.Response(status, json={"message": message})


class Played:
    """Replies by method and path; keeps what was asked."""

    def __init__(self, replies: dict[str, Reply | list[Reply]], version: str) -> None:
        self.replies = replies
        self.version = version
        self.asked: list[tuple[str, Any]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/_ping":
            return httpx.Response(200, headers={"Api-Version": self.version} if self.version else {})
        what = f"{request.method} {request.url.path.removeprefix('/v1.51')}"
        self.asked.append((what, json.loads(request.content) if request.content else dict(request.url.params)))
        found = self.replies[what]
        if isinstance(found, list):
            found = found.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    @property
    def paths(self) -> list[str]:
        return [what for what, _ in self.asked]


def api_of(replies: dict[str, Reply | list[Reply]], version: str = "1.51") -> tuple[Api, Played]:
    """Return a client of these replies, and what it will have asked."""
    played = Played(replies, version)
    return Api(Endpoint("unix:///run/docker.sock"), httpx.MockTransport(played)), played
