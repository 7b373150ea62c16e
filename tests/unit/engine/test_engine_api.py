from __future__ import annotations

import errno
import socket
import threading
from http.client import RemoteDisconnected
from pathlib import Path

import pytest

from envmgr.engine.api import Answer, Api
from envmgr.engine.context import Endpoint
from envmgr.engine.failures import engine_error
from envmgr.engine.wire import Request, Unconnected
from envmgr.errors import EngineError
from tests.fakes.played import Told, api_of, api_playing, path_of, refusal, reply
from tests.unit.engine.serving import PING, on_a_port, saying, whole

SOCKET = Endpoint("unix:///run/docker.sock")


def test_asks_in_the_version_that_both_speak():
    api, played = api_of({"GET /info": reply(200, {"NCPU": 2})})
    assert api.get("/info") == {"NCPU": 2}
    assert played.paths == ["GET /info"]


@pytest.mark.parametrize(("offered", "used"), [("1.45", "/v1.45/info"), ("1.9", "/v1.9/info"), ("2.0", "/v1.51/info")])
def test_an_older_engine_sets_the_version_a_newer_one_does_not(offered, used):
    asked = []

    def answer(request: Request) -> Told:
        asked.append(path_of(request))
        return Told(200, b"{}", {"Api-Version": offered})

    api_playing(answer).get("/info")
    assert asked == ["/_ping", used]


def test_something_else_that_listens_is_no_engine():
    api, _ = api_of({}, version="")
    with pytest.raises(EngineError, match=r"What answers at unix:///run/docker\.sock is not a Docker engine"):
        api.get("/info")


def test_a_refusal_carries_the_engines_words():
    api, _ = api_of({"GET /containers/x/json": refusal(404, "No such container: x")})
    with pytest.raises(EngineError, match="Docker refused: No such container: x") as caught:
        api.get("/containers/x/json")
    assert caught.value.exit_code == 4


def test_an_allowed_refusal_is_an_answer():
    api, _ = api_of({"GET /containers/x/json": refusal(404, "gone")})
    assert api.call("GET", "/containers/x/json", allowed=(404,)).message == "gone"


def test_a_message_without_a_document():
    assert Answer(500, b"<html>", "").message == "<html>"
    assert Answer(500, b"", "").message == "status 500"
    assert Answer(500, b"[]", "").message == "[]"


def failing(cause: Exception) -> Unconnected:
    """What the wire makes of a failed connect."""
    failed = Unconnected(str(cause))
    failed.__cause__ = cause
    return failed


@pytest.mark.parametrize(
    ("error", "says", "helps"),
    [
        (
            failing(OSError(errno.ENOENT, "why")),
            "Docker is not running: there is no socket /run/docker.sock",
            "make docker-dev",
        ),
        (
            failing(OSError(errno.ECONNREFUSED, "why")),
            "Docker is not running: nothing answers at unix://",
            "start Docker",
        ),
        (
            failing(OSError(errno.EACCES, "why")),
            "No permission to use the Docker socket /run/docker.sock",
            "docker group",
        ),
        (failing(socket.gaierror(-2, "no such host")), "cannot be reached: [Errno -2] no such host", "start Docker"),
        (failing(TimeoutError("slow")), "does not take connections", "restart Docker"),
        (TimeoutError("slow"), "did not answer in time: GET /info", "restart Docker"),
        (RemoteDisconnected("peer closed"), "broke the connection: GET /info", "try again"),
    ],
)
def test_every_failure_says_what_to_do(error, says, helps):
    found = engine_error(error, SOCKET, "GET /info")
    assert says in found.message
    assert helps in found.help
    assert found.exit_code == 4


def test_a_failure_below_a_request_is_translated_and_kept_as_the_cause():
    lost = ConnectionResetError("reset")
    api, _ = api_of({"GET /info": lost})
    with pytest.raises(EngineError, match="broke the connection") as caught:
        api.get("/info")
    assert caught.value.__cause__ is lost


def test_certificates_that_are_not_there(tmp_path):
    api = Api(Endpoint("tcp://far:2376", tls_folder=tmp_path))
    with pytest.raises(EngineError, match=r"certificates in .* cannot be used"):
        api.get("/info")


@pytest.mark.spawns
def test_no_socket(tmp_path):
    with pytest.raises(EngineError, match="there is no socket"):
        Api(Endpoint(f"unix://{tmp_path}/docker.sock")).get("/info")


@pytest.mark.spawns
def test_a_socket_that_nobody_listens_on(tmp_path):
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with pytest.raises(EngineError, match="nothing answers"):
        Api(Endpoint(f"unix://{path}")).get("/info")


@pytest.mark.spawns
def test_an_engine_that_hangs(tmp_path):
    def ping(listener: socket.socket) -> None:
        taken, _ = listener.accept()
        taken.recv(1000)
        taken.sendall(b"HTTP/1.1 200 OK\r\nApi-Version: 1.51\r\nContent-Length: 0\r\n\r\n")
        taken.recv(1000)
        hold.wait(5)
        taken.close()

    hold = threading.Event()
    path = Path(tmp_path) / "docker.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        threading.Thread(target=ping, args=(listener,), daemon=True).start()
        with pytest.raises(EngineError, match="did not answer in time: GET /info"):
            Api(Endpoint(f"unix://{path}")).call("GET", "/info", timeout=0.1)
        hold.set()


@pytest.mark.spawns
def test_a_proxy_of_the_operators_is_not_used(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("ALL_PROXY", "socks5://proxy.example:1080")
    with on_a_port(saying(PING, whole(b"[]"))) as served:
        assert Api(served.endpoint).get("/networks") == []


def test_close_forgets_the_connection():
    api, played = api_of({"GET /info": [reply(200, {}), reply(200, {})]})
    api.get("/info")
    api.close()
    api.close()
    api.get("/info")
    assert played.paths == ["GET /info", "GET /info"]
