"""Why something is not healthy: the first cause, what else is broken, and what is down only because of it."""

from __future__ import annotations

from envmgr.errors import NotHealthyError
from envmgr.model.value import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong, and what mends it."""

    signature: str
    """By what it was recognised: `out-of-memory`."""
    target: str
    service: str
    """Empty when it concerns the whole target."""
    sentence: str
    evidence: tuple[str, ...] = ()
    """Lines that show it, each with its source: `log: …`."""
    command: str = ""
    """What to type next: a command of envmgr, or an edit of the spec or an `.env` file and the command after it."""


@dataclass(frozen=True, slots=True)
class Consequence:
    """A service that is down only because of something below it."""

    target: str
    service: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What is wrong with a target."""

    target: str
    service: str = ""
    """Set when one service was asked about."""
    first: Fault | None = None
    """What has to be mended first; None when all is well."""
    others: tuple[Fault, ...] = ()
    """Independent of the first, in the order in which to mend them."""
    consequences: tuple[Consequence, ...] = ()
    """In the order in which they start."""

    @property
    def is_healthy(self) -> bool:
        """Nothing is wrong."""
        return self.first is None


class DiagnosedError(NotHealthyError):
    """A stack is not healthy, and this is why."""

    def __init__(self, diagnosis: Diagnosis, first: Fault, *, state: str = "") -> None:
        super().__init__(first.sentence, state=state, help=first.command, details=first.evidence)
        self.diagnosis = diagnosis
