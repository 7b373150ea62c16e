"""Healthchecks that ask for a page inside the container, each with a program that some images have and others lack."""

from __future__ import annotations

from envmgr.model.stack import Healthcheck

_SECONDS = 4
"""Less than the engine's own limit, so that the program can still say what was wrong."""


def curl(port: int, path: str, interval: float = 15) -> Healthcheck:
    """Ask with curl; prints the answer."""
    return Healthcheck(("CMD", *_curl(port, path)), interval=interval)


def bash(port: int, path: str, interval: float = 15) -> Healthcheck:
    """Ask with bash alone, which opens connections by itself; prints the answer's first line."""
    request = f"GET {path} HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\nConnection: close\\r\\n\\r\\n"
    script = (
        f"exec 3<>/dev/tcp/127.0.0.1/{port} && printf '{request}' >&3 && read -r -t {_SECONDS} answer <&3 && "
        'echo "$answer" && [[ $answer == "HTTP/1."?" 2"* ]]'
    )
    return Healthcheck(("CMD", "bash", "-c", script), interval=interval)


def _curl(port: int, path: str) -> tuple[str, ...]:
    # A proxy is for the world outside; the body of a refusal says what is wrong.
    flags = ("-sS", "--noproxy", "*", "--globoff", "--fail-with-body", "-m", str(_SECONDS))
    return ("curl", *flags, f"http://127.0.0.1:{port}{path}")
