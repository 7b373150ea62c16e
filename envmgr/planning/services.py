"""What has to happen to the containers of one service."""

from __future__ import annotations

from collections.abc import Iterator

from envmgr.model.observed import Container, EngineHealth, State
from envmgr.model.plan import Action, Cause, Step, Subject
from envmgr.model.stack import Service, Stack
from envmgr.planning.differences import differences, merged
from envmgr.planning.inputs import Question
from envmgr.planning.leftovers import containers_of
from envmgr.planning.losses import disturbed, loss_of_fewer, loss_of_replacing
from envmgr.planning.places import place_of

_STOPPED = (State.CREATED, State.EXITED, State.DEAD, State.REMOVING)


def service_steps(question: Question, stack: Stack, service: Service) -> tuple[Step, ...]:
    """Return the steps that make a service's containers what they should be, none when they are."""
    found = containers_of(stack, service.name, question.observed)
    if not found:
        return (Step(stack.target, Subject.SERVICE, service.name, Action.CREATE),)
    changed = merged(differences(question, stack, service, container) for container in found)
    number = tuple(_number(question, stack, service, len(found)))
    if changed.causes:
        return (_recreate(question, stack, service, found, (*changed.causes, *number), is_drift=changed.is_drift),)
    return (*_states(question, stack, service, found), *_scale(question, stack, service, found, number))


def _recreate(
    question: Question,
    stack: Stack,
    service: Service,
    found: tuple[Container, ...],
    causes: tuple[Cause, ...],
    *,
    is_drift: bool,
) -> Step:
    return Step(
        target=stack.target,
        subject=Subject.SERVICE,
        name=service.name,
        action=Action.RECREATE,
        causes=causes,
        containers=_names(found),
        loss=loss_of_replacing(question, stack, service, found),
        is_drift=is_drift,
        disturbs=disturbed(question, stack, service, found),
    )


def _states(question: Question, stack: Stack, service: Service, found: tuple[Container, ...]) -> Iterator[Step]:
    """Start what is stopped, and restart what runs and does not work."""
    stopped = tuple(container for container in found if _has_to_start(service, container))
    stuck = tuple(container for container in found if _has_to_restart(container))
    if stopped:
        causes = _causes(stopped)
        yield Step(stack.target, Subject.SERVICE, service.name, Action.START, causes, containers=_names(stopped))
    if stuck:
        yield Step(
            target=stack.target,
            subject=Subject.SERVICE,
            name=service.name,
            action=Action.RESTART,
            causes=_causes(stuck),
            containers=_names(stuck),
            loss=loss_of_replacing(question, stack, service, stuck),
            disturbs=disturbed(question, stack, service, stuck),
        )


def _has_to_start(service: Service, container: Container) -> bool:
    succeeded = service.is_job and container.state is State.EXITED and container.exit_code == 0
    return container.state in _STOPPED and not succeeded


def _has_to_restart(container: Container) -> bool:
    is_unhealthy = container.state is State.RUNNING and container.health is EngineHealth.UNHEALTHY
    return is_unhealthy or container.state in (State.PAUSED, State.RESTARTING)


def _causes(found: tuple[Container, ...]) -> tuple[Cause, ...]:
    causes = (
        Cause("health", container.health.value, "healthy")
        if container.state is State.RUNNING
        else Cause("state", _state(container), "running")
        for container in found
    )
    return tuple(dict.fromkeys(causes))


def _state(container: Container) -> str:
    ended = container.state in (State.EXITED, State.RESTARTING) and container.exit_code
    return f"{container.state.value} with code {container.exit_code}" if ended else container.state.value


def _number(question: Question, stack: Stack, service: Service, count: int) -> Iterator[Cause]:
    if count != service.replicas:
        old, new = str(count), str(service.replicas)
        yield Cause("replicas", old, new, place_of(stack, service, ("replicas", old, new), question.locate))


def _scale(
    question: Question, stack: Stack, service: Service, found: tuple[Container, ...], number: tuple[Cause, ...]
) -> Iterator[Step]:
    if not number:
        return
    # Compose removes from the highest number down.
    going = found[service.replicas :]
    yield Step(
        target=stack.target,
        subject=Subject.SERVICE,
        name=service.name,
        action=Action.SCALE,
        causes=number,
        containers=_names(going),
        loss=loss_of_fewer(stack, service, going),
        disturbs=disturbed(question, stack, service, going),
    )


def _names(found: tuple[Container, ...]) -> tuple[str, ...]:
    return tuple(container.name for container in found)
