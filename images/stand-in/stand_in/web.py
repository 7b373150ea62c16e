"""A web server that stops at once, and what a stand-in reads from a request."""

from __future__ import annotations

import base64
import binascii
import sys
from collections.abc import Callable, Mapping
from typing import Any

import uvicorn
from starlette.requests import Request

from stand_in.settings import WrongSetting, fail

_SECONDS_TO_STOP = 3


def run(title: str, make_app: Callable[[], Any], port: int) -> None:
    """Serve an application until a signal; refuse with one sentence what cannot start."""
    try:
        app = make_app()
    except WrongSetting as error:
        fail(title, str(error))
    sys.stderr.write(f"{title}: a stand-in, not the real server, listens on port {port}\n")
    server(app, port).run()


def server(app: Any, port: int) -> uvicorn.Server:
    """Return a server on all addresses."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            host="0.0.0.0",  # noqa: S104 - in a container every client is remote
            port=port,
            access_log=False,
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=_SECONDS_TO_STOP,
        )
    )


def basic_credentials(headers: Mapping[str, str]) -> tuple[str, str] | None:
    """Return name and password of a request with basic authentication."""
    scheme, _, encoded = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, separator, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (name, password) if separator else None


async def body_of(request: Request, limit: int) -> bytes | None:
    """Return a request's body, none when it is larger than `limit` bytes."""
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            return None
        chunks.append(chunk)
    return b"".join(chunks)
