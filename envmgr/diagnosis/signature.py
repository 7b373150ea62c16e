"""What a signature is: how a failure is recognised, what is said of it, and what mends it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from envmgr.diagnosis.evidence import Node
from envmgr.diagnosis.scene import Scene


@dataclass(frozen=True, slots=True)
class Explanation:
    """What is wrong with a service, in words."""

    sentence: str
    command: str
    """What to type next."""
    points_at: Node | None = None
    """The service that is to blame, when that one is not as it should be either."""
    is_own: bool = True
    """It explains the failure by itself, whatever else fails below the service."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A line that a signature recognised, and those after it."""

    match: re.Match[str]
    after: tuple[str, ...] = ()

    def get(self, group: str) -> str:
        """Return a named part of the line; empty when the pattern that fits does not have it."""
        return (self.match.groupdict().get(group) or "").strip()


@dataclass(frozen=True, slots=True)
class Fact:
    """A signature of what the engine knows: state, exit code, history, healthcheck."""

    name: str
    explain: Callable[[Scene], Explanation | None]


class Words:
    """A signature of what a program, or the engine, says; the first of its patterns that fits a line counts."""

    def __init__(self, name: str, explain: Callable[[Scene, Hit], Explanation | None], *patterns: str) -> None:
        self.name = name
        self._explain = explain
        self._patterns = tuple(re.compile(pattern) for pattern in patterns)

    def explain(self, scene: Scene, line: str, after: tuple[str, ...] = ()) -> Explanation | None:
        """Return what a line says about a service; None when it is about something else."""
        for pattern in self._patterns:
            match = pattern.search(line)
            if match is not None:
                return self._explain(scene, Hit(match, after))
        return None


@dataclass(frozen=True, slots=True)
class Finding:
    """What was recognised, and by what."""

    signature: str
    explanation: Explanation
    source: str = ""
    """`log`, `engine`, `healthcheck`, `probe`; empty for a fact."""
    line: str = ""
    """The line that was recognised."""
    is_recognised: bool = True
    """By a signature; otherwise only the last words are known."""
