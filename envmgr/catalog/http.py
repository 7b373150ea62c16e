"""Healthchecks that ask for a page inside the container, each with a program that some images have and others lack."""

from __future__ import annotations

import json
import shlex

from envmgr.model.stack import Healthcheck

_SECONDS = 4
"""Less than the engine's own limit, so that the program can still say what was wrong."""


def python(port: int, path: str, interval: float = 15) -> Healthcheck:
    """Ask with the image's own Python; prints the start of the answer."""
    code = (
        f"import http.client as h; c = h.HTTPConnection('127.0.0.1', {port}, timeout={_SECONDS}); "
        f"c.request('GET', {path!r}); r = c.getresponse(); "
        "print(r.status, r.read(300).decode(errors='replace')); raise SystemExit(r.status >= 400)"
    )
    return Healthcheck(("CMD", "python", "-c", code), interval=interval)


def node(port: int, path: str, interval: float = 15) -> Healthcheck:
    """Ask with the image's own Node.js; prints the start of the answer."""
    where = f"{{host: '127.0.0.1', port: {port}, path: {json.dumps(path)}, timeout: {_SECONDS * 1000}}}"
    code = (
        f"const q = require('http').get({where}, a => {{ let t = ''; a.on('data', d => {{ t += d }}); "
        "a.on('end', () => { console.log(a.statusCode, t.slice(0, 300)); "
        "process.exit(a.statusCode < 400 ? 0 : 1) }) }); "
        "q.on('timeout', () => q.destroy(new Error('no answer in time'))); "
        "q.on('error', e => { console.log(e.message); process.exit(1) })"
    )
    return Healthcheck(("CMD", "node", "-e", code), interval=interval)


def wget(port: int, path: str, interval: float = 15) -> Healthcheck:
    """Ask with wget, GNU's or busybox's; prints the answer."""
    return Healthcheck(("CMD", *_wget(port, path)), interval=interval)


def curl(port: int, path: str, interval: float = 15) -> Healthcheck:
    """Ask with curl; prints the answer."""
    return Healthcheck(("CMD", *_curl(port, path)), interval=interval)


def curl_or_wget(port: int, path: str, interval: float = 15) -> Healthcheck:
    """Ask with whichever of both a family of images has: nginx's have curl, its slim ones busybox's wget alone."""
    script = f"if command -v curl >/dev/null; then exec {shlex.join(_curl(port, path))}; fi; exec "
    return Healthcheck(("CMD-SHELL", script + shlex.join(_wget(port, path))), interval=interval)


def _wget(port: int, path: str) -> tuple[str, ...]:
    return ("wget", "-q", "-T", str(_SECONDS), "-O", "-", f"http://127.0.0.1:{port}{path}")


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
