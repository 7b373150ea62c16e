"""Healthchecks that ask for a page inside the container, each with a program that some images have and others lack."""

from __future__ import annotations

from envmgr.model.stack import Healthcheck

_SECONDS = 4
"""Less than the engine's own limit, so that the program can still say what was wrong."""


def wget(port: int, path: str, interval: float = 15) -> Healthcheck:
    """Ask with wget, GNU's or busybox's; prints the answer."""
    return Healthcheck(("CMD", *_wget(port, path)), interval=interval)


def curl(port: int, path: str, interval: float = 15) -> Healthcheck:
    """Ask with curl; prints the answer."""
    return Healthcheck(("CMD", *_curl(port, path)), interval=interval)


def _wget(port: int, path: str) -> tuple[str, ...]:
    return ("wget", "-q", "-T", str(_SECONDS), "-O", "-", f"http://127.0.0.1:{port}{path}")


def _curl(port: int, path: str) -> tuple[str, ...]:
    # A proxy is for the world outside; the body of a refusal says what is wrong.
    flags = ("-sS", "--noproxy", "*", "--globoff", "--fail-with-body", "-m", str(_SECONDS))
    return ("curl", *flags, f"http://127.0.0.1:{port}{path}")
