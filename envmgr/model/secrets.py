"""What is known of secrets, and is no secret: names, places, ages, findings."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from envmgr.model.secret import SecretValue
from envmgr.model.value import dataclass

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class SecretRow:
    """One secret of a target, for `secrets list`."""

    target: str
    name: str
    used_by: tuple[str, ...]
    source: str
    """Where its value stands; empty: nobody has set it."""
    since: datetime | None
    """Since when it has this value, as far as it was seen."""
    strength: str
    """`good`, why it is weak, or empty when it is not set."""


@dataclass(frozen=True, slots=True)
class SecretShown:
    """The value that the operator has asked for."""

    target: str
    name: str
    value: SecretValue
    source: str


@dataclass(frozen=True, slots=True)
class SecretsKept:
    """What `secrets init` and `secrets set` have kept."""

    target: str
    names: tuple[str, ...]
    source: str


@dataclass(frozen=True, slots=True)
class SecretFinding:
    """One thing that `secrets check` found."""

    kind: str
    """`missing`, `weak`, `shared`, `twice`, `loose`, `git`, `unused`, `unreadable`."""
    severity: Severity
    target: str
    name: str
    """Of the secret; empty when a whole file is meant."""
    message: str
    place: str
    next: str
    """What to do."""
