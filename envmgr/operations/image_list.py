"""The images that targets need: where each comes from, whether it is there, and what stands in for what."""

from __future__ import annotations

from envmgr import naming
from envmgr.errors import EngineError
from envmgr.model.result import ImageRow
from envmgr.model.stack import Image, Stack
from envmgr.operations.image_source import Source, choose_source
from envmgr.operations.images import build_images, build_recipes, effective, images_of, nothing_started, pull_images
from envmgr.operations.session import Session


def images(session: Session, names: tuple[str, ...]) -> tuple[ImageRow, ...]:
    """Return one row per image of some targets, of all when none is named."""
    stacks = _stacks(session, names)
    try:
        source = choose_source(session, session.observe(), None)
    except EngineError:
        source = Source.REGISTRY  # nothing can serve now; what the spec names is still worth showing
    return tuple(_row(session, stacks, image, source) for image in images_of(stacks))


def build(session: Session, names: tuple[str, ...]) -> tuple[str, ...]:
    """Build the project's own images of some targets anew where their source has changed; return the names."""
    stacks = _stacks(session, names)
    with nothing_started():
        source = choose_source(session, session.observe(), None)
        recipes = build_recipes(session, stacks) if source is Source.RECIPES else ()
        return (*recipes, *build_images(session, stacks, source, force=True))


def build_from_packages(session: Session, names: tuple[str, ...]) -> tuple[str, ...]:
    """Build the recipe images that some targets need, whether or not a registry could serve; return the names."""
    with nothing_started():
        return build_recipes(session, _stacks(session, names))


def pull(session: Session, names: tuple[str, ...]) -> tuple[str, ...]:
    """Fetch the images of some targets that are not there from their registries; return the names."""
    with nothing_started():
        return pull_images(session, _stacks(session, names), Source.REGISTRY)


def _stacks(session: Session, names: tuple[str, ...]) -> tuple[Stack, ...]:
    return session.project.stacks(names) if names else session.project.system.stacks


def _row(session: Session, stacks: tuple[Stack, ...], image: Image, source: Source) -> ImageRow:
    reference = effective(session, image.reference, source)
    found = session.engine.image(reference)
    users = (f"{s.target}.{one.name}" for s in stacks for one in s.services if one.image.reference == image.reference)
    origin = (
        "source"
        if image.build
        else "packages"
        if reference != session.project.system.pinned(image.reference)
        else "registry"
    )
    stand_in = found.labels.get(naming.LABEL_STAND_IN, "") if found else ""
    return ImageRow(image.reference, reference, origin, found is not None, stand_in, tuple(users))
