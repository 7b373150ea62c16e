"""What users notice while a container is replaced, and which protected environments would be among them."""

from __future__ import annotations

from envmgr.model.observed import Container, Observed
from envmgr.model.plan import Interruption, Loss
from envmgr.model.stack import Service, Stack
from envmgr.planning.inputs import Question


def loss_of_replacing(question: Question, stack: Stack, service: Service, cut: tuple[Container, ...]) -> Loss | None:
    """Return what is lost from the stop of some containers until the new ones are healthy; None when none works now."""
    return _loss(question, stack, service, cut, service.stop_seconds + service.start_seconds)


def loss_of_removing(question: Question, stack: Stack, service: Service, cut: tuple[Container, ...]) -> Loss | None:
    """Return what is lost when containers of a service go and none comes in their place."""
    return _loss(question, stack, service, cut, None)


def loss_of_fewer(stack: Stack, service: Service, cut: tuple[Container, ...]) -> Loss | None:
    """Return what is lost when some containers of a service go and others go on."""
    works = any(container.state.has_process for container in cut)
    return Loss(Interruption.IN_HAND, (stack.target,), service.stop_seconds) if works else None


def _loss(
    question: Question, stack: Stack, service: Service, cut: tuple[Container, ...], seconds: float | None
) -> Loss | None:
    if not any(container.state.has_process for container in cut):
        return None
    if service.is_job or not _listens(service):
        return Loss(Interruption.IN_HAND, (stack.target,), service.stop_seconds)
    whose = users(question, stack, service)
    return Loss(Interruption.REQUESTS, whose, seconds) if whose else None


def loss_of_unknown(question: Question, stack: Stack, container: Container) -> Loss | None:
    """Return what is lost with a container of which the spec knows nothing any longer: who used it is not known."""
    whose = _all_users(question, stack)
    return Loss(Interruption.REQUESTS, whose, None) if container.state.has_process and whose else None


def _listens(service: Service) -> bool:
    """Tell whether others send it requests: a server, or what has a name or a port for them."""
    return service.is_server or bool(service.aliases or service.ports)


def users(question: Question, stack: Stack, service: Service) -> tuple[str, ...]:
    """Return whose requests a service answers: its own environment's, or those of all that use it and run."""
    if not stack.is_base:
        return (stack.target,)
    names = _with_dependents(stack, service)
    return tuple(
        one.target
        for one in question.system.environments
        if runs(one, question.observed)
        and (service.faces_environments or any(name in names for s in one.services for name in s.uses))
    )


def _with_dependents(stack: Stack, service: Service) -> set[str]:
    """Return a server's name with those of all servers of its stack that need it."""
    names = {service.name}
    while True:
        more = {s.name for s in stack.services if any(d.service in names for d in s.depends_on)}
        if more <= names:
            return names
        names |= more


def runs(stack: Stack, observed: Observed) -> bool:
    """Tell whether anything of a stack runs."""
    return any(container.state.has_process for container in observed.of(stack.compose_project))


def disturbed(question: Question, stack: Stack, service: Service | None, cut: tuple[Container, ...]) -> tuple[str, ...]:
    """Return the protected environments that notice when some containers are cut."""
    if not any(container.state.has_process for container in cut):
        return ()
    whose = users(question, stack, service) if service else _all_users(question, stack)
    protected = {one.target for one in question.system.environments if one.is_protected}
    return tuple(name for name in whose if name in protected)


def _all_users(question: Question, stack: Stack) -> tuple[str, ...]:
    if not stack.is_base:
        return (stack.target,)
    return tuple(one.target for one in question.system.environments if runs(one, question.observed))
