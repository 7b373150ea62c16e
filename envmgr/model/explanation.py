"""Where a value comes from: the answer of `envmgr explain`. It holds no secret's value."""

from __future__ import annotations

from typing import Any

from envmgr.model.value import dataclass


@dataclass(frozen=True, slots=True)
class Source:
    """One place that gives a value."""

    what: str
    """`[environments.defaults]`, `default of kind asgi`, `.env.prod`, `the shell`."""
    value: Any = None
    """Of a secret always None."""
    place: str = ""
    """Dotted, of the spec."""
    file: str = ""
    line: int | None = None
    """1-based."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """One value."""

    path: str
    sources: tuple[Source, ...]
    """The first gives the value and overrides the others; empty when nobody sets it."""
    is_secret: bool = False
    changed_by: tuple[Source, ...] = ()
    """Environments that have another value."""
    reaches: tuple[str, ...] = ()
    """Services that get it, and how."""

    @property
    def value(self) -> Any:
        """What holds; None when nobody sets it, and of a secret."""
        return self.sources[0].value if self.sources else None


@dataclass(frozen=True, slots=True)
class Explained:
    """What was asked for: one value, or the table below a path."""

    path: str
    rows: tuple[Explanation, ...]
    is_table: bool
