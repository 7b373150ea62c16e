"""What the planner is given besides the stacks: it looks nothing up by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field

from envmgr.model.observed import ImageInfo, Observed
from envmgr.model.plan import Action, Place
from envmgr.model.stack import Service, System
from envmgr.model.value import dataclass

Waves = tuple[tuple[Service, ...], ...]
"""Services in the order in which they start: each wave needs only those before it."""


@dataclass(frozen=True, slots=True)
class Written:
    """A key of the spec, as its file has it."""

    place: Place
    value: str = ""
    """As written, when it is a scalar: `"512M"`, `4`."""


Locate = Callable[[str], Written]
"""Dotted place → where it is written, or the nearest table above it."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a service's containers should carry, as far as the spec alone does not say it."""

    image: str
    """Reference of the image that really runs: the official one, or a recipe's."""
    hash: str
    revision: str = ""
    configs: str = ""
    """Path and hash of each rendered file."""
    image_id: str = ""
    """Empty: not there yet, or about to be made anew."""


@dataclass(frozen=True, slots=True)
class ImageWork:
    """An image that has to be pulled or built first."""

    reference: str
    action: Action
    reason: str


@dataclass(frozen=True, slots=True)
class Question:
    """Everything that one plan follows from."""

    system: System
    observed: Observed
    selected: Mapping[str, Waves]
    """Target → services that should run, in the order of the targets."""
    wanted: Mapping[str, Mapping[str, Wanted]]
    """Target → service → what its containers should carry."""
    images: Mapping[str, ImageInfo]
    """Id → image, of those that are wanted or run."""
    locate: Locate
    keeps_base: bool = False
    """What runs of the base stays as it is: others depend on it."""
    source: str = ""
    """Where the images of servers come from, as their volumes' labels would say it."""
    work: tuple[ImageWork, ...] = field(default=())
