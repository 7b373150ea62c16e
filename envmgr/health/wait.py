"""The one loop that waits for services: driven by the engine's events, one deadline per service."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime

from envmgr.engine.protocol import EventStream
from envmgr.health.probe import Prober, ProbeResult
from envmgr.health.verdict import judge
from envmgr.model.health import ServiceHealth, Verdict
from envmgr.model.observed import Observed
from envmgr.model.stack import CommandProbe, Service, Stack

_POLL = 0.01
"""Seconds between two questions whether a probe has ended; the engine is asked nothing meanwhile."""
_LEAST = 1e-6
_LOOK = 1.0
"""Seconds without an event after which to look anyway: settling and deadlines make no event."""
_GRACE = 5.0
"""Seconds that the others get once one has failed for good: two faults are better told at once."""
_RETRY = 0.5
"""Seconds between two runs of a probe that fails."""


@dataclass(slots=True)
class _Watched:
    """One service while it is waited for."""

    service: Service
    deadline: float
    verdict: Verdict = Verdict.STARTING
    reason: str = ""
    probe: Future[ProbeResult] | None = None
    probe_after: float = 0.0
    probe_message: str = ""
    """What the last probe that failed said."""
    latency: float | None = None
    is_proven: bool = False


@dataclass(slots=True)
class Waiter:
    """Waits for services of one stack until each has a final verdict or its own deadline has passed."""

    stack: Stack
    observe: Callable[[], Observed]
    events: EventStream
    prober: Prober
    listen: Callable[[ServiceHealth], None]
    restarts_before: Mapping[str, int] = field(default_factory=dict)
    _ends_at: float | None = None
    """Set once one has failed for good."""

    def wait(self, services: tuple[Service, ...]) -> tuple[ServiceHealth, ...]:
        """Return a verdict per service; ends soon when one has failed for good.

        A healthcheck that has passed needs no settling time; a failing one is no verdict before the deadline.
        """
        began = time.monotonic()
        watched = [_Watched(service, began + service.start_seconds) for service in services]
        with ThreadPoolExecutor(max_workers=max(1, len(watched))) as pool:
            while not self._look(watched, pool, began):
                self._pause(watched)
        return tuple(self._health(one, began) for one in watched)

    def _look(self, watched: list[_Watched], pool: ThreadPoolExecutor, began: float) -> bool:
        """Judge every service once; tell whether the wait is over."""
        observed = self.observe()
        for one in watched:
            before = (one.verdict, one.reason)
            self._judge(one, observed, pool)
            if (one.verdict, one.reason) != before:
                self.listen(self._health(one, began))
        over = [one for one in watched if self._is_over(one)]
        if self._ends_at is None and any(not one.verdict.is_good for one in over):
            self._ends_at = time.monotonic() + _GRACE
        return len(over) == len(watched) or (self._ends_at is not None and time.monotonic() >= self._ends_at)

    def _judge(self, one: _Watched, observed: Observed, pool: ThreadPoolExecutor) -> None:
        containers = observed.of(self.stack.compose_project, one.service.name)
        verdict, reason = judge(one.service, containers, datetime.now(UTC), self.restarts_before)
        if verdict is Verdict.HEALTHY and not one.is_proven:
            verdict, reason = self._prove(one, pool)
        one.verdict, one.reason = verdict, reason

    def _prove(self, one: _Watched, pool: ThreadPoolExecutor) -> tuple[Verdict, str]:
        probe = one.service.probe
        if probe is None or _is_its_healthcheck(one.service):
            one.is_proven = True
            return Verdict.HEALTHY, ""
        if one.probe is None:
            if time.monotonic() >= one.probe_after:
                one.probe = pool.submit(self.prober.run, probe)
            return Verdict.STARTING, one.probe_message or "being probed"
        if not one.probe.done():
            return Verdict.STARTING, one.probe_message or "being probed"
        result, one.probe = one.probe.result(), None
        one.latency = result.latency
        one.probe_message = result.message
        one.is_proven = result.is_good
        one.probe_after = time.monotonic() + _RETRY
        return (Verdict.HEALTHY, "") if result.is_good else (Verdict.STARTING, result.message)

    def _is_over(self, one: _Watched) -> bool:
        if one.verdict is Verdict.STARTING or one.verdict is Verdict.UNHEALTHY:
            return time.monotonic() >= one.deadline
        return True

    def _pause(self, watched: list[_Watched]) -> None:
        """Return when there may be something new: an event, the end of a probe, or enough time that has passed."""
        now = time.monotonic()
        probes = [one.probe for one in watched if one.probe is not None]
        waiting = [one for one in watched if not self._is_over(one)]
        again = [one.probe_after for one in waiting if one.probe is None and one.probe_after > now]
        ends = [*again, *(one.deadline for one in waiting), *([] if self._ends_at is None else [self._ends_at])]
        until = min([now + _LOOK, *ends]) if ends else now
        while self.events.get(max(_LEAST, min(_POLL if probes else _LOOK, until - time.monotonic()))) is None:
            if any(probe.done() for probe in probes) or time.monotonic() >= until - _LEAST:
                return

    def _health(self, one: _Watched, began: float) -> ServiceHealth:
        verdict, reason = one.verdict, one.reason
        if verdict in (Verdict.STARTING, Verdict.UNHEALTHY) and time.monotonic() >= one.deadline:
            verdict = Verdict.UNHEALTHY
            reason = f"not healthy within {one.service.start_seconds:g} s: {reason}"
        seconds = time.monotonic() - began
        return ServiceHealth(self.stack.target, one.service.name, verdict, reason, one.latency, seconds)


def _is_its_healthcheck(service: Service) -> bool:
    """Tell whether the probe is the very command that the engine has just run."""
    check, probe = service.healthcheck, service.probe
    if check is None or not isinstance(probe, CommandProbe):
        return False
    inside = ("/bin/sh", "-c", *check.test[1:]) if check.test[0] == "CMD-SHELL" else check.test[1:]
    return probe.command.argv == inside
