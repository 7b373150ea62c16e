"""HTTP over real sockets: what is sent, what is read in whichever form, and what breaks."""

from __future__ import annotations

import threading
import time
from http.client import HTTPException
from pathlib import Path

import pytest

from envmgr.engine.api import Api
from envmgr.engine.context import Endpoint
from envmgr.engine.events import subscribe
from envmgr.engine.wire import HttpWire, Request, Unconnected
from envmgr.errors import EngineError
from tests.unit.engine.serving import PING, on_a_port, on_a_socket, request_of, saying, whole

pytestmark = pytest.mark.spawns

INFO = Request("GET", "/info", seconds=5)
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_what_is_sent(tmp_path: Path):
    with on_a_socket(tmp_path, saying(PING, whole(b"{}", "Content-Type: application/json"))) as served:
        answer = Api(served.endpoint).call("POST", "/images/a b/x", params={"t": 1, "f": "a&b"}, body={"é": 1})
        assert (answer.status, answer.content, answer.content_type) == (200, b"{}", "application/json")
    head, _, body = served.asked[1].partition(b"\r\n\r\n")
    line, *headers = head.decode().split("\r\n")
    assert line == "POST /v1.51/images/a%20b/x?t=1&f=a%26b HTTP/1.1"
    assert {"Host: docker", "Content-Type: application/json", f"Content-Length: {len(body)}"} <= set(headers)
    assert body == b'{"\\u00e9": 1}'


def test_bytes_are_sent_as_they_are_and_nothing_as_nothing(tmp_path: Path):
    with on_a_socket(tmp_path, saying(PING, whole(b""), whole(b""))) as served:
        api = Api(served.endpoint)
        api.call("PUT", "/archive", body=b"\0tar")
        api.call("POST", "/start")
    assert served.asked[1].endswith(b"\r\n\r\n\0tar")
    assert b"Content-Type" not in served.asked[1]
    assert b"Content-Length: 0" in served.asked[2]


def test_over_tcp_below_a_path():
    with on_a_port(saying(PING, whole(b"[]"))) as served:
        assert Api(served.endpoint).get("/networks") == []
    assert served.asked[1].startswith(b"GET /engine/v1.51/networks HTTP/1.1\r\nHost: 127.0.0.1:")


def test_one_connection_serves_one_request_after_another(tmp_path: Path):
    with on_a_socket(tmp_path, saying(PING, whole(b"1"), whole(b"2"), b"HTTP/1.1 204 No Content\r\n\r\n")) as served:
        api = Api(served.endpoint)
        assert [api.get("/a"), api.get("/b")] == [1, 2]
        assert api.call("POST", "/c").content == b""
        assert served.connections == 1


def test_a_connection_that_the_engine_has_closed_meanwhile_is_made_anew(tmp_path: Path):
    with on_a_socket(tmp_path, saying(PING, then_closes=True)) as served:
        wire = HttpWire(served.endpoint)
        for number in range(1, 4):
            assert wire.ask(INFO).read() == b""
            assert served.connections == number
            wait_for_the_end(wire)


def wait_for_the_end(wire: HttpWire) -> None:
    deadline = time.monotonic() + 5
    while wire._is_idle():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_an_answer_that_was_not_read_to_its_end_costs_the_connection(tmp_path: Path):
    with on_a_socket(tmp_path, saying(whole(b"x" * 10), whole(b"y"))) as served:
        wire = HttpWire(served.endpoint)
        wire.ask(INFO).close()
        wire.ask(INFO).read()
        assert served.connections == 2


@pytest.mark.parametrize(
    "answer",
    [
        whole(b"onetwo"),
        CHUNKED + b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nonetwo",
        b"HTTP/1.0 200 OK\r\n\r\nonetwo",
    ],
)
def test_content_in_every_form(tmp_path: Path, answer: bytes):
    with on_a_socket(tmp_path, saying(answer, then_closes=True)) as served:
        assert HttpWire(served.endpoint).ask(INFO).read() == b"onetwo"
        assert b"".join(HttpWire(served.endpoint).ask(INFO).pieces()) == b"onetwo"


def test_pieces_come_while_the_rest_is_still_awaited(tmp_path: Path):
    goes_on = threading.Event()

    def script(taken, _served):
        request_of(taken)
        taken.sendall(CHUNKED + b"3\r\none\r\n")
        goes_on.wait(5)
        taken.sendall(b"3\r\ntwo\r\n0\r\n\r\n")

    with on_a_socket(tmp_path, script) as served:
        pieces = HttpWire(served.endpoint).ask(INFO).pieces()
        assert next(pieces) == b"one"
        goes_on.set()
        assert list(pieces) == [b"two"]


def test_who_waits_sees_the_end_when_somebody_hangs_up(tmp_path: Path):
    with on_a_socket(tmp_path, endless) as served, subscribe(Api(served.endpoint), "chat") as events:
        began = time.monotonic()
        events.close()
        assert events.get(5) is None
        assert time.monotonic() - began < 2


def endless(taken, served):
    """Answer a ping; then begin an answer, and say nothing more."""
    saying(CHUNKED if served.connections > 1 else PING)(taken, served)


@pytest.mark.parametrize(
    "answer",
    [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", CHUNKED + b"9\r\nshort", b"SSH-2.0-OpenSSH\r\n\r\n"],
)
def test_what_is_no_whole_answer_is_a_broken_connection(tmp_path: Path, answer: bytes):
    def script(taken, served):
        saying(PING)(taken, served) if served.connections > 1 else saying(PING, answer, then_closes=True)(taken, served)

    with on_a_socket(tmp_path, script) as served:
        api = Api(served.endpoint)
        with pytest.raises(EngineError, match="broke the connection: GET /info") as caught:
            api.get("/info")
        assert isinstance(caught.value.__cause__, OSError | HTTPException)


def test_after_a_failure_the_next_request_has_a_new_connection(tmp_path: Path):
    def script(taken, served):
        first = served.connections == 1
        saying(*([PING, b"junk\r\n\r\n"] if first else [whole(b"7")]), then_closes=first)(taken, served)

    with on_a_socket(tmp_path, script) as served:
        api = Api(served.endpoint)
        with pytest.raises(EngineError):
            api.get("/info")
        assert api.get("/info") == 7


def test_nobody_there(tmp_path: Path):
    for url in (f"unix://{tmp_path}/none", "tcp://127.0.0.1:1", f"unix://{'x' * 200}"):
        with pytest.raises(Unconnected):
            HttpWire(Endpoint(url)).ask(INFO)


def test_something_that_speaks_no_tls(tmp_path: Path):
    with on_a_port(lambda taken, _: taken.sendall(b"junk\r\n")) as served:
        endpoint = Endpoint(served.endpoint.url, tls_folder=tmp_path, verifies=False)
        with pytest.raises(EngineError, match="cannot be reached"):
            Api(endpoint).get("/info")
