"""A web service that tells what reached it: its environment, the path and headers it was asked with, its own counts."""

import hashlib
import http.server
import json
import os
import signal
import sys
import threading
import time

ENVIRONMENT = os.environ.get("ENVIRONMENT", "")
# Both services are the same program; only one of them is given the servers.
SERVICE = "web" if "REDIS_KEY_PREFIX" in os.environ else "files"
COUNTS: dict[tuple[str, int], int] = {}
LOCK = threading.Lock()
ACCEPT = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""RFC 6455, 1.3."""
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers every request with what it saw."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer with metrics, with an error, with a websocket, or with what was asked."""
        if self.path == "/metrics":
            return self.reply(200, metrics(), "text/plain; version=0.0.4")
        if self.path == "/slow":
            time.sleep(20)
        if self.headers.get("Upgrade", "").lower() == "websocket":
            return self.upgrade()
        status = int(self.path.removeprefix("/broken/")) if self.path.startswith("/broken/") else 200
        with LOCK:
            COUNTS[self.path, status] = COUNTS.get((self.path, status), 0) + 1
        return self.reply(status, self.seen(0), "application/json")

    def do_POST(self) -> None:
        """Answer with the size of the body."""
        left = size = int(self.headers.get("Content-Length", 0))
        while left > 0:
            left -= len(self.rfile.read(min(left, 65536)))
        self.reply(200, self.seen(size), "application/json")

    def seen(self, size: int) -> str:
        """Return what reached this service, as JSON."""
        headers = {name.lower(): value for name, value in self.headers.items()}
        found = {"environment": ENVIRONMENT, "service": SERVICE, "path": self.path, "headers": headers, "size": size}
        return json.dumps(found)

    def upgrade(self) -> None:
        """Open a websocket and send back one frame, unmasked."""
        import base64

        key = self.headers["Sec-WebSocket-Key"] + ACCEPT
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key.encode()).digest()).decode())
        self.end_headers()
        head = self.rfile.read(2)
        mask = self.rfile.read(4)
        data = bytes(byte ^ mask[i % 4] for i, byte in enumerate(self.rfile.read(head[1] & 127)))
        self.wfile.write(bytes([0x81, len(data)]) + data)
        self.close_connection = True

    def reply(self, status: int, text: str, kind: str) -> None:
        """Send a whole answer."""
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if self.path.startswith("/framed"):
            self.send_header("X-Frame-Options", "DENY")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def metrics() -> str:
    """Return the counts in Prometheus's text format."""
    with LOCK:
        lines = [
            f'http_requests_total{{method="GET",path="{path}",status="{status}"}} {count}'
            for (path, status), count in sorted(COUNTS.items())
        ]
    return "".join(f"{line}\n" for line in ("# TYPE http_requests_total counter", *lines))


http.server.ThreadingHTTPServer(("0.0.0.0", 8000), Handler).serve_forever()
