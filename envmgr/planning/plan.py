"""Put a whole plan together: images first, then the base, then each environment in the order in which it starts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from envmgr import naming
from envmgr.errors import Problem
from envmgr.model.observed import Container, EngineHealth, State
from envmgr.model.plan import Action, Cause, Plan, Remark, Step, Subject
from envmgr.model.secret import references
from envmgr.model.stack import Grant, Service, Stack
from envmgr.planning.inputs import Question
from envmgr.planning.leftovers import Leftover, containers_of, leftovers
from envmgr.planning.losses import disturbed, loss_of_unknown
from envmgr.planning.refusals import refusals
from envmgr.planning.services import service_steps

_FRESH = (Action.CREATE, Action.RECREATE)


def make_plan(question: Question) -> Plan:
    """Return what has to happen so that the selected services run as the spec says; deterministic."""
    stacks = tuple(question.system.stack(target) for target in question.selected)
    images = tuple(Step("", Subject.IMAGE, one.reference, one.action, reason=one.reason) for one in question.work)
    steps, kept = [*images], list[Step]()
    for stack in stacks:
        for step in _stack_steps(question, stack):
            (kept if _is_kept(question, stack, step) else steps).append(step)
    remarks = tuple(remark for stack in stacks for remark in _unused(question, stack))
    return Plan(tuple(question.selected), tuple(steps), tuple(kept), remarks, _located(question))


def _stack_steps(question: Question, stack: Stack) -> Iterator[Step]:
    waves = question.selected[stack.target]
    services = tuple(service for wave in waves for service in wave)
    containers = tuple(step for service in services for step in service_steps(question, stack, service))
    yield from (_removal(question, stack, one) for one in leftovers(stack, question.observed))
    yield from _networks(question, stack, services)
    yield from _volumes(question, stack, services)
    yield from _grants(stack, containers)
    yield from _connections(question, stack)
    yield from containers


def _removal(question: Question, stack: Stack, one: Leftover) -> Step:
    container = one.container
    return Step(
        target=stack.target,
        subject=Subject.SERVICE,
        name=container.service,
        action=Action.REMOVE,
        reason=one.reason,
        containers=(container.name,),
        loss=loss_of_unknown(question, stack, container) if one.is_unknown else None,
        disturbs=disturbed(question, stack, None, (container,)) if one.is_unknown else (),
    )


def _networks(question: Question, stack: Stack, services: tuple[Service, ...]) -> Iterator[Step]:
    there = {network.name for network in question.observed.networks}
    used = {key for service in services for key in service.networks}
    for network in stack.networks:
        if network.name not in there and not network.is_foreign and (network.key in used or network.is_external):
            yield Step(stack.target, Subject.NETWORK, network.name, Action.CREATE)


def _volumes(question: Question, stack: Stack, services: tuple[Service, ...]) -> Iterator[Step]:
    there = {volume.name for volume in question.observed.volumes}
    used = {mount.volume for service in services for mount in service.volumes}
    for volume in stack.volumes:
        if volume.name not in there and volume.key in used:
            yield Step(stack.target, Subject.VOLUME, volume.name, Action.CREATE)


def _grants(stack: Stack, containers: tuple[Step, ...]) -> Iterator[Step]:
    """Say what is made inside servers, where a snapshot gives reason to; every `up` makes sure of all of it anyhow."""
    for grant in (one for one in stack.grants if not one.is_given):
        fresh = [(stack.service(s.name), s) for s in containers if s.action in _FRESH and _uses(stack, s.name, grant)]
        if any(step.action is Action.CREATE for _, step in fresh):
            yield Step(stack.target, Subject.GRANT, grant.title, Action.PROVISION)
        elif any(_has_new_password(service, step, grant) for service, step in fresh):
            reason = "its password has changed"
            yield Step(stack.target, Subject.GRANT, grant.title, Action.PROVISION, reason=reason)


def _uses(stack: Stack, name: str, grant: Grant) -> bool:
    service = stack.service(name)
    return grant.server in service.uses or any(need.service == grant.server for need in service.depends_on)


def _has_new_password(service: Service, step: Step, grant: Grant) -> bool:
    """Tell whether a value that changes is put together from the password that opens the grant."""
    passwords = {ref.name for template in grant.ensure.variables.values() for ref in references(template)}
    contents = {**{mount.name: mount.content for mount in service.secrets}, **service.templated}
    changed = [cause.field.partition(".")[2] for cause in step.causes if cause.old is None and cause.new is None]
    return any(ref.name in passwords for name in changed for ref in references(contents.get(name, ())))


def _connections(question: Question, stack: Stack) -> Iterator[Step]:
    """Connect running servers of the base to an environment's network that exists and that they have left."""
    network = naming.data_network(stack.project, stack.target)
    if stack.is_base or network not in {one.name for one in question.observed.networks}:
        return
    base = question.system.base
    used = {name for service in stack.services for name in service.uses}
    for server in base.services:
        if server.name in used or server.faces_environments:
            lost = tuple(c for c in _running(question, server) if server.name not in c.networks.get(network, ()))
            if lost:
                causes = (Cause("networks", None, network),)
                names = tuple(container.name for container in lost)
                yield Step(stack.target, Subject.NETWORK, server.name, Action.CONNECT, causes, containers=names)


def _running(question: Question, server: Service) -> tuple[Container, ...]:
    found = containers_of(question.system.base, server.name, question.observed)
    return tuple(container for container in found if container.state is State.RUNNING)


def _is_kept(question: Question, stack: Stack, step: Step) -> bool:
    """Tell whether a step has to wait until somebody asks for the base: it would cut something that runs."""
    if not (question.keeps_base and stack.is_base and step.subject is Subject.SERVICE):
        return False
    is_debris = step.action is Action.REMOVE and step.name in {service.name for service in stack.services}
    running = {c.name for c in question.observed.of(stack.compose_project) if _serves(c)}
    return not is_debris and bool(running & set(step.containers))


def _serves(container: Container) -> bool:
    """Tell whether others may be using it: one that fails its healthcheck or restarts on and on serves nobody."""
    is_looping = container.health is EngineHealth.STARTING and container.restart_count > 0
    return container.state is State.RUNNING and container.health is not EngineHealth.UNHEALTHY and not is_looping


def _unused(question: Question, stack: Stack) -> Iterator[Remark]:
    """Name volumes that no service of the spec has any longer: their data stays."""
    known = {volume.name for volume in stack.volumes}
    for volume in question.observed.volumes:
        is_mine = volume.labels.get(naming.LABEL_ENVIRONMENT) == stack.target
        if is_mine and volume.name.startswith(f"{stack.compose_project}-") and volume.name not in known:
            yield Remark(stack.target, f"volume {volume.name} is used by no service of the spec; its data stays")


def _located(question: Question) -> tuple[Problem, ...]:
    def located(problem: Problem) -> Problem:
        place = question.locate(problem.path).place
        return replace(problem, file=place.file, line=place.line)

    return tuple(located(problem) for problem in refusals(question))
