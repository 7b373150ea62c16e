"""What the engine still remembers of a container: how its last life ended, and whether the one of now goes better."""

from __future__ import annotations

from datetime import datetime, timedelta

from envmgr.diagnosis.evidence import Witness
from envmgr.model.observed import Container, EngineHealth, Incident, State


def last_life(history: tuple[Incident, ...]) -> tuple[Incident, ...]:
    """Return what led to the last end that is remembered, from the start before it on."""
    ends = [number for number, one in enumerate(history) if one.action == "die"]
    if not ends:
        return ()
    starts = [number for number, one in enumerate(history[: ends[-1]]) if one.action == "start"]
    return history[starts[-1] if starts else 0 : ends[-1] + 1]


def exit_code(witness: Witness) -> int | None:
    """Return how the program ended, as far as that is the trouble: None while it runs, unless it does so once more."""
    container = witness.container
    if container is None or (witness.runs and container.restart_count == 0):
        return None
    ended = [one.exit_code for one in witness.history if one.action == "die"]
    if ended:
        return ended[-1]
    return None if witness.runs else container.exit_code


def signals(witness: Witness) -> tuple[int | None, ...]:
    """Return the signals that the engine sent in the last life."""
    return tuple(one.signal for one in last_life(witness.history) if one.action == "kill")


def has_recovered(container: Container, history: tuple[Incident, ...], now: datetime) -> bool:
    """Tell whether a container that was restarted lately is healthy, and has outlived the lives that crashed.

    Those are as many as the engine has restarted it; before them it was started by hand, and may have run for long.
    """
    is_well = container.state is State.RUNNING and container.health is EngineHealth.HEALTHY
    if not is_well or container.started_at is None:
        return False
    crashed = _lives(history)[-container.restart_count :] if container.restart_count else []
    return all(now - container.started_at > life for life in crashed)


def _lives(history: tuple[Incident, ...]) -> list[timedelta]:
    """Return how long each life lasted that is remembered whole."""
    found = []
    began: datetime | None = None
    for one in history:
        if one.action == "start":
            began = one.at
        elif one.action == "die" and began is not None:
            found.append(one.at - began)
            began = None
    return found
