"""Where an edge listens for each service."""

from __future__ import annotations

from envmgr.model.edge import Listener
from envmgr.model.stack import Service

_FIRST_PORT = 8101
"""Of the edge's listeners, in the order in which the spec declares their services."""


def listeners(services: tuple[Service, ...]) -> tuple[Listener, ...]:
    """Return what an edge leads to."""
    asked = [service for service in services if service.listens]
    return tuple(
        Listener(one.name, _FIRST_PORT + number, one.listens or 0, next((p.published for p in one.ports), None))
        for number, one in enumerate(asked)
    )
