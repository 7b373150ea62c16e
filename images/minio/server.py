"""Serve S3, health and the console's port: decide who may reach which bucket, and let rclone do the rest.

rclone checks the signature of every request, so what is decided here by the access key alone is decided for its owner.
Requests pass unchanged, the host's name included, and bodies are streamed both ways.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, unquote
from xml.sax.saxutils import escape

import httpx
from stand_in.settings import WrongSetting, fail, writable
from stand_in.web import body_of, server
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from state import State, User, root_user

_RCLONE = ("127.0.0.1", 9002)
_DIRECTORY_CACHE = ("--dir-cache-time", "10ms")
"""How long a user may see what another has changed; rclone sets a timer of twice this per folder, so zero spins a core."""
_METHODS = ["GET", "HEAD", "PUT", "POST", "DELETE"]
_NOT_FORWARDED = {b"connection", b"keep-alive", b"expect", b"transfer-encoding"}
_NOT_RETURNED = {b"connection", b"keep-alive", b"transfer-encoding", b"date"}
_CLOSING = ("connection", "close")
"""On errors: a client that waits with its body for our word keeps it then, and the connection would be out of step."""
_DELETION_LIMIT = 10 * 1024 * 1024
"""Bytes; rclone's own limit for the list of a deletion."""
_SECONDS_TO_STOP = 3
_SHORTEST_PASSWORD = 8


class Refused(Exception):
    """A request that does not reach rclone; `args` are the S3 error's code and message."""


