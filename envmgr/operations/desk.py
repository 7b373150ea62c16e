"""How services are that run on the desk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from envmgr.health.probe import ProbeResult
from envmgr.model.diagnosis import Fault
from envmgr.model.health import Verdict
from envmgr.model.stack import HttpProbe, Probe, Service, Stack
from envmgr.native.running import running

Ask = Callable[[Probe], ProbeResult]


def on_desk(stack: Stack) -> tuple[Service, ...]:
    """Return the services on the desk that should go on running; a job there runs when it is asked to."""
    return tuple(service for service in stack.native if not service.is_job)


def ask_desk(folder: Path, stack: Stack, service: Service, ask: Ask) -> tuple[Verdict, str, float | None]:
    """Return the verdict on a service on the desk, the reason, and the seconds that its probe took.

    It is healthy while its process lives, and its port, if it can be asked, answers as its container would.
    """
    found = running(folder, stack.target, service.name)
    if found is None:
        return Verdict.STOPPED, f"on the desk, and nothing runs it: envmgr run {stack.target} {service.name}", None
    if not isinstance(service.probe, HttpProbe):
        return Verdict.HEALTHY, "", None
    result = ask(service.probe)
    return (Verdict.HEALTHY if result.is_good else Verdict.UNHEALTHY), result.message, result.latency


def desk_faults(folder: Path, stack: Stack, service: str = "") -> tuple[Fault, ...]:
    """Return what is wrong with the services on the desk, or with one of them: that nothing runs it."""
    away = (one for one in on_desk(stack) if service in ("", one.name))
    return tuple(
        Fault(
            "native-not-running",
            stack.target,
            one.name,
            f"{one.name} of {stack.target} is on the desk, and nothing runs it",
            command=f"envmgr run {stack.target} {one.name}",
        )
        for one in away
        if running(folder, stack.target, one.name) is None
    )
