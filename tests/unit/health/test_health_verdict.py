"""One verdict per service, from what the engine says of its containers."""

from __future__ import annotations

from datetime import timedelta

import pytest

from envmgr.health.verdict import CRASHES, RECENT, SETTLE, judge
from envmgr.model.health import Verdict
from envmgr.model.observed import EngineHealth, State
from envmgr.model.stack import Healthcheck
from tests.making import NOW, container, seconds_ago, service

CHECKED = service(healthcheck=Healthcheck(("CMD", "true")))
PLAIN = service()
JOB = service(is_job=True)
OOM = "killed for exceeding its memory limit"
LONG, SHORT = seconds_ago(3600), seconds_ago(1)

RUNNING = [
    (CHECKED, {"health": EngineHealth.HEALTHY}, Verdict.HEALTHY, ""),
    (CHECKED, {"health": EngineHealth.HEALTHY, "started_at": SHORT}, Verdict.HEALTHY, ""),
    (CHECKED, {"health": EngineHealth.UNHEALTHY}, Verdict.UNHEALTHY, "its healthcheck fails"),
    (CHECKED, {"health": EngineHealth.STARTING}, Verdict.STARTING, "its healthcheck has not passed yet"),
    (
        CHECKED,
        {"health": EngineHealth.NONE},
        Verdict.STARTING,
        "its container has no healthcheck although the service declares one",
    ),
    (PLAIN, {"started_at": LONG}, Verdict.HEALTHY, "no healthcheck; runs without a restart"),
    (PLAIN, {"started_at": NOW - SETTLE}, Verdict.HEALTHY, "no healthcheck; runs without a restart"),
    (PLAIN, {"started_at": NOW - SETTLE + timedelta(microseconds=1)}, Verdict.STARTING, "no healthcheck; settling"),
    (PLAIN, {"started_at": None}, Verdict.STARTING, "no healthcheck; settling"),
    # An image may bring a healthcheck that the spec does not declare.
    (PLAIN, {"health": EngineHealth.UNHEALTHY}, Verdict.UNHEALTHY, "its healthcheck fails"),
]
NOT_RUNNING = [
    ({"state": State.RESTARTING, "exit_code": 3, "restart_count": 1}, Verdict.STARTING, "restarting, last exit code 3"),
    ({"state": State.PAUSED}, Verdict.STOPPED, "paused"),
    ({"state": State.CREATED}, Verdict.STOPPED, "created, never started"),
    ({"state": State.CREATED, "error": "port is taken"}, Verdict.FAILED, "port is taken"),
    ({"state": State.EXITED}, Verdict.STOPPED, "stopped"),
    ({"state": State.EXITED, "exit_code": 137}, Verdict.STOPPED, "stopped"),
    ({"state": State.EXITED, "exit_code": 143}, Verdict.STOPPED, "stopped"),
    ({"state": State.EXITED, "exit_code": 137, "is_oom_killed": True}, Verdict.FAILED, OOM),
    ({"state": State.EXITED, "exit_code": 1}, Verdict.FAILED, "last exit code 1"),
    ({"state": State.EXITED, "error": "no such file"}, Verdict.FAILED, "no such file"),
    ({"state": State.DEAD, "exit_code": 2}, Verdict.FAILED, "last exit code 2"),
    ({"state": State.REMOVING}, Verdict.STOPPED, "stopped"),
]
JOBS = [
    ({"state": State.EXITED}, Verdict.COMPLETED, "exited with code 0"),
    ({"state": State.EXITED, "exit_code": 1}, Verdict.FAILED, "last exit code 1"),
    ({"state": State.EXITED, "exit_code": 137}, Verdict.FAILED, "last exit code 137"),
    ({"state": State.EXITED, "exit_code": 137, "is_oom_killed": True}, Verdict.FAILED, OOM),
    ({"state": State.EXITED, "error": "no such file"}, Verdict.FAILED, "no such file"),
    ({"state": State.DEAD, "exit_code": 1}, Verdict.FAILED, "last exit code 1"),
    ({"state": State.CREATED}, Verdict.STARTING, "not started yet"),
    ({"state": State.CREATED, "error": "no such file"}, Verdict.FAILED, "no such file"),
    ({"state": State.RUNNING}, Verdict.STARTING, "running"),
    ({"state": State.RUNNING, "restart_count": 9}, Verdict.STARTING, "running"),
]


@pytest.mark.parametrize(("declared", "fields", "verdict", "reason"), RUNNING)
def test_a_running_container(declared, fields: dict, verdict: Verdict, reason: str):
    assert judge(declared, (container(**fields),), NOW) == (verdict, reason)


@pytest.mark.parametrize("declared", [PLAIN, CHECKED], ids=["plain", "checked"])
@pytest.mark.parametrize(("fields", "verdict", "reason"), NOT_RUNNING)
def test_a_container_that_does_not_run(declared, fields: dict, verdict: Verdict, reason: str):
    assert judge(declared, (container(**fields),), NOW) == (verdict, reason)


@pytest.mark.parametrize(("fields", "verdict", "reason"), JOBS)
def test_a_job(fields: dict, verdict: Verdict, reason: str):
    assert judge(JOB, (container(**fields),), NOW) == (verdict, reason)


