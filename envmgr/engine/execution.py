"""Run a program inside a running container over the API, so that no variable stands on a command line."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from envmgr.engine.api import ANSWER_SECONDS, Api
from envmgr.engine.failures import engine_error
from envmgr.engine.protocol import TIMED_OUT
from envmgr.engine.stream import Demultiplexer
from envmgr.engine.wire import FAILURES, Response
from envmgr.errors import EngineError
from envmgr.model.observed import ExecResult

POLL_SECONDS = 0.005


def run(api: Api, container_id: str, argv: tuple[str, ...], variables: Mapping[str, str], timeout: float) -> ExecResult:
    """Run a program and return its exit code and output."""
    deadline = time.monotonic() + timeout
    exec_id = _create(api, container_id, argv, variables)
    output = _output(api, exec_id, deadline)
    code = _exit_code(api, exec_id, deadline)
    return timed_out(output, timeout) if code is None else ExecResult(code, output)


def timed_out(output: str, timeout: float) -> ExecResult:
    """Return what a program that is still running at its deadline amounts to."""
    gap = "\n" if output and not output.endswith("\n") else ""
    return ExecResult(TIMED_OUT, f"{output}{gap}timed out after {timeout:g} s")


def _create(api: Api, container_id: str, argv: tuple[str, ...], variables: Mapping[str, str]) -> str:
    body = {
        "Cmd": list(argv),
        "Env": [f"{name}={value}" for name, value in variables.items()],
        "AttachStdout": True,
        "AttachStderr": True,
    }
    answer = api.call("POST", f"/containers/{container_id}/exec", body=body, allowed=(404, 409))
    if answer.status >= 400:
        raise EngineError(f"'{argv[0]}' cannot run inside the container: {answer.message}", help="envmgr status")
    return str(answer.json()["Id"])


def _output(api: Api, exec_id: str, deadline: float) -> str:
    """Return what was written until the end or the deadline."""
    frames = Demultiplexer()
    texts: list[str] = []
    body = {"Detach": False, "Tty": False}
    # The silence only ends the wait for an engine that hangs; `_cut_at` ends the wait for the program.
    silence = max(deadline - time.monotonic(), 0) + ANSWER_SECONDS
    try:
        with (
            api.stream("POST", f"/exec/{exec_id}/start", body=body, silence=silence) as response,
            _cut_at(response, deadline),
        ):
            for data in response.pieces():
                texts.append(frames.feed(data))
    except FAILURES as error:
        if time.monotonic() < deadline:
            raise engine_error(error, api.endpoint, "reading the output of a command") from error
    return "".join(texts) + frames.finish()


@contextmanager
def _cut_at(response: Response, deadline: float) -> Iterator[None]:
    """End a response at a deadline; a read timeout would start anew with each line that comes."""
    timer = threading.Timer(max(deadline - time.monotonic(), 0), response.hang_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _exit_code(api: Api, exec_id: str, deadline: float) -> int | None:
    """Return the exit code, or None when it still runs at the deadline.

    The code comes some milliseconds after the end of the output. A program that ended while a child of its own holds
    the output open has one at the deadline, for which the engine takes two more seconds.
    """
    while True:
        found: dict[str, Any] = api.get(f"/exec/{exec_id}/json")
        if not found["Running"] and found["ExitCode"] is not None:
            return int(found["ExitCode"])
        if time.monotonic() >= deadline:
            return None
        time.sleep(POLL_SECONDS)
