"""Where an edge listens for each service."""

from __future__ import annotations

from envmgr.model.edge import Listener
from envmgr.model.stack import HttpProbe, Service

_FIRST_PORT = 8101
"""Of the edge's listeners, in the order in which the spec declares their services."""


def listeners(services: tuple[Service, ...]) -> tuple[Listener, ...]:
    """Return what an edge leads to."""
    asked = [service for service in services if service.listens]
    return tuple(
        Listener(
            service=one.name,
            port=_FIRST_PORT + number,
            target=one.listens or 0,
            published=next((port.published for port in one.ports), None),
            health=one.probe.path if isinstance(one.probe, HttpProbe) else "",
        )
        for number, one in enumerate(asked)
    )