def test_every_state_has_a_verdict():
    tried = {fields.get("state", State.RUNNING) for fields, _, _ in (*NOT_RUNNING, *JOBS)}
    assert tried == set(State)


def test_no_container():
    assert judge(PLAIN, (), NOW) == (Verdict.MISSING, "no container")
    assert judge(JOB, (), NOW) == (Verdict.MISSING, "no container")


# ---- crash loops


@pytest.mark.parametrize(
    ("restarts", "before", "verdict"),
    [
        (CRASHES - 1, {}, Verdict.HEALTHY),
        (CRASHES, {}, Verdict.CRASHING),
        (7, {"app-id": 7}, Verdict.HEALTHY),
        (8, {"app-id": 7}, Verdict.HEALTHY),
        (9, {"app-id": 7}, Verdict.CRASHING),
        (7, {"other": 7}, Verdict.CRASHING),
        # The engine counts from 0 again when a container is started by hand.
        (0, {"app-id": 7}, Verdict.HEALTHY),
        (1, {"app-id": 7}, Verdict.HEALTHY),
        (2, {"app-id": 7}, Verdict.CRASHING),
    ],
)
def test_restarts_count_from_the_beginning_of_the_wait(restarts: int, before: dict[str, int], verdict: Verdict):
    found = container(health=EngineHealth.HEALTHY, restart_count=restarts)
    assert judge(CHECKED, (found,), NOW, before)[0] is verdict


@pytest.mark.parametrize(
    ("fields", "verdict"),
    [
        ({"started_at": NOW - RECENT + timedelta(microseconds=1)}, Verdict.CRASHING),
        ({"started_at": NOW - RECENT}, Verdict.HEALTHY),
        ({"started_at": None}, Verdict.STARTING),
        ({"state": State.RESTARTING, "started_at": LONG}, Verdict.CRASHING),
    ],
)
def test_without_a_beginning_only_a_recent_restart_counts(fields: dict, verdict: Verdict):
    assert judge(PLAIN, (container(restart_count=5, **fields),), NOW)[0] is verdict


def test_a_crash_loop_caught_between_two_ends_claims_no_exit_code():
    caught = container("app", "dev", state=State.RUNNING, restart_count=2, exit_code=0, started_at=seconds_ago(0.1))
    verdict, reason = judge(service("app"), (caught,), NOW, {})
    assert (verdict, reason) == (Verdict.CRASHING, "restarted 2 times, running once more")


def test_a_crash_loop_says_how_it_ends():
    looping = container(state=State.RESTARTING, restart_count=4, exit_code=3)
    assert judge(PLAIN, (looping,), NOW) == (Verdict.CRASHING, "restarted 4 times, last exit code 3")
    starved = container(restart_count=2, is_oom_killed=True, started_at=SHORT)
    assert judge(PLAIN, (starved,), NOW) == (Verdict.CRASHING, f"restarted 2 times, {OOM}")


# ---- several containers

GOOD = {"health": EngineHealth.HEALTHY}


@pytest.mark.parametrize(
    ("bad", "verdict"),
    [
        ({"state": State.RESTARTING, "restart_count": 2}, Verdict.CRASHING),
        ({"state": State.EXITED, "exit_code": 1}, Verdict.FAILED),
        ({"state": State.EXITED}, Verdict.STOPPED),
        ({"health": EngineHealth.UNHEALTHY}, Verdict.UNHEALTHY),
        ({"health": EngineHealth.STARTING}, Verdict.STARTING),
    ],
)
def test_the_worst_of_several_counts(bad: dict, verdict: Verdict):
    three = service(replicas=3, healthcheck=CHECKED.healthcheck)
    found = (container(**GOOD), container(number=2, **bad), container(number=3, **GOOD))
    assert judge(three, found, NOW)[0] is verdict


def test_of_two_bad_ones_the_worse_counts():
    found = (container(health=EngineHealth.UNHEALTHY), container(number=2, state=State.EXITED, exit_code=9))
    assert judge(CHECKED, found, NOW) == (Verdict.FAILED, "last exit code 9")


def test_missing_replicas_are_awaited():
    three = service(replicas=3, healthcheck=CHECKED.healthcheck)
    found = tuple(container(number=number, **GOOD) for number in (1, 2, 3))
    assert judge(three, found[:2], NOW) == (Verdict.STARTING, "2 of 3 containers")
    assert judge(three, found, NOW) == (Verdict.HEALTHY, "")
    assert judge(service(healthcheck=CHECKED.healthcheck), found, NOW) == (Verdict.HEALTHY, "")


def test_missing_replicas_do_not_hide_a_failure():
    three = service(replicas=3)
    assert judge(three, (container(state=State.EXITED, exit_code=1),), NOW)[0] is Verdict.FAILED


# ---- what a verdict means


def test_which_verdicts_are_good_and_which_are_final():
    good = {verdict for verdict in Verdict if verdict.is_good}
    final = {verdict for verdict in Verdict if verdict.is_final}
    assert good == {Verdict.HEALTHY, Verdict.COMPLETED}
    assert final == good | {Verdict.CRASHING, Verdict.FAILED}
