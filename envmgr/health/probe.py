"""Probes: prove a service from outside its process, with the environment's own credentials."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import field
from typing import assert_never
from urllib.parse import quote

from envmgr.engine.commands import Fill, Locate, NotRunning, carry_out
from envmgr.engine.protocol import Engine
from envmgr.errors import EngineError
from envmgr.model.stack import Command, CommandProbe, HttpProbe, Probe
from envmgr.model.value import dataclass

_RESERVED = "%/?:@!$&'()*+,;=-._~"
"""Characters that a path with a query has as they are (RFC 3986)."""


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """How one probe went."""

    is_good: bool
    message: str
    latency: float
    """Seconds."""


@dataclass(frozen=True, slots=True)
class Prober:
    """Runs probes."""

    engine: Engine
    fill: Fill
    locate: Locate
    substitutes: Mapping[str, str] = field(default_factory=dict)

    def run(self, probe: Probe) -> ProbeResult:
        """Run one probe; a failure is a result, never an exception."""
        started = time.monotonic()
        match probe:
            case HttpProbe():
                is_good, message = _get(probe)
            case CommandProbe():
                is_good, message = self._execute(probe.command)
            case _:
                assert_never(probe)
        return ProbeResult(is_good, message, time.monotonic() - started)

    def _execute(self, command: Command) -> tuple[bool, str]:
        try:
            result = carry_out(self.engine, command, self.fill, self.locate, self.substitutes)
        except NotRunning as error:
            return False, str(error)
        except EngineError as error:
            return False, error.message
        if result.exit_code == 0:
            return True, ""
        return False, _last_line(result.output) or f"exit code {result.exit_code}"


def _get(probe: HttpProbe) -> tuple[bool, str]:
    from http.client import HTTPConnection, HTTPException

    path = quote(probe.path, safe=_RESERVED)
    url = f"http://127.0.0.1:{probe.port}{probe.path}"
    try:
        with closing(HTTPConnection("127.0.0.1", probe.port, timeout=probe.timeout)) as connection:
            connection.request("GET", path, headers={"User-Agent": "envmgr", "Connection": "close"})
            response = connection.getresponse()
            text = response.read().decode("utf-8", "replace")
    except (OSError, HTTPException) as error:
        return False, f"GET {url}: {str(error) or type(error).__name__}"
    if 200 <= response.status < 300:
        return True, ""
    return False, f"GET {url}: {response.status} {_last_line(text)}"


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""
