"""What every stand-in needs: settings from variables or files, credentials from a request, and a server that stops."""

from __future__ import annotations

import base64
import binascii
import os
import secrets
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

import uvicorn
from starlette.requests import Request

_SECONDS_TO_STOP = 3


class WrongSetting(Exception):
    """A variable, or the file that one names, cannot be used."""


def setting(name: str, default: str = "", *, file_suffix: str = "_FILE") -> str:
    """Return a variable's value, or the content of the file that its `_FILE` twin names."""
    path = os.environ.get(name + file_suffix, "")
    if not path:
        return os.environ.get(name, default)
    if os.environ.get(name):
        raise WrongSetting(f"{name} and {name}{file_suffix} are both set")
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise WrongSetting(f"{name}{file_suffix} names {path}, which cannot be read: {error}") from error


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


def same(left: str, right: str) -> bool:
    """Compare two secrets in a time that does not depend on them."""
    return secrets.compare_digest(left.encode(), right.encode())


def writable(folder: Path) -> Path:
    """Return a data folder that can be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WrongSetting(f"{folder} cannot be made: {error.strerror}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise WrongSetting(f"{folder} is not writable for uid {os.getuid()}")
    return folder


def run(title: str, make_app: Callable[[], Any], port: int) -> None:
    """Serve an application on all addresses until a signal; refuse with one sentence what cannot start."""
    try:
        app = make_app()
    except WrongSetting as error:
        fail(title, str(error))
    sys.stderr.write(f"{title}: a stand-in, not the real server, listens on port {port}\n")
    uvicorn.run(
        app,
        host="0.0.0.0",  # noqa: S104 - in a container every client is remote
        port=port,
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=_SECONDS_TO_STOP,
    )


def fail(title: str, sentence: str) -> NoReturn:
    """Stop because the container cannot serve as configured."""
    sys.stderr.write(f"{title}: {sentence}\n")
    raise SystemExit(1)


async def body_of(request: Request, limit: int) -> bytes | None:
    """Return a request's body, none when it is larger than `limit` bytes."""
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            return None
        chunks.append(chunk)
    return b"".join(chunks)
