"""Ask a URL for status 200, as a container healthcheck; must import only what starts quickly.

Usage: python -m chatbot.probe http://127.0.0.1:8000/health
Exit code 0 for status 200, otherwise 1 with the reason or the answer on stdout.
"""

from __future__ import annotations

import socket
import sys

TIMEOUT_S = 4.0  # more than the 2 s that /health takes at most


class ProbeError(Exception):
    """The URL is not one that can be asked, or the answer is not HTTP."""


def split(url: str) -> tuple[str, int, str]:
    """Return host, port and path of an http:// URL. Raises: ProbeError."""
    scheme, found, rest = url.partition("://")
    address, slash, path = rest.partition("/")
    host, _, port = address.partition(":")
    if scheme != "http" or not found or not host or not (port or "80").isdigit():
        raise ProbeError(f"not a URL of the form http://HOST[:PORT]/PATH: {url}")
    return host, int(port or 80), slash + path or "/"


def ask(url: str) -> tuple[int, str]:
    """Return the status and the body. Raises: ProbeError, OSError."""
    host, port, path = split(url)
    with socket.create_connection((host, port), timeout=TIMEOUT_S) as connection:
        # HTTP/1.0: the body ends where the connection does.
        connection.sendall(f"GET {path} HTTP/1.0\r\nHost: {host}:{port}\r\nUser-Agent: probe\r\n\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b"")).decode(errors="replace")
    head, _, body = answer.partition("\r\n\r\n")
    status = head.partition("\r\n")[0].split(" ")
    if not status[0].startswith("HTTP/") or len(status) < 2 or not status[1].isdigit():
        raise ProbeError("the answer is not HTTP")
    return int(status[1]), body


def main(arguments: list[str]) -> int:
    """Return the exit code."""
    if len(arguments) != 1:
        print("usage: python -m chatbot.probe URL")
        return 1
    try:
        status, body = ask(arguments[0])
    except (ProbeError, OSError) as error:
        print(f"probe: {error}")
        return 1
    if status != 200:
        print(f"{status} {body}")
    return 0 if status == 200 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
