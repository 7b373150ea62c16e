"""What a container's past says of its last end, and of the life that it leads now."""

from __future__ import annotations

from datetime import timedelta

import pytest

from envmgr.diagnosis.history import exit_code, has_recovered, last_life, signals
from envmgr.model.observed import EngineHealth, Incident, State
from tests.evidences import ill
from tests.making import NOW, container


def told(*incidents: tuple[float, str], **last: int) -> tuple[Incident, ...]:
    """Make a history: seconds and action; what is said of the last one besides."""
    made = [Incident(action, NOW + timedelta(seconds=at)) for at, action in incidents]
    if last:
        made[-1] = Incident(made[-1].action, made[-1].at, last.get("signal"), last.get("exit_code"))
    return tuple(made)


LOOP = told((0, "start"), (2, "die"), (3, "start"), (6, "oom"), (7, "die"), (9, "start"))


def test_the_last_life_ends_with_the_last_end():
    assert [one.action for one in last_life(LOOP)] == ["start", "oom", "die"]
    assert last_life(told((0, "start"))) == ()
    assert last_life(()) == ()
    # The engine has forgotten the start.
    assert [one.action for one in last_life(told((0, "kill"), (1, "die")))] == ["kill", "die"]


def test_an_end_before_a_start_by_hand_is_no_trouble_any_more():
    history = told((0, "start"), (1, "die"), exit_code=137)
    again = {"state": State.RUNNING, "history": history}
    assert exit_code(ill("app", restart_count=0, **again)) is None
    assert exit_code(ill("app", restart_count=1, **again)) == 137
    assert exit_code(ill("app", restart_count=1, state=State.RUNNING)) is None
    assert exit_code(ill("app", state=State.EXITED, exit_code=3, restart_count=0)) == 3
    assert exit_code(ill("app", container=None)) is None


def test_only_signals_of_the_last_life_count():
    history = (
        *told((0, "start"), (1, "kill"), signal=15),
        *told((2, "die"), (3, "start"), (4, "kill"), signal=9),
        *told((5, "die"), exit_code=137),
    )
    assert signals(ill("app", history=history)) == (9,)
    assert signals(ill("app")) == ()


@pytest.mark.parametrize(
    ("seconds", "state", "health", "history", "recovered"),
    [
        (4.1, State.RUNNING, EngineHealth.HEALTHY, LOOP, True),
        (3.9, State.RUNNING, EngineHealth.HEALTHY, LOOP, False),
        (60, State.RUNNING, EngineHealth.STARTING, LOOP, False),
        (60, State.RESTARTING, EngineHealth.HEALTHY, LOOP, False),
        (1, State.RUNNING, EngineHealth.HEALTHY, (), True),
        (1, State.RUNNING, EngineHealth.HEALTHY, told((0, "die"), (1, "start")), True),
    ],
)
def test_who_outlives_the_lives_before_has_recovered(seconds, state, health, history, recovered: bool):
    one = container("app", state=state, health=health, started_at=NOW, restart_count=2)
    assert has_recovered(one, history, NOW + timedelta(seconds=seconds)) is recovered


def test_a_long_life_before_the_crashes_does_not_count():
    history = (*told((-900, "start"), (0, "kill"), (1, "die")), *told((2, "start"), (3, "die"), (4, "start")))
    one = container("app", state=State.RUNNING, health=EngineHealth.HEALTHY, started_at=NOW, restart_count=1)
    assert has_recovered(one, history, NOW + timedelta(seconds=2))
    assert not has_recovered(one, history, NOW + timedelta(seconds=0.5))


def test_what_never_started_has_not_recovered():
    assert not has_recovered(container("app", health=EngineHealth.HEALTHY, started_at=None), LOOP, NOW)
