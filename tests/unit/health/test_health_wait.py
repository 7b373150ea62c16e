"""The wait loop, in a world whose clock only the loop itself moves."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from envmgr.errors import EngineError
from envmgr.health import wait as module
from envmgr.health.probe import ProbeResult
from envmgr.health.verdict import SETTLE
from envmgr.health.wait import Waiter
from envmgr.model.health import ServiceHealth, Verdict
from envmgr.model.observed import Container, EngineHealth, Event, Observed, State
from envmgr.model.stack import Command, CommandProbe, Healthcheck, HttpProbe, Service
from tests.making import NOW, container, observed, service, stack

CHECK = Healthcheck(("CMD", "true"))
PROBE = HttpProbe(8000, "/health")
FOREVER = 10_000.0


@dataclass
class World:
    """Containers by the second from which they are so, probes by how they go, and the clock."""

    script: dict[float, tuple[Container, ...]]
    probes: list[tuple[float, bool, str]] = field(default_factory=list)
    """Seconds, verdict and message of each run; the last goes on for ever."""
    clock: float = 0.0
    looks: list[float] = field(default_factory=list)
    runs: list[float] = field(default_factory=list)
    heard: list[ServiceHealth] = field(default_factory=list)
    _pending: list[tuple[float, Future[ProbeResult], ProbeResult]] = field(default_factory=list)

    # ---- the modules `time` and `datetime`

    def monotonic(self) -> float:
        return self.clock

    def now(self, _zone: object) -> datetime:
        return NOW + timedelta(seconds=self.clock)

    # ---- the engine

    def observe(self) -> Observed:
        self.looks.append(self.clock)
        return observed(*self.script[max(since for since in self.script if since <= self.clock)])

    def get(self, timeout: float) -> Event | None:
        """Let time pass until something happens, at most `timeout` seconds."""
        until = self.clock + timeout
        change = min((since for since in self.script if since > self.clock), default=FOREVER)
        self.clock = min(until, change)
        for due, future, result in tuple(self._pending):
            if due <= self.clock and not future.done():
                future.set_result(result)
        return Event("health_status", "app-id", "app") if change <= until else None

    # ---- the pool that runs probes

    def __enter__(self) -> World:
        return self

    def __exit__(self, *_error: object) -> None:
        return None

    def submit(self, _run: object, _probe: object) -> Future[ProbeResult]:
        seconds, is_good, message = self.probes[min(len(self.runs), len(self.probes) - 1)]
        self.runs.append(self.clock)
        future: Future[ProbeResult] = Future()
        self._pending.append((self.clock + seconds, future, ProbeResult(is_good, message, seconds)))
        return future


class NoProber:
    def run(self, probe: object) -> ProbeResult:
        raise AssertionError(f"{probe} was run outside the pool")


@pytest.fixture
def wait(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[ServiceHealth, ...]]:
    def waited(world: World, *services: Service, **fields: Any) -> tuple[ServiceHealth, ...]:
        monkeypatch.setattr(module, "time", world)
        monkeypatch.setattr(module, "datetime", world)
        monkeypatch.setattr(module, "ThreadPoolExecutor", lambda max_workers: world)
        return Waiter(stack(*services), world.observe, world, NoProber(), world.heard.append, **fields).wait(services)

    return waited


def app(name: str = "app", **fields: Any) -> Service:
    return service(name, **({"healthcheck": CHECK} | fields))


def health(verdict: Verdict, reason: str, seconds: float, name: str = "app", latency: float | None = None):
    return ServiceHealth("dev", name, verdict, reason, latency, pytest.approx(seconds, abs=0.02))


def one(name: str = "app", health: EngineHealth = EngineHealth.STARTING, **fields: Any) -> Container:
    return container(name, health=health, **({"started_at": NOW} | fields))


GOOD = one(health=EngineHealth.HEALTHY)
STARTING = one()
SICK = one(health=EngineHealth.UNHEALTHY)


def test_healthy_at_once(wait):
    world = World({0: (GOOD,)})
    assert wait(world, app()) == (health(Verdict.HEALTHY, "", 0),)
    assert (world.looks, world.heard) == ([0], [health(Verdict.HEALTHY, "", 0)])


def test_nothing_to_wait_for(wait):
    assert wait(World({0: ()})) == ()


def test_a_slow_starter_is_healthy_the_moment_its_event_comes(wait):
    world = World({0: (STARTING,), 10.25: (GOOD,)})
    assert wait(world, app()) == (health(Verdict.HEALTHY, "", 10.25),)
    assert world.heard == [
        health(Verdict.STARTING, "its healthcheck has not passed yet", 0),
        health(Verdict.HEALTHY, "", 10.25),
    ]


def test_without_events_the_loop_looks_once_a_second(wait):
    world = World({0: (STARTING,)})
    wait(world, app(start_seconds=5))
    assert world.looks == pytest.approx([0, 1, 2, 3, 4, 5])


def test_one_that_is_unhealthy_and_recovers_is_healthy(wait):
    world = World({0: (STARTING,), 5: (SICK,), 12: (GOOD,)})
    assert wait(world, app()) == (health(Verdict.HEALTHY, "", 12),)
    assert [(heard.verdict, heard.reason) for heard in world.heard] == [
        (Verdict.STARTING, "its healthcheck has not passed yet"),
        (Verdict.UNHEALTHY, "its healthcheck fails"),
        (Verdict.HEALTHY, ""),
    ]


def test_one_that_stays_unhealthy_has_until_its_deadline(wait):
    world = World({0: (SICK,)})
    reason = "not healthy within 60 s: its healthcheck fails"
    assert wait(world, app()) == (health(Verdict.UNHEALTHY, reason, 60),)


def test_the_second_restart_is_a_crash_loop(wait):
    looping = {"state": State.RESTARTING, "exit_code": 3}
    world = World(
        {
            0: (STARTING,),
            2: (one(**looping, restart_count=1),),
            3: (one(restart_count=1),),
            5: (one(**looping, restart_count=2),),
        }
    )
    assert wait(world, app()) == (health(Verdict.CRASHING, "restarted 2 times, last exit code 3", 5),)


def test_restarts_from_before_the_wait_do_not_count(wait):
    world = World({0: (one(health=EngineHealth.HEALTHY, restart_count=41),)})
    assert wait(world, app(), restarts_before={"app-id": 40}) == (health(Verdict.HEALTHY, "", 0),)


# ---- settling


def test_a_service_with_a_healthcheck_needs_no_settling(wait):
    world = World({0: (one(health=EngineHealth.HEALTHY, started_at=NOW),)})
    assert wait(world, app()) == (health(Verdict.HEALTHY, "", 0),)


def test_a_service_without_one_has_to_run_for_a_while(wait):
    world = World({0: (one(health=EngineHealth.NONE, started_at=NOW),)})
    assert wait(world, app(healthcheck=None)) == (health(Verdict.HEALTHY, "", SETTLE.total_seconds()),)


def test_a_restart_while_it_settles_begins_anew(wait):
    again = one(health=EngineHealth.NONE, started_at=NOW + timedelta(seconds=2), restart_count=1)
    world = World({0: (one(health=EngineHealth.NONE),), 2: (again,)})
    assert wait(world, app(healthcheck=None)) == (health(Verdict.HEALTHY, "", 2 + SETTLE.total_seconds()),)


# ---- jobs


def test_a_job_that_succeeds(wait):
    world = World({0: (one(state=State.RUNNING),), 7: (one(state=State.EXITED),)})
    assert wait(world, app(is_job=True)) == (health(Verdict.COMPLETED, "exited with code 0", 7),)


def test_a_job_that_fails(wait):
    world = World({0: (one(state=State.RUNNING),), 7: (one(state=State.EXITED, exit_code=4),)})
    assert wait(world, app(is_job=True)) == (health(Verdict.FAILED, "last exit code 4", 7),)


def test_a_job_that_hangs_has_until_its_deadline(wait):
    world = World({0: (one(state=State.RUNNING),)})
    hanging = app(is_job=True, start_seconds=30)
    assert wait(world, hanging) == (health(Verdict.UNHEALTHY, "not healthy within 30 s: running", 30),)


# ---- probes


def test_a_healthy_container_is_proven_from_outside(wait):
    world = World({0: (GOOD,)}, probes=[(0.2, True, "")])
    assert wait(world, app(probe=PROBE)) == (health(Verdict.HEALTHY, "", 0.2, latency=0.2),)
    assert world.heard[0] == health(Verdict.STARTING, "being probed", 0)


def test_a_probe_that_fails_is_run_again_until_it_passes(wait):
    world = World({0: (GOOD,)}, probes=[(0.1, False, "refused"), (0.1, False, "503"), (0.1, True, "")])
    (found,) = wait(world, app(probe=PROBE))
    assert found == health(Verdict.HEALTHY, "", 1.3, latency=0.1)
    assert world.runs == pytest.approx([0, 0.6, 1.2], abs=0.02)
    assert [heard.reason for heard in world.heard] == ["being probed", "refused", "503", ""]


def test_a_probe_that_never_passes_ends_at_the_deadline_with_its_own_words(wait):
    world = World({0: (STARTING,), 3: (GOOD,)}, probes=[(0.1, False, "GET /health: 503 no database")])
    (found,) = wait(world, app(probe=PROBE, start_seconds=10))
    reason = "not healthy within 10 s: GET /health: 503 no database"
    assert found == health(Verdict.UNHEALTHY, reason, 10, latency=0.1)


def test_a_probe_that_hangs_is_named_as_what_was_waited_for(wait):
    world = World({0: (STARTING,), 3: (GOOD,)}, probes=[(FOREVER, True, "")])
    (found,) = wait(world, app(probe=PROBE, start_seconds=10))
    assert found == health(Verdict.UNHEALTHY, "not healthy within 10 s: being probed", 10)


def test_a_container_that_is_not_healthy_yet_is_not_probed(wait):
    world = World({0: (STARTING,), 4: (GOOD,)}, probes=[(0.1, True, "")])
    wait(world, app(probe=PROBE))
    assert world.runs == [4]


def test_a_service_without_a_healthcheck_settles_before_it_is_probed(wait):
    world = World({0: (one(health=EngineHealth.NONE),)}, probes=[(0.1, True, "")])
    wait(world, app(healthcheck=None, probe=PROBE))
    assert world.runs == pytest.approx([SETTLE.total_seconds()])


def test_a_proof_is_asked_for_once(wait):
    slow = (one("slow"),)
    world = World({0: (GOOD, *slow), 5: (GOOD, one("slow", EngineHealth.HEALTHY))}, probes=[(0.1, True, "")])
    wait(world, app(probe=PROBE), app("slow"))
    assert world.runs == [0]


@pytest.mark.parametrize(
    ("test", "argv", "runs"),
    [
        (("CMD", "ping", "-q"), ("ping", "-q"), 0),
        (("CMD-SHELL", "ping | grep PONG"), ("/bin/sh", "-c", "ping | grep PONG"), 0),
        (("CMD", "ping", "-q"), ("ping",), 1),
        (("CMD-SHELL", "ping"), ("ping",), 1),
    ],
)
def test_a_probe_that_is_the_healthcheck_itself_is_not_run_again(wait, test: tuple[str, ...], argv, runs: int):
    world = World({0: (GOOD,)}, probes=[(0, True, "")])
    probe = CommandProbe(Command("dev", "app", argv))
    assert wait(world, app(healthcheck=Healthcheck(test), probe=probe))[0].verdict is Verdict.HEALTHY
    assert len(world.runs) == runs


# ---- several services

FAST, SLOW = app("fast"), app("slow")
GRACE = module._GRACE


def test_a_failure_soon_ends_the_wait_while_another_is_still_starting(wait):
    world = World({0: (one("fast"), one("slow")), 4: (one("fast", state=State.EXITED, exit_code=1), one("slow"))})
    assert wait(world, FAST, SLOW) == (
        health(Verdict.FAILED, "last exit code 1", 4 + GRACE, "fast"),
        health(Verdict.STARTING, "its healthcheck has not passed yet", 4 + GRACE, "slow"),
    )


def test_two_failures_that_are_near_to_each_other_are_told_together(wait):
    dead, slow = one("fast", state=State.EXITED, exit_code=1), one("slow", state=State.EXITED, exit_code=2)
    world = World({0: (dead, one("slow")), 3: (dead, slow)})
    assert wait(world, FAST, SLOW) == (
        health(Verdict.FAILED, "last exit code 1", 3, "fast"),
        health(Verdict.FAILED, "last exit code 2", 3, "slow"),
    )
    assert len(world.looks) < 10


def test_one_that_fails_after_it_was_healthy_ends_the_wait(wait):
    fine, dead = one("fast", EngineHealth.HEALTHY), one("fast", state=State.EXITED, exit_code=1)
    world = World({0: (fine, one("slow")), 4: (dead, one("slow"))})
    assert wait(world, FAST, SLOW)[0] == health(Verdict.FAILED, "last exit code 1", 4 + GRACE, "fast")


def test_each_service_has_its_own_deadline(wait):
    world = World({0: (one("fast"), one("slow"))})
    assert wait(world, app("fast", start_seconds=5), app("slow", start_seconds=50)) == (
        health(Verdict.UNHEALTHY, "not healthy within 5 s: its healthcheck has not passed yet", 5 + GRACE, "fast"),
        health(Verdict.STARTING, "its healthcheck has not passed yet", 5 + GRACE, "slow"),
    )
    assert len(world.looks) < 20


def test_a_short_deadline_does_not_end_the_wait_for_others(wait):
    ready = one("fast", EngineHealth.HEALTHY)
    world = World({0: (ready, one("slow")), 40: (ready, one("slow", EngineHealth.HEALTHY))})
    found = wait(world, app("fast", start_seconds=5), app("slow", start_seconds=50))
    assert [(one.verdict, one.seconds) for one in found] == [(Verdict.HEALTHY, 40), (Verdict.HEALTHY, 40)]


def test_missing_replicas_are_awaited_until_the_deadline(wait):
    first, second = GOOD, one(health=EngineHealth.HEALTHY, number=2)
    pair = app(replicas=2)
    assert wait(World({0: (first,), 6: (first, second)}), pair) == (health(Verdict.HEALTHY, "", 6),)
    reason = "not healthy within 60 s: 1 of 2 containers"
    assert wait(World({0: (first,)}), pair) == (health(Verdict.UNHEALTHY, reason, 60),)


@pytest.mark.parametrize(
    ("containers", "verdict", "reason"),
    [
        ((), Verdict.MISSING, "no container"),
        ((one(state=State.PAUSED),), Verdict.STOPPED, "paused"),
        ((one(state=State.CREATED, error="port is taken"),), Verdict.FAILED, "port is taken"),
    ],
)
def test_what_will_not_come_by_itself_is_not_waited_for(wait, containers, verdict: Verdict, reason: str):
    assert wait(World({0: containers}), app()) == (health(verdict, reason, 0),)


def test_containers_of_another_stack_do_not_count(wait):
    other = container("app", target="stage", health=EngineHealth.HEALTHY)
    assert wait(World({0: (other,)}), app())[0].verdict is Verdict.MISSING


# ---- faults


def test_an_engine_that_goes_away_ends_the_wait(wait, monkeypatch: pytest.MonkeyPatch):
    world = World({0: (STARTING,)})

    def gone(_timeout: float) -> None:
        raise EngineError("Docker ended the stream of events")

    monkeypatch.setattr(world, "get", gone)
    with pytest.raises(EngineError, match=r"^Docker ended the stream of events$"):
        wait(world, app())


def test_probes_run_side_by_side_in_threads():
    both = threading.Barrier(2, timeout=5)

    class Prober:
        def run(self, _probe: object) -> ProbeResult:
            both.wait()  # passes only while the other one runs, too
            return ProbeResult(True, "", 0.0)

    class Events:
        def get(self, timeout: float) -> None:
            threading.Event().wait(min(timeout, 0.001))

    services = (app("one", probe=PROBE), app("two", probe=PROBE))
    snapshot = observed(one("one", EngineHealth.HEALTHY), one("two", EngineHealth.HEALTHY))
    found = Waiter(stack(*services), lambda: snapshot, Events(), Prober(), lambda _health: None).wait(services)
    assert [health.verdict for health in found] == [Verdict.HEALTHY, Verdict.HEALTHY]
