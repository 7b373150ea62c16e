"""Probes: what counts as good, and that a failure is a result with the program's own words."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from envmgr.engine.protocol import TIMED_OUT
from envmgr.errors import EngineError
from envmgr.health.probe import Prober
from envmgr.model.observed import ExecResult
from envmgr.model.secret import SecretRef
from envmgr.model.stack import Command, CommandProbe, HttpProbe
from envmgr.secrets.vault import Vault

PASSWORD = SecretRef("PASSWORD", "dev")
COMMAND = Command("dev", "app", ("check", "-q"), {"PGPASSWORD": (PASSWORD,)}, timeout=7)
VAULT = Vault().with_target("dev", {"PASSWORD": "hunter2"})


class Engine:
    """Answers `exec` as it was told, and remembers what it was asked."""

    def __init__(self, answer: ExecResult | EngineError) -> None:
        self.answer = answer
        self.asked: list[tuple[str, tuple[str, ...], dict[str, str], float]] = []

    def exec(self, container_id: str, argv: tuple[str, ...], variables: Mapping[str, str], timeout: float):
        self.asked.append((container_id, argv, dict(variables), timeout))
        if isinstance(self.answer, EngineError):
            raise self.answer
        return self.answer


def prober(answer: ExecResult | EngineError, running: Mapping[tuple[str, str], str] | None = None) -> Prober:
    found = {("dev", "app"): "app-id"} if running is None else running
    return Prober(Engine(answer), VAULT.fill_all, lambda target, service: found.get((target, service)))


def test_a_command_that_succeeds_is_good():
    one = prober(ExecResult(0, "whatever it prints"))
    result = one.run(CommandProbe(COMMAND))
    assert (result.is_good, result.message, result.latency >= 0) == (True, "", True)
    assert one.engine.asked == [("app-id", ("check", "-q"), {"PGPASSWORD": "hunter2"}, 7)]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (ExecResult(1, "first\n  NOAUTH Authentication required.  \n\n"), "NOAUTH Authentication required."),
        (ExecResult(3, ""), "exit code 3"),
        (ExecResult(TIMED_OUT, " \n"), "exit code 124"),
        (ExecResult(1, "x" * 1000), "x" * 300),
        (EngineError("Docker went away"), "Docker went away"),
    ],
)
def test_a_command_that_fails_says_why(answer: ExecResult | EngineError, message: str):
    result = prober(answer).run(CommandProbe(COMMAND))
    assert (result.is_good, result.message) == (False, message)


def test_a_service_that_does_not_run_is_not_asked():
    one = prober(ExecResult(0, ""), running={("stage", "app"): "other"})
    result = one.run(CommandProbe(COMMAND))
    assert (result.is_good, result.message) == (False, "app of dev does not run")
    assert one.engine.asked == []


# ---- over HTTP, with a real server on the loopback


class Answers(BaseHTTPRequestHandler):
    """Answers with the status that the path names."""

    release = threading.Event()

    def do_GET(self) -> None:
        if self.path == "/slow":
            self.release.wait(5)
        status = int(self.path.strip("/")) if self.path.strip("/").isdigit() else 200
        body = b"line one\nno database\n"
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        return None


@pytest.fixture
def port() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    Answers.release.clear()
    yield server.server_port
    Answers.release.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def get(port: int) -> Callable[..., tuple[bool, str]]:
    def got(path: str, at: int = port, **fields: float) -> tuple[bool, str]:
        result = prober(ExecResult(0, "")).run(HttpProbe(at, path, **fields))
        return result.is_good, result.message.replace(str(port), "PORT")

    return got


@pytest.mark.spawns
@pytest.mark.parametrize("path", ["/200", "/204", "/health?full=1"])
def test_2xx_is_good(get, path: str):
    assert get(path) == (True, "")


@pytest.mark.spawns
@pytest.mark.parametrize("status", [301, 404, 500, 503])
def test_another_status_is_not_and_its_body_says_why(get, status: int):
    assert get(f"/{status}") == (False, f"GET http://127.0.0.1:PORT/{status}: {status} no database")


@pytest.mark.spawns
def test_no_answer_in_time_is_a_result(get):
    is_good, message = get("/slow", timeout=0.05)
    assert (is_good, message) == (False, "GET http://127.0.0.1:PORT/slow: timed out")


@pytest.mark.spawns
def test_nobody_listening_is_a_result(get):
    is_good, message = get("/health", at=1)
    assert (is_good, message.endswith("Connection refused")) == (False, True)


@pytest.mark.spawns
def test_a_proxy_of_the_operator_is_not_asked(get, monkeypatch: pytest.MonkeyPatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert get("/200") == (True, "")
