"""Verdicts: one per service, with the reason in words."""

from __future__ import annotations

from enum import StrEnum

from envmgr.model.value import dataclass


class Verdict(StrEnum):
    """What is true of a service now."""

    HEALTHY = "healthy"
    COMPLETED = "completed"
    """A job that exited with 0."""
    STARTING = "starting"
    UNHEALTHY = "unhealthy"
    CRASHING = "crash loop"
    FAILED = "failed"
    """Exited and will not come back by itself."""
    STOPPED = "stopped"
    MISSING = "not created"

    @property
    def is_good(self) -> bool:
        """Nothing more is expected of it."""
        return self in (Verdict.HEALTHY, Verdict.COMPLETED)

    @property
    def is_final(self) -> bool:
        """Waiting longer does not help."""
        return self.is_good or self in (Verdict.CRASHING, Verdict.FAILED)


@dataclass(frozen=True, slots=True)
class ServiceHealth:
    """The verdict on one service of one target."""

    target: str
    service: str
    verdict: Verdict
    reason: str = ""
    latency: float | None = None
    """Seconds its probe took; None when it was not probed."""
    seconds: float | None = None
    """Seconds from the start of the wait until the verdict."""
