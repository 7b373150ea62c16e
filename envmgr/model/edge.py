"""What an edge leads where."""

from __future__ import annotations

from envmgr.model.value import dataclass


@dataclass(frozen=True, slots=True)
class Listener:
    """One port of an edge, and the service of a colour to which it leads."""

    service: str
    port: int
    """Where the edge listens on its networks."""
    target: int
    """Where the service listens on its own."""
    published: int | None = None
    """On the host's loopback."""
    health: str = ""
    """Path that answers in maintenance too; empty for none."""
