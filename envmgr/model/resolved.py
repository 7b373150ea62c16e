"""What a spec amounts to, with its recipes and its lock."""

from __future__ import annotations

from collections.abc import Mapping

from envmgr.model.recipe import Recipe
from envmgr.model.stack import System
from envmgr.model.value import dataclass


@dataclass(frozen=True, slots=True)
class Resolved:
    """All that most commands need of a project's files."""

    declared: System
    """As the spec has it, every service in a container."""
    recipes_folder: str
    """As the spec writes it."""
    recipes: Mapping[str, Recipe]
    stores: tuple[str, ...] = ()
    """Targets whose secrets something keeps beside files."""
    base_says_weak: bool = False
    """Whether `[secrets.infra]` says itself what to do with weak values."""
