"""A real HTTP server for scripts that ask one: it remembers what it was asked, and answers as it is told."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Asked = tuple[str, str, str, str]
"""Method, path, body, authorization."""


@dataclass
class Server:
    """A server that remembers what it was asked, and answers as it is told."""

    port: int = 0
    answers: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Method and path → status and body; 200 and `{}` otherwise."""
    asked: list[Asked] = field(default_factory=list)

    def run(self, script: str, *, shell: str = "sh", **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a script in a shell that has these variables alone."""
        environment = {"PATH": os.environ["PATH"], **variables}
        return subprocess.run([shell, "-c", script], env=environment, capture_output=True, text=True, timeout=30)


@contextmanager
def serving() -> Iterator[Server]:
    """Serve on a free port of the loopback."""
    one = Server()

    class Answers(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            one.asked.append((self.command, self.path, body, self.headers.get("Authorization", "")))
            status, text = one.answers.get(f"{self.command} {self.path}", (200, "{}"))
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_PUT = do_POST = do_DELETE = _answer

        def log_message(self, *_arguments: object) -> None:
            return None

    http = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    one.port = http.server_port
    threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield one
    http.shutdown()
    http.server_close()
