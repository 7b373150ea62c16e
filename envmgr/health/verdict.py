"""One verdict per service from what the engine says about its containers; pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from envmgr.model.health import Verdict
from envmgr.model.observed import Container, EngineHealth, State
from envmgr.model.stack import Service

SETTLE = timedelta(seconds=3)
"""A service without a healthcheck has to run this long, without a restart, to count as healthy."""
CRASHES = 2
"""This many restarts are a crash loop."""
RECENT = timedelta(seconds=30)

Judgement = tuple[Verdict, str]
_ORDER = (
    Verdict.CRASHING,
    Verdict.FAILED,
    Verdict.STOPPED,
    Verdict.UNHEALTHY,
    Verdict.STARTING,
    Verdict.HEALTHY,
    Verdict.COMPLETED,
)


def judge(
    service: Service, containers: tuple[Container, ...], now: datetime, restarts_before: Mapping[str, int] | None = None
) -> Judgement:
    """Return the verdict on a service and the reason: the worst of its containers counts.

    `restarts_before` maps a container to the restarts that it had before the wait began; without it, restarts count
    when the last one is recent.
    """
    if not containers:
        return Verdict.MISSING, "no container"
    judgements = [_judge(service, container, now, restarts_before) for container in containers]
    worst = min(judgements, key=lambda judgement: _ORDER.index(judgement[0]))
    if worst[0].is_good and len(containers) < service.replicas:
        return Verdict.STARTING, f"{len(containers)} of {service.replicas} containers"
    return worst


def _judge(
    service: Service, container: Container, now: datetime, restarts_before: Mapping[str, int] | None
) -> Judgement:
    if service.is_job:
        return _judge_job(container)
    if _is_crashing(container, now, restarts_before):
        return Verdict.CRASHING, f"restarted {container.restart_count} times, {_ending(container)}"
    if container.state is State.RUNNING:
        return _judge_running(service, container, now)
    if container.state is State.RESTARTING:
        return Verdict.STARTING, f"restarting, {_ending(container)}"
    return _judge_stopped(container)


def _judge_job(container: Container) -> Judgement:
    if container.state in (State.EXITED, State.DEAD):
        if container.exit_code == 0 and not container.error:
            return Verdict.COMPLETED, "exited with code 0"
        return Verdict.FAILED, container.error or _ending(container)
    if container.state is State.CREATED:
        return (Verdict.FAILED, container.error) if container.error else (Verdict.STARTING, "not started yet")
    return Verdict.STARTING, "running"


def _judge_running(service: Service, container: Container, now: datetime) -> Judgement:
    if container.health is EngineHealth.HEALTHY:
        return Verdict.HEALTHY, ""
    if container.health is EngineHealth.UNHEALTHY:
        return Verdict.UNHEALTHY, "its healthcheck fails"
    if container.health is EngineHealth.STARTING:
        return Verdict.STARTING, "its healthcheck has not passed yet"
    if service.healthcheck is not None:
        return Verdict.STARTING, "its container has no healthcheck although the service declares one"
    started = container.started_at
    if started is not None and now - started >= SETTLE:
        return Verdict.HEALTHY, "no healthcheck; runs without a restart"
    return Verdict.STARTING, "no healthcheck; settling"


def _judge_stopped(container: Container) -> Judgement:
    if container.state is State.PAUSED:
        return Verdict.STOPPED, "paused"
    if container.error:
        return Verdict.FAILED, container.error
    if container.state is State.CREATED:
        return Verdict.STOPPED, "created, never started"
    # 0, SIGKILL and SIGTERM are how `docker stop` ends a program.
    if container.exit_code in (0, 137, 143) and not container.is_oom_killed:
        return Verdict.STOPPED, "stopped"
    return Verdict.FAILED, _ending(container)


def _is_crashing(container: Container, now: datetime, restarts_before: Mapping[str, int] | None) -> bool:
    if restarts_before is not None:
        before = restarts_before.get(container.id, 0)
        # The engine counts from 0 again when a container is started by hand.
        since = container.restart_count - before if container.restart_count >= before else container.restart_count
        return since >= CRASHES
    started = container.started_at
    is_recent = container.state is State.RESTARTING or (started is not None and now - started < RECENT)
    return container.restart_count >= CRASHES and is_recent


def _ending(container: Container) -> str:
    if container.is_oom_killed:
        return "killed for exceeding its memory limit"
    if container.state is State.RUNNING:
        # The engine shows 0 from the moment it has started it again.
        return "running once more"
    return f"last exit code {container.exit_code}"