class Front:
    """The S3 port of one data folder."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._ways: dict[str, httpx.AsyncHTTPTransport] = {}

    def app(self) -> Starlette:
        """Return the application with all routes."""
        health = "/minio/health"
        return Starlette(
            routes=[
                Route(f"{health}/live", _live, methods=["GET", "HEAD"]),
                *(Route(f"{health}/{name}", _ready, methods=["GET", "HEAD"]) for name in ("ready", "cluster")),
                Route("/minio/v2/metrics/cluster", self._metrics),
                Route("/{path:path}", self._answer, methods=_METHODS),
            ]
        )

    async def _answer(self, request: Request) -> Response:
        try:
            user = self._user(request)
            body = await _checked(request, user)
        except Refused as refused:
            return _error(*refused.args)
        return await self._forward(request, user, body)

    async def _metrics(self, _: Request) -> Response:
        """Return figures of the buckets to whoever asks, as `MINIO_PROMETHEUS_AUTH_TYPE=public` has it."""
        if os.environ.get("MINIO_PROMETHEUS_AUTH_TYPE") != "public":
            return _error("AccessDenied", "Access Denied.")
        usage = await asyncio.to_thread(self._state.usage)
        lines = [
            "# TYPE minio_cluster_health_status gauge",
            "minio_cluster_health_status 1",
            "# TYPE minio_bucket_usage_object_total gauge",
            *(f'minio_bucket_usage_object_total{{bucket="{name}"}} {count}' for name, (count, _) in usage.items()),
            "# TYPE minio_bucket_usage_total_bytes gauge",
            *(f'minio_bucket_usage_total_bytes{{bucket="{name}"}} {size}' for name, (_, size) in usage.items()),
        ]
        return PlainTextResponse("\n".join(lines) + "\n", media_type="text/plain; version=0.0.4")

    def _user(self, request: Request) -> User:
        key = _access_key(request)
        if key is None:
            raise Refused("AccessDenied", "Access Denied.")
        user = self._state.user(key)
        if user is None:
            raise Refused("InvalidAccessKeyId", "The Access Key Id you provided does not exist in our records.")
        return user

    async def _forward(self, request: Request, user: User, body: bytes | AsyncIterator[bytes]) -> Response:
        target = request.scope["raw_path"] + b"?" * bool(request.url.query) + request.scope["query_string"]
        onward = httpx.Request(
            request.method,
            f"http://{_RCLONE[0]}:{_RCLONE[1]}",
            headers=[pair for pair in request.headers.raw if pair[0] not in _NOT_FORWARDED],
            content=body,
            extensions={"target": target},
        )
        try:
            answer = await self._way(user).handle_async_request(onward)
        except httpx.TransportError as error:
            return _error("ServiceUnavailable", f"rclone does not answer: {error}", 503)
        response = StreamingResponse(answer.stream, answer.status_code, background=BackgroundTask(answer.aclose))
        response.raw_headers = [pair for pair in answer.headers.raw if pair[0].lower() not in _NOT_RETURNED]
        if response.status_code >= 400:
            response.headers.append(*_CLOSING)
        return response

    def _way(self, user: User) -> httpx.AsyncHTTPTransport:
        """Return connections whose own address follows from the user's secret and buckets.

        rclone keeps what it knows of an access key for minutes, per client address; so a change counts at once.
        """
        digits = self._state.fingerprint(user)[:3]
        address = ".".join(["127", *(str(1 + digit % 254) for digit in digits)])
        if address not in self._ways:
            self._ways[address] = httpx.AsyncHTTPTransport(local_address=address, retries=0)
        return self._ways[address]


async def _live(_: Request) -> Response:
    return Response()


async def _ready(_: Request) -> Response:
    return Response(status_code=200 if await asyncio.to_thread(_rclone_listens) else 503)


def _rclone_listens() -> bool:
    try:
        socket.create_connection(_RCLONE, timeout=2).close()
    except OSError:
        return False
    return True


def _access_key(request: Request) -> str | None:
    """Return the access key that a request is signed with, in its header or in its address."""
    signed = request.headers.get("authorization", "")
    if signed.startswith("AWS4-HMAC-SHA256") and "Credential=" in signed:
        credential = signed.partition("Credential=")[2]
    else:
        credential = request.query_params.get("X-Amz-Credential", "")
    return credential.partition("/")[0] or None


async def _checked(request: Request, user: User) -> bytes | AsyncIterator[bytes]:
    """Return the body to forward. Raises: `Refused` when the user may not do what is asked."""
    bucket, key = _place(request.url.path)
    query = parse_qs(request.url.query, keep_blank_values=True)
    if "delete" in query and not key:
        body = await body_of(request, _DELETION_LIMIT)
        if body is None:
            raise Refused("MalformedXML", "The list of objects to delete is too long.")
        _allow(user, "s3:DeleteObject", bucket)
        return body
    if bucket:
        _allow(user, _action(request.method, key), bucket)
    source = request.headers.get("x-amz-copy-source", "")
    if source:
        _allow(user, "s3:GetObject", _place(unquote(source))[0])
    return request.stream()


def _allow(user: User, action: str, bucket: str) -> None:
    if not user.may(action, bucket) or (action in ("s3:CreateBucket", "s3:DeleteBucket") and not user.is_root):
        raise Refused("AccessDenied", "Access Denied.")


def _place(path: str) -> tuple[str, str]:
    bucket, _, key = path.removeprefix("/").partition("/")
    if {".", ".."} & set(path.split("/")) or (key and not bucket):
        raise Refused("AccessDenied", "Access Denied.")
    return bucket, key


def _action(method: str, key: str) -> str:
    if key:
        return {"GET": "s3:GetObject", "HEAD": "s3:GetObject", "DELETE": "s3:DeleteObject"}.get(method, "s3:PutObject")
    return {"PUT": "s3:CreateBucket", "DELETE": "s3:DeleteBucket", "POST": "s3:PutObject"}.get(method, "s3:ListBucket")


def _error(code: str, message: str, status: int = 403) -> Response:
    document = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
    declared = f'<?xml version="1.0" encoding="UTF-8"?>\n{document}'
    return PlainTextResponse(declared, status, dict([_CLOSING]), media_type="application/xml")


async def _console(_: Request) -> Response:
    return HTMLResponse(
        "<!doctype html><title>Stand-in for MinIO</title><h1>A stand-in for MinIO</h1>"
        "<p>rclone serves S3 on port 9000. There is no console: use <code>mc</code> in the container."
    )


def _start_rclone(data: Path) -> subprocess.Popen[bytes]:
    proxy = f"{sys.executable} {Path(__file__).with_name('auth_proxy.py')}"
    options = ["--addr", ":".join(map(str, _RCLONE)), "--auth-proxy", proxy, "--config", "", *_DIRECTORY_CACHE]
    options += ["--multipart-streaming-buffer-limit", "32M", "--multipart-streaming-buffer-total", "64M"]
    environment = {**os.environ, "STAND_IN_DATA": str(data), "GOMEMLIMIT": "128MiB"}
    return subprocess.Popen(["rclone", "serve", "s3", *options], env=environment)


async def _serve(state: State, data: Path, port: int, console_port: int | None) -> int:
    rclone = _start_rclone(data)
    servers = [server(Front(state).app(), port)]
    if console_port:
        servers.append(server(Starlette(routes=[Route("/{path:path}", _console)]), console_port))
    ending = asyncio.create_task(asyncio.to_thread(rclone.wait))
    serving = asyncio.gather(*(one.serve() for one in servers))
    await asyncio.wait([ending, asyncio.ensure_future(serving)], return_when=asyncio.FIRST_COMPLETED)
    has_failed = ending.done()
    for one in servers:
        one.should_exit = True
    rclone.send_signal(signal.SIGTERM)
    await serving
    await ending
    return 1 if has_failed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="minio")
    parser.add_argument("command", choices=["server"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--address", default=":9000")
    parser.add_argument("--console-address", default="")
    return parser.parse_args(sys.argv[1:] or ["server", "/data"])


def _port(address: str) -> int | None:
    return int(address.rpartition(":")[2]) if address else None


def main() -> int:
    """Serve until a signal, or until rclone ends."""
    arguments = _arguments()
    try:
        if len(root_user().secret) < _SHORTEST_PASSWORD:
            raise WrongSetting("MINIO_ROOT_PASSWORD is shorter than 8 characters")
        state = State(writable(arguments.folder))
        state.prepare()
    except WrongSetting as error:
        fail("minio", str(error))
    sys.stderr.write(f"minio: a stand-in, not the real server, listens on {arguments.address}\n")
    ports = _port(arguments.address) or 9000, _port(arguments.console_address)
    return asyncio.run(_serve(state, arguments.folder, *ports))


if __name__ == "__main__":
    raise SystemExit(main())
