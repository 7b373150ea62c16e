"""How one container differs from what is wanted, as causes with their place in the spec."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from envmgr import naming
from envmgr.model.observed import Container, ImageInfo
from envmgr.model.plan import Cause
from envmgr.model.stack import Service, Stack
from envmgr.model.value import dataclass
from envmgr.planning import raw
from envmgr.planning.actual import actual_fields
from envmgr.planning.desired import desired_fields, unknown_fields
from envmgr.planning.fields import SECRETS
from envmgr.planning.inputs import Question, Wanted
from envmgr.planning.places import Difference, place_of


@dataclass(frozen=True, slots=True)
class Differences:
    """What has to change about one container."""

    causes: tuple[Cause, ...]
    is_drift: bool = False
    """Its labels say that it is as wanted, and it is not: somebody changed it by hand."""


def differences(question: Question, stack: Stack, service: Service, container: Container) -> Differences:
    """Compare one container with what is wanted of it."""
    if (move := _move(service, container)) is not None:
        return Differences((move,))
    wanted = question.wanted[stack.target][service.name]
    labelled = tuple(_labelled(service, container, wanted))
    is_same = (
        not labelled
        and container.image_id == wanted.image_id
        and container.labels.get(naming.LABEL_HASH) == wanted.hash
    )
    if service.is_job and is_same:
        # What a job ran in is over; to repair it would run it again.
        return Differences(())
    found = [*_fields(question, stack, service, container, wanted), *labelled]
    found += [] if found or is_same else [_definition(container, wanted)]
    if is_same:
        # Nothing in the spec has changed, so no line of it is the cause.
        return Differences(tuple(Cause(*one) for one in dict.fromkeys(found)), is_drift=bool(found))
    causes = (Cause(*one, place_of(stack, service, one, question.locate)) for one in dict.fromkeys(found))
    return Differences(tuple(causes))


def _move(service: Service, container: Container) -> Cause | None:
    """Return the one cause when a service moves between its container and the desk: everything else follows from it."""
    have, want = (kind == naming.KIND_NATIVE for kind in (container.labels.get(naming.LABEL_KIND), service.kind))
    if have == want:
        return None
    return Cause("side", *(("native", "container") if have else ("container", "native")))


def visited_networks(question: Question, stack: Stack) -> frozenset[str]:
    """Return the networks that containers of a stack may join besides their own: the base visits all environments."""
    others = question.system.parts[1:] if stack.is_base else ()
    return frozenset(naming.data_network(one.project, one.target) for one in others)


def _fields(
    question: Question, stack: Stack, service: Service, container: Container, wanted: Wanted
) -> Iterator[Difference]:
    image = question.images.get(wanted.image_id)
    want = {**desired_fields(stack, service, wanted, image), "name": _name(container)}
    have = {**actual_fields(container, visited_networks(question, stack)), "name": container.name}
    ruled = raw.ruled(service.compose)
    unknown = unknown_fields(service, image)
    for field in dict.fromkeys((*want, *have)):
        if want.get(field) != have.get(field) and field not in unknown | ruled:
            yield field, have.get(field), want.get(field)
    if raw.VARIABLES not in ruled:
        yield from _variables(service, container, wanted, question.images.get(container.image_id))


def _name(container: Container) -> str:
    return f"{container.compose_project}-{container.service}-{container.number}"


def _variables(
    service: Service, container: Container, wanted: Wanted, inherited: ImageInfo | None
) -> Iterator[Difference]:
    """Compare the variables that stand in the spec; of others, an image that is gone could not tell whose they are."""
    want = {**service.variables, **(raw.variables(service.compose) or {})}
    have = container.settings.variables
    supplied = {*naming.revised(container.revision), *naming.revised(wanted.revision), naming.REVISION}
    for name in sorted(want):
        if want[name] != have.get(name) and name not in naming.revised(container.revision):
            yield f"variables.{name}", have.get(name), want[name]
    theirs = inherited.variables if inherited else have
    for name in sorted(have.keys() - want.keys() - supplied):
        if have[name] != theirs.get(name):
            yield f"variables.{name}", have[name], None


def _labelled(service: Service, container: Container, wanted: Wanted) -> Iterator[Difference]:
    """Compare what only labels, digests and ids can tell: values are never shown."""
    have, want = naming.revised(container.revision), naming.revised(wanted.revision)
    mounted = {mount.target.removeprefix(SECRETS) for mount in container.settings.mounts}
    files = {mount.name for mount in service.secrets} | (mounted - want.keys())
    for name in sorted({*have, *want}):
        if have.get(name) != want.get(name):
            group = "secrets" if name in files else "variables"
            yield f"{group}.{name}", None, None
    if container.image_id != wanted.image_id and container.image == wanted.image:
        yield "image", _build(wanted.image, container.image_id), _build(wanted.image, wanted.image_id)


def _build(reference: str, image_id: str) -> str:
    return f"{reference} ({image_id.removeprefix('sha256:')[:12]})" if image_id else f"{reference} (made anew)"


def _definition(container: Container, wanted: Wanted) -> Difference:
    return "definition", container.labels.get(naming.LABEL_HASH, "none"), wanted.hash


def merged(found: Iterable[Differences]) -> Differences:
    """Put the differences of several containers of one service together, each cause once."""
    every = tuple(found)
    causes = dict.fromkeys(cause for one in every for cause in one.causes)
    return Differences(tuple(causes), any(one.is_drift for one in every))
