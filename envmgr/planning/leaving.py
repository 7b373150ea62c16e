"""What goes when targets are taken down, or deleted with all their data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from envmgr.model.observed import Container
from envmgr.model.plan import Action, Plan, Remark, Risk, Step, Subject
from envmgr.model.stack import Stack
from envmgr.planning.inputs import Question
from envmgr.planning.leftovers import leftovers
from envmgr.planning.losses import disturbed, loss_of_removing, loss_of_unknown


def plan_down(question: Question, services: tuple[str, ...] = ()) -> Plan:
    """Return what goes with some targets, or with some services of one; volumes stay."""
    stacks = tuple(question.system.stack(target) for target in question.selected)
    steps = tuple(step for stack in stacks for step in _leaving(question, stack, services))
    kept = tuple(remark for stack in stacks for remark in _kept_volumes(question, stack))
    return Plan(tuple(question.selected), steps, remarks=kept)


def plan_destroy(question: Question, owned: Mapping[str, str]) -> Plan:
    """Return what goes with the selected targets, data included; `owned` maps a grant's title to how much it holds."""
    stacks = tuple(question.system.stack(target) for target in question.selected)
    steps = tuple(step for stack in stacks for step in _deleting(question, stack, owned))
    return Plan(tuple(question.selected), steps)


def _deleting(question: Question, stack: Stack, owned: Mapping[str, str]) -> Iterator[Step]:
    yield from _leaving(question, stack, ())
    for title, amount in owned.items():
        yield Step(stack.target, Subject.GRANT, title, Action.REMOVE, risks=(Risk(title, amount),))
    there = {volume.name for volume in question.observed.volumes}
    for volume in stack.volumes:
        if volume.name in there:
            risk = Risk(f"volume {volume.name}", "all its data")
            yield Step(stack.target, Subject.VOLUME, volume.name, Action.REMOVE, risks=(risk,))


def _leaving(question: Question, stack: Stack, services: tuple[str, ...]) -> Iterator[Step]:
    found = question.observed.of(stack.compose_project)
    debris = {one.container.name: one.reason for one in leftovers(stack, question.observed)}
    for name in dict.fromkeys(container.service for container in found):
        if not services or name in services:
            yield _removal(question, stack, name, tuple(c for c in found if c.service == name), debris)
    if not services:
        there = {network.name for network in question.observed.networks}
        for network in stack.networks:
            if network.name in there:
                yield Step(stack.target, Subject.NETWORK, network.name, Action.REMOVE)


def _removal(
    question: Question, stack: Stack, name: str, going: tuple[Container, ...], debris: Mapping[str, str]
) -> Step:
    service = next((one for one in stack.services if one.name == name), None)
    known = loss_of_removing(question, stack, service, going) if service else None
    return Step(
        target=stack.target,
        subject=Subject.SERVICE,
        name=name,
        action=Action.REMOVE,
        reason=next((debris[one.name] for one in going if one.name in debris), ""),
        containers=tuple(one.name for one in going),
        loss=known if service else loss_of_unknown(question, stack, going[0]),
        disturbs=disturbed(question, stack, service, going),
    )


def _kept_volumes(question: Question, stack: Stack) -> Iterator[Remark]:
    names = {volume.name for volume in stack.volumes}
    for volume in question.observed.volumes:
        if volume.name in names:
            yield Remark(stack.target, f"volume {volume.name} stays with its data")
