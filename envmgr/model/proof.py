"""What is tried to cross from one environment into another, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum

from envmgr.model.secret import Template
from envmgr.model.value import dataclass


class Outcome(StrEnum):
    """What came of an attempt; the words stand in the JSON."""

    REFUSED = "refused"
    """The server, or the network, said no; the same attempt on the environment's own things works."""
    OPEN = "open"
    """It crossed, and the next `up`, or whoever opened it, closes it."""
    EXPOSED = "exposed"
    """It reached what the host itself listens with: only a rule of the host's own firewall keeps it away."""
    SHARED = "shared"
    """Nothing that could be refused: sharing a server gives no more."""
    NOT_TRIED = "not tried"
    """It could not be carried out, so it proves nothing."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One way to cross inside a server, as shell text that leaves no trace where it succeeds."""

    what: str
    """Its row: `read another's tables`."""
    other: str
    """The environment that it aims at; empty: the server itself."""
    thing: str
    """What it aims at in particular: `database prod_chat`."""
    script: str
    """Ends with 0 when it has crossed."""
    control: str
    """The same on what the environment may do; anything but 0 and the attempt proves nothing."""
    refusal: str
    """Regular expression for the server's own words."""
    reached: str = ""
    """Regular expression for words that nobody hears who is refused: "no such object"."""
    closes: str = ""
    """What closes it; empty: the next `up`."""


@dataclass(frozen=True, slots=True)
class Trial:
    """All attempts of one environment inside one shared server."""

    environment: str
    server: str
    title: str
    """`PostgreSQL postgres`."""
    attempts: tuple[Attempt, ...] = ()
    program: str = "sh"
    prelude: str = ""
    """Shell functions that the attempts use."""
    variables: Mapping[str, Template] = field(default_factory=dict)
    """The environment's own credentials."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Variable → file under /run/secrets that says it, where the service has that file."""
    shared: tuple[str, ...] = ()
    """What environments have in common here, in words."""
    why_not: str = ""
    """Why nothing is tried."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of one row's attempts of one environment against another, or against the base or the host."""

    environment: str
    other: str
    """Another environment, `infra`, or `host`."""
    area: str
    """A server by its name, `network`, `files` or `host`."""
    what: str
    outcome: Outcome
    detail: str = ""
    """What crossed, the words of the refusal, or why it was not tried."""
    place: str = ""
    """From where: `dev app`."""
    closes: str = ""
    """Command that closes what is open."""
    tries: int = 1


@dataclass(frozen=True, slots=True)
class Proof:
    """Everything that was tried."""

    environments: tuple[str, ...]
    findings: tuple[Finding, ...]
    seconds: float

    @property
    def crossings(self) -> tuple[Finding, ...]:
        """What is open, and what of the host is exposed."""
        return tuple(one for one in self.findings if one.outcome in (Outcome.OPEN, Outcome.EXPOSED))
