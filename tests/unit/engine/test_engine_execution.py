from __future__ import annotations

import threading
import time

import pytest

from envmgr.engine import execution
from envmgr.engine.stream import HEADER
from envmgr.errors import EngineError
from envmgr.model.observed import ExecResult
from tests.fakes.played import Told, api_of, refusal, reply


class Output:
    """The output of a command: chunks, then silence until somebody hangs up where `hangs`."""

    def __init__(self, *chunks: bytes, hangs: bool = False) -> None:
        self.chunks, self.hangs = chunks, hangs
        self.hung_up = threading.Event()

    def __iter__(self):
        yield from self.chunks
        if self.hangs:
            assert self.hung_up.wait(5)


def started(output: Output) -> Told:
    return Told(200, pieces_of=lambda: iter(output), on_hang_up=output.hung_up.set)


def engine(output: Output, *states: tuple[bool, int | None]):
    return api_of(
        {
            "POST /containers/c/exec": reply(201, {"Id": "e"}),
            "POST /exec/e/start": started(output),
            "GET /exec/e/json": [reply(200, {"Running": running, "ExitCode": code}) for running, code in states],
        }
    )


def frame(stream: int, payload: bytes) -> bytes:
    return HEADER.pack(stream, len(payload)) + payload


def test_a_command_its_output_and_its_exit_code():
    api, played = engine(Output(frame(1, b"out\n"), frame(2, b"err\n")), (False, 3))
    assert execution.run(api, "c", ("sh", "-c", "x"), {"A": "b=c", "P": "$'\""}, 5) == ExecResult(3, "out\nerr\n")
    assert played.asked[:2] == [
        (
            "POST /containers/c/exec",
            {"Cmd": ["sh", "-c", "x"], "Env": ["A=b=c", "P=$'\""], "AttachStdout": True, "AttachStderr": True},
        ),
        ("POST /exec/e/start", {"Detach": False, "Tty": False}),
    ]


def test_the_exit_code_comes_after_the_output():
    api, played = engine(Output(), (True, None), (True, None), (False, 0))
    assert execution.run(api, "c", ("true",), {}, 5).exit_code == 0
    assert played.paths.count("GET /exec/e/json") == 3


def test_at_the_deadline_the_output_so_far():
    api, _ = engine(Output(frame(1, b"so far"), hangs=True), (True, None))
    began = time.monotonic()
    assert execution.run(api, "c", ("sleep",), {}, 0.1) == ExecResult(124, "so far\ntimed out after 0.1 s")
    assert time.monotonic() - began < 2


def test_a_program_that_ended_while_its_child_holds_the_output():
    api, _ = engine(Output(frame(1, b"bg\n"), hangs=True), (False, 5))
    assert execution.run(api, "c", ("sh",), {}, 0.1) == ExecResult(5, "bg\n")


def test_a_program_that_closes_its_output_and_goes_on():
    api, _ = engine(Output(frame(1, b"bye\n")), *[(True, None)] * 500)
    assert execution.run(api, "c", ("sh",), {}, 0.05) == ExecResult(124, "bye\ntimed out after 0.05 s")


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (
            refusal(409, "container c is not running"),
            "'psql' cannot run inside the container: container c is not running",
        ),
        (refusal(409, "Container c is paused, unpause the container before exec"), "is paused"),
        (refusal(404, "No such container: c"), "No such container: c"),
    ],
)
def test_a_container_that_does_not_run(answer, says):
    with pytest.raises(EngineError, match=says) as caught:
        execution.run(api_of({"POST /containers/c/exec": answer})[0], "c", ("psql",), {"PGPASSWORD": "hunter2"}, 5)
    assert "hunter2" not in str(caught.value)


def test_a_connection_that_breaks_before_the_deadline():
    class Broken(Output):
        def __iter__(self):
            yield frame(1, b"half")
            raise ConnectionResetError("reset")

    with pytest.raises(EngineError, match="broke the connection: reading the output"):
        execution.run(engine(Broken(), (False, 0))[0], "c", ("true",), {}, 5)
