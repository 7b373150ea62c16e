"""What `up` would do: everything that a plan follows from is looked up here, and nothing is changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from envmgr import naming
from envmgr.model.observed import ImageInfo, Observed
from envmgr.model.plan import Plan, Remark
from envmgr.model.stack import Service, Stack
from envmgr.operations.image_source import Source, choose_source
from envmgr.operations.images import effective, image_work, outdated
from envmgr.operations.order import waves
from envmgr.operations.session import Session
from envmgr.operations.values import Values, gather
from envmgr.planning.inputs import Question, Wanted, Waves
from envmgr.planning.plan import make_plan
from envmgr.render.files import service_labels
from envmgr.secrets.deliver import revisions

Selected = Mapping[str, tuple[Service, ...]]
"""Target → services that are asked for."""


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """What the operator would give `up`."""

    build: bool = False
    images: Source | None = None


def plan(session: Session, names: tuple[str, ...], options: PlanOptions) -> Plan:
    """Return what `up` of some targets, or of some services of one, would do; of all targets when none is named.

    Raises: `SpecError` when values are missing, `UsageError`, `EngineError`.
    """
    chosen, services = session.project.choose(names) if names else (session.project.system.stacks, ())
    selected = {stack.target: session.project.services(stack, services) for stack in chosen}
    base = session.project.system.base
    stacks = (base, *(stack for stack in chosen if not stack.is_base))
    values = gather(session, stacks)
    observed = session.observe()
    source = choose_source(session, observed, options.images)
    return propose(session, stacks, selected, values, source, observed=observed, build=options.build)


def propose(
    session: Session,
    stacks: tuple[Stack, ...],
    selected: Selected,
    values: Mapping[str, Values],
    source: Source,
    *,
    observed: Observed,
    build: bool,
) -> Plan:
    """Return what has to happen to stacks, of which the base is first and left alone unless it is `selected`."""
    looked_up = _Images(session, {})
    work = image_work(session, stacks, source, build=build)
    due = {one.reference for one in work}
    wanted = {
        stack.target: _wanted(session, stack, values[stack.target], source, looked_up, due=due) for stack in stacks
    }
    for container in observed.containers:
        looked_up.find(container.image_id)
    made = make_plan(
        Question(
            system=session.project.system,
            observed=observed,
            selected={stack.target: _waves(stack, selected) for stack in stacks if stack.services},
            wanted=wanted,
            images=looked_up.by_id,
            locate=session.project.locate,
            keeps_base=naming.INFRA not in selected,
            source=source.value,
            work=work,
        )
    )
    return _with_remarks(made, tuple(outdated(session, stacks)) if not build else ())


def leaving(session: Session, stacks: tuple[Stack, ...], observed: Observed) -> Question:
    """Return what a plan follows from that only takes things away: nothing is wanted of what goes."""
    selected: dict[str, Waves] = {stack.target: () for stack in stacks}
    return Question(session.project.system, observed, selected, {}, {}, session.project.locate)


@dataclass(frozen=True, slots=True)
class _Images:
    """Images that were looked up, each once."""

    session: Session
    known: dict[str, ImageInfo | None]

    def find(self, reference: str) -> ImageInfo | None:
        if reference not in self.known:
            found = self.session.engine.image(reference)
            self.known[reference] = found
            if found is not None:
                self.known[found.id] = found
        return self.known[reference]

    @property
    def by_id(self) -> dict[str, ImageInfo]:
        return {info.id: info for info in self.known.values() if info is not None}


def _wanted(
    session: Session, stack: Stack, values: Values, source: Source, images: _Images, *, due: set[str]
) -> dict[str, Wanted]:
    if not stack.services:
        return {}
    labels = service_labels(stack, session.project.folder)
    carried = revisions(session.project.folder, stack, values.plain(stack), session.vault)
    found = {}
    for service in stack.services:
        reference = effective(session, service.image.reference, source)
        info = None if reference in due else images.find(reference)
        mine = labels[service.name]
        found[service.name] = Wanted(
            image=reference,
            hash=mine[naming.LABEL_HASH],
            revision=carried[service.name],
            configs=mine.get(naming.LABEL_CONFIGS, ""),
            image_id=info.id if info else "",
        )
    return found


def _waves(stack: Stack, selected: Selected) -> Waves:
    """Return the services that should run; servers that an environment has for itself always come along."""
    own = () if stack.is_base else tuple(service for service in stack.services if service.is_server)
    return waves(stack, (*own, *selected.get(stack.target, stack.services)))


def _with_remarks(made: Plan, texts: tuple[str, ...]) -> Plan:
    remarks = (*made.remarks, *(Remark("", text) for text in texts))
    return Plan(made.targets, made.steps, made.kept, remarks, made.refusals)
