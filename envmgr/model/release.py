"""Releases: what was deployed, as it was, and how it went."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum

from envmgr.model.value import dataclass


@dataclass(frozen=True, slots=True)
class ReleasedImage:
    """An image that a release keeps."""

    reference: str
    """As the spec has it, `shop-app:env-prod`, whatever that name means by now."""
    kept: str
    """Name that nothing else gets."""
    id: str
    """What it is: `sha256:…`."""


@dataclass(frozen=True, slots=True)
class Release:
    """One immutable release of an environment."""

    number: int
    environment: str
    made: str
    """ISO 8601, UTC."""
    by: str
    """`user@host`."""
    commit: str
    """Of the repository around the spec, with `+` when files differed from it; empty without one."""
    spec: str
    """Hash of the spec."""
    images: Mapping[str, ReleasedImage] = field(default_factory=dict)
    """By service."""
    values: Mapping[str, str] = field(default_factory=dict)
    """Name of a variable or secret → keyed digest of its value."""

    @property
    def title(self) -> str:
        """What a person calls it."""
        return f"release {self.number}"


class Outcome(StrEnum):
    """How an attempt to have a release serve ended."""

    DEPLOYED = "deployed"
    ROLLED_BACK = "rolled-back"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One entry of an environment's history."""

    release: int
    outcome: Outcome
    at: str
    """ISO 8601, UTC."""
    by: str
    colour: str
    seconds: float
    reason: str = ""
    """Of a failure."""


@dataclass(frozen=True, slots=True)
class ReleaseRow:
    """A release as it is listed."""

    release: Release
    state: str
    """`live`, `warm`, `kept`, `failed`, or what is missing."""
    colour: str
    deployed: str
    """When it last began to serve; empty for never."""
    changes: tuple[str, ...] = ()
    """From the release before."""


@dataclass(frozen=True, slots=True)
class DeployResult:
    """A release serves."""

    environment: str
    release: int
    before: int | None
    """What served until now."""
    colour: str
    switched_in: float
    """Seconds from the order to the proof that requests reach it."""
    seconds: float
    was_cut: bool = False
    """An earlier command had begun it."""
    urls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MaintenanceResult:
    """Whether visitors get an answer."""

    environment: str
    is_on: bool
    message: str
    allowed: tuple[str, ...]
    """Networks that are served all the same."""
