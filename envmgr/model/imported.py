"""What became of an existing Compose project: the services, and every difference to what is rendered from the spec."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from envmgr.model.value import dataclass


class Fate(StrEnum):
    """What happened to one thing that a document says."""

    ADDED = "added"
    CHANGED = "changed"
    LOST = "lost"
    """Not carried over."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that the project's own document and the rendered ones do not both say."""

    fate: Fate
    service: str
    """As the Compose file names it; empty for the project's own sections."""
    key: str
    """Dotted: `ports.80/tcp`, `environment.MODE`."""
    before: str = ""
    after: str = ""
    why: str = ""
    place: str = ""
    """file:line of the Compose file."""


@dataclass(frozen=True, slots=True)
class Became:
    """A service of the Compose file and its table in the spec."""

    service: str
    kind: str
    """Empty when it was left out."""
    table: str
    """`services.web`."""
    runs: str
    """Its image, or what it is built from."""
    why: str = ""
    """Why it did not become the kind that its image suggests, or anything."""


@dataclass(frozen=True, slots=True)
class ImportResult:
    """A written spec, and what the operator has to know about it."""

    file: str
    environment: str
    services: tuple[Became, ...]
    differences: tuple[Difference, ...]
    decisions: tuple[str, ...]
    """What nobody but the operator can say; one sentence each."""
    values: Mapping[str, str]
    """Name of a variable → file that it was written to."""
    is_compared: bool = True
    """Both were read by Compose and compared; False when the spec waits for a decision first."""

    def of(self, *fates: Fate) -> tuple[Difference, ...]:
        """Return the differences of some fates."""
        return tuple(one for one in self.differences if one.fate in fates)
