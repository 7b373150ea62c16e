"""Healthchecks over HTTP: the program, where it asks, and what it takes for healthy."""

from __future__ import annotations

import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from envmgr.catalog.http import bash, curl
from envmgr.model.stack import Healthcheck


def test_curl_asks_the_loopback_and_fails_on_a_refusal():
    flags = ("-sS", "--noproxy", "*", "--globoff", "--fail-with-body", "-m", "4")
    assert curl(9000, "/live") == Healthcheck(("CMD", "curl", *flags, "http://127.0.0.1:9000/live"))
    assert curl(9000, "/live", interval=60).interval == 60


def test_bash_needs_no_program_beside_itself():
    check = bash(6333, "/readyz", interval=30)
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
    check = bash(server.server_port, "/readyz")
    done = subprocess.run(check.test[1:], capture_output=True, text=True, timeout=20)
    server.server_close()
    assert (done.returncode, asked) == (code, [("/readyz", "127.0.0.1")])
    assert done.stdout.split()[1] == str(status)


@pytest.mark.spawns
def test_bash_fails_where_nobody_listens():
    server = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    port = server.server_port
    server.server_close()
    done = subprocess.run(bash(port, "/").test[1:], capture_output=True, text=True, timeout=20)
    assert done.returncode != 0
