"""Which colours serve and which are kept warm: asked of the edges, where any colour runs at all."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from envmgr import naming
from envmgr.errors import EngineError
from envmgr.model.observed import Observed
from envmgr.model.stack import Service, Stack
from envmgr.operations.edge import Edge
from envmgr.operations.session import Session

LIVE, WARM, UNKNOWN = "live", "warm", ""


def states(session: Session, observed: Observed) -> dict[str, str]:
    """Return each colour that has containers, with its state; unknown while its edge does not answer."""
    found: dict[str, str] = {}
    for stack in session.project.system.environments:
        there = [one for one in stack.colours if observed.of(one.compose_project)]
        if not there:
            continue
        live = ""
        with suppress(EngineError):
            live = naming.colour(stack.target, Edge(session, stack).chosen())
        for one in there:
            found[one.target] = (LIVE if one.target == live else WARM) if live else UNKNOWN
    return found


def expected(stack: Stack, services: tuple[Service, ...], state: str) -> tuple[Service, ...]:
    """Return those of some services that are expected to run: background work is the serving colour's alone."""
    is_warm = bool(stack.part_of) and state == WARM
    return tuple(one for one in services if one.listens or one.is_job) if is_warm else services


def as_expected(stack: Stack, state: str) -> Stack:
    """Return a stack without what is not expected to run."""
    return replace(stack, services=expected(stack, stack.services, state))
