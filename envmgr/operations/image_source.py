"""Where a host's images come from: chosen once, and kept by the volumes that they have written to."""

from __future__ import annotations

from enum import StrEnum

from envmgr import naming
from envmgr.errors import EngineError, UsageError
from envmgr.model.observed import Observed, ObservedVolume
from envmgr.model.stack import Image, Stack, Volume
from envmgr.operations.build_context import source_hash, starts_from
from envmgr.operations.session import Session

_REGISTRY_SECONDS = 15


class Source(StrEnum):
    """Where the images of servers come from."""

    REGISTRY = "registry"
    RECIPES = "recipes"


def choose_source(session: Session, observed: Observed, requested: Source | None) -> Source:
    """Return where images come from on this host: once there is data, as it was when the data was first written.

    Raises: `UsageError` when something else is requested, `EngineError` when no source can serve.
    """
    volumes = server_volumes(session, observed)
    recorded = next((source for source in Source for v in volumes if v.labels.get(naming.LABEL_SOURCE) == source), None)
    if recorded is not None:
        if requested not in (None, recorded):
            raise UsageError(
                f"--images {requested}: this host's volumes were written by images from {recorded}",
                state="Nothing was started.",
                help=f"Leave --images out, or start with empty volumes: envmgr destroy {naming.INFRA}",
            )
        return recorded
    if requested is not None:
        return requested
    if volumes:
        raise UsageError(
            f"volume {volumes[0].name} was not made by envmgr: which images wrote to it is unknown",
            state="Nothing was started.",
            help="Say which: --images registry, or --images recipes.",
        )
    return _first_choice(session)


def server_volumes(session: Session, observed: Observed) -> tuple[ObservedVolume, ...]:
    """Return the volumes of servers that exist, the base's and the environments' own."""
    names = {volume.name for stack in session.project.system.stacks for volume in _of_servers(stack)}
    return tuple(volume for volume in observed.volumes if volume.name in names)


def _of_servers(stack: Stack) -> tuple[Volume, ...]:
    return tuple(volume for volume in stack.volumes if stack.service(volume.service).is_server)


def _first_choice(session: Session) -> Source:
    system = session.project.system
    images = [
        reference for stack in system.stacks for one in stack.services for reference in from_outside(session, one.image)
    ]
    missing = [
        reference for reference in dict.fromkeys(images) if session.engine.image(system.pinned(reference)) is None
    ]
    if not missing or session.engine.registry_answers(missing[0], _REGISTRY_SECONDS):
        return Source.REGISTRY
    without = [reference for reference in missing if reference not in system.substitutes]
    if without:
        raise EngineError(
            f"no registry answers for {without[0]}, and no recipe builds it",
            state="Nothing was started.",
            help="Check the host's way to the registry, or add a recipe.",
        )
    session.note("", "no registry answers: images are built from distribution packages, and this host keeps to that")
    return Source.RECIPES


def from_outside(session: Session, image: Image) -> tuple[str, ...]:
    """Return what an image needs from a registry: itself, or what its Dockerfile starts from and a recipe replaces.

    One that is built from today's source already needs nothing: a host that reaches nothing may have been given it.
    """
    if image.build is None:
        return (session.project.system.unpinned(image.reference),)
    found = session.engine.image(image.reference)
    if found is not None and found.labels.get(naming.LABEL_CONTEXT) == source_hash(
        session.project.folder / image.build.context, image.build.args
    ):
        return ()
    starts = starts_from(session.project.folder / image.build.context / image.build.dockerfile)
    return tuple(official for official in session.project.system.substitutes if official in starts)
