"""Images are there before anything starts: pulled, built from the project's source, or built from recipes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from envmgr import naming
from envmgr.engine.protocol import BuildRequest
from envmgr.errors import EngineError
from envmgr.model.progress import Output
from envmgr.model.stack import Build, Image, Stack
from envmgr.operations.build_context import tree_hash
from envmgr.operations.image_source import Source, from_outside
from envmgr.operations.session import Session
from envmgr.spec.recipes import Recipe, in_order


def ensure_images(session: Session, stacks: tuple[Stack, ...], source: Source, *, build: bool) -> None:
    """Have every image that the stacks need.

    Raises: `EngineError` when one cannot be had; nothing was started then.
    """
    images = {service.image.reference: service.image for stack in stacks for service in stack.services}
    with _nothing_started():
        if source is Source.RECIPES:
            _build_recipes(session, stacks)
        for image in images.values():
            if image.build is None and _effective(session, image, source) == image.reference:
                _pull(session, image.reference)
        for image in images.values():
            if image.build is not None:
                _build(session, image, image.build, source, force=build)


@contextmanager
def _nothing_started() -> Iterator[None]:
    """Say in every error what state things are in."""
    try:
        yield
    except EngineError as error:
        error.state = error.state or "Nothing was started."
        raise
    except OSError as error:
        raise EngineError(
            f"{error.filename}, which an image is built from, cannot be read: {error.strerror}",
            state="Nothing was started.",
            help="Correct its permissions, or leave it out with .dockerignore.",
        ) from error


def effective_ids(session: Session, stack: Stack, source: Source) -> dict[str, str]:
    """Return the id of the image that each service's containers should run."""
    ids = {}
    for service in stack.services:
        info = session.engine.image(_effective(session, service.image, source))
        ids[service.name] = info.id if info else ""
    return ids


def _effective(session: Session, image: Image, source: Source) -> str:
    if source is Source.REGISTRY:
        return image.reference
    return session.project.system.substitutes.get(image.reference, image.reference)


def _pull(session: Session, reference: str) -> None:
    if session.engine.image(reference) is not None:
        return
    session.step("", f"pulling {reference}")
    session.engine.pull(reference, _listener(session))


def _build_recipes(session: Session, stacks: tuple[Stack, ...]) -> None:
    recipes = session.project.recipes
    wanted = {name for stack in stacks for one in stack.services for name in from_outside(session, one.image)}
    names = tuple(name for name, recipe in recipes.items() if recipe.replaces in wanted)
    hashes: dict[str, str] = {}
    for name in in_order(dict(recipes), names):
        hashes[name] = _recipe_hash(session, recipes[name], hashes)
        found = session.engine.image(recipes[name].image)
        if found is None or found.labels.get(naming.LABEL_CONTEXT) != hashes[name]:
            _build_recipe(session, name, recipes[name], hashes[name])


def _recipe_hash(session: Session, recipe: Recipe, hashes: dict[str, str]) -> str:
    folder = session.project.recipes_folder / (recipe.context or str(Path(recipe.script or "").parent))
    return naming.short_hash("\n".join([tree_hash(folder), *(hashes[need] for need in recipe.needs)]).encode(), 16)


def _build_recipe(session: Session, name: str, recipe: Recipe, digest: str) -> None:
    session.step("", f"building {recipe.image} from distribution packages")
    labels = {naming.LABEL_RECIPE: name, naming.LABEL_CONTEXT: digest}
    if recipe.stand_in:
        labels[naming.LABEL_STAND_IN] = recipe.stand_in
    if recipe.script:
        session.engine.run_image_script(session.project.recipes_folder / recipe.script, recipe.image, labels)
        return
    folder = session.project.recipes_folder / (recipe.context or name)
    session.engine.build(BuildRequest(context=folder, tags=(recipe.image,), labels=labels), _listener(session))


def _build(session: Session, image: Image, build: Build, source: Source, *, force: bool) -> None:
    folder = session.project.folder / build.context
    if not (folder / build.dockerfile).is_file():
        raise EngineError(
            f"{build.context}/{build.dockerfile} does not exist",
            state="Nothing was started.",
            help=f"Correct builds.{build.name} in the spec.",
        )
    digest = tree_hash(folder)
    found = session.engine.image(image.reference)
    is_current = found is not None and found.labels.get(naming.LABEL_CONTEXT) == digest
    if found is not None and (is_current or not force):
        if not is_current:
            session.note("", f"{image.reference} was built from older source; --build makes a new one")
        return
    session.step("", f"building {image.reference} from {build.context}")
    contexts = session.project.system.substitutes if source is Source.RECIPES else {}
    session.engine.build(
        BuildRequest(
            context=folder,
            dockerfile=folder / build.dockerfile,
            target=build.target,
            tags=(image.reference,),
            build_args={"RELEASE": digest},
            labels={naming.LABEL_CONTEXT: digest},
            build_contexts={official: f"docker-image://{recipe}" for official, recipe in contexts.items()},
        ),
        _listener(session),
    )


def _listener(session: Session) -> Callable[[str], None]:
    return lambda line: session.listen(Output("", line))
