"""Images are there before anything starts: pulled, built from the project's source, or built from recipes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from envmgr import naming
from envmgr.engine.protocol import BuildRequest
from envmgr.errors import EngineError
from envmgr.model.plan import Action
from envmgr.model.progress import Output
from envmgr.model.recipe import Recipe
from envmgr.model.stack import Build, Image, Stack
from envmgr.operations.build_context import source_hash, tree_hash
from envmgr.operations.image_source import Source, from_outside
from envmgr.operations.session import Session
from envmgr.planning.inputs import ImageWork
from envmgr.spec.recipes import in_order


def ensure_images(session: Session, stacks: tuple[Stack, ...], source: Source, *, build: bool) -> None:
    """Have every image that the stacks need.

    Raises: `EngineError` when one cannot be had; nothing was started then.
    """
    with nothing_started():
        if source is Source.RECIPES:
            build_recipes(session, stacks)
        pull_images(session, stacks, source)
        build_images(session, stacks, source, force=build)


def images_of(stacks: tuple[Stack, ...]) -> tuple[Image, ...]:
    """Return the images of stacks, each once; a managed server's is that of the programs which reach it."""
    images = {service.image.reference: service.image for stack in stacks for service in stack.services}
    clients = {grant.ensure.client for stack in stacks for grant in stack.grants if grant.is_external}
    return (*images.values(), *(Image(client) for client in sorted(clients - set(images))))


def pull_images(session: Session, stacks: tuple[Stack, ...], source: Source) -> tuple[str, ...]:
    """Fetch what no recipe stands in for and is not there; return what was fetched."""
    missing = _missing(session, stacks, source)
    for reference in missing:
        session.step("", f"pulling {reference}")
        session.engine.pull(reference, _listener(session))
    return missing


def _missing(session: Session, stacks: tuple[Stack, ...], source: Source) -> tuple[str, ...]:
    wanted = [one.reference for one in images_of(stacks) if one.build is None]
    system = session.project.system
    instead = system.substitutes if source is Source.RECIPES else {}
    mine = (effective(session, name, source) for name in wanted if system.unpinned(name) not in instead)
    return tuple(name for name in mine if not session.engine.image(name))


def build_images(session: Session, stacks: tuple[Stack, ...], source: Source, *, force: bool) -> tuple[str, ...]:
    """Build the project's own images that are not there, with `force` also those of older source; return the names."""
    built = [one for one in images_of(stacks) if one.build and _build(session, one, one.build, source, force=force)]
    return tuple(image.reference for image in built)


@contextmanager
def nothing_started() -> Iterator[None]:
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


def effective(session: Session, reference: str, source: Source) -> str:
    """Return the image that really runs in the place of a reference."""
    system = session.project.system
    name = system.unpinned(reference)
    substitute = system.substitutes.get(name) if source is Source.RECIPES else None
    return substitute or system.pinned(name)


def build_recipes(session: Session, stacks: tuple[Stack, ...]) -> tuple[str, ...]:
    """Build the recipe images that stacks need and that are not there as their recipes say; return their names."""
    recipes = session.project.recipes
    stale = _stale_recipes(session, stacks)
    for name, digest in stale.items():
        _build_recipe(session, name, recipes[name], digest)
    return tuple(recipes[name].image for name in stale)


def _stale_recipes(session: Session, stacks: tuple[Stack, ...]) -> dict[str, str]:
    """Return the recipes to build, in order, with the hash of what each is built from."""
    recipes = session.project.recipes
    wanted = {name for image in images_of(stacks) for name in from_outside(session, image)}
    hashes = recipe_hashes(session, wanted)
    return {name: digest for name, digest in hashes.items() if not _is_current(session, recipes[name].image, digest)}


def recipe_hashes(session: Session, wanted: Collection[str]) -> dict[str, str]:
    """Return the recipes that stand in for some official images and all that they need, in order, with their hashes."""
    recipes = session.project.recipes
    names = tuple(name for name, recipe in recipes.items() if recipe.replaces in wanted)
    hashes: dict[str, str] = {}
    for name in in_order(dict(recipes), names):
        hashes[name] = recipe_hash(session.project.recipes_folder, recipes[name], hashes)
    return hashes


def _is_current(session: Session, reference: str, digest: str) -> bool:
    found = session.engine.image(reference)
    return found is not None and found.labels.get(naming.LABEL_CONTEXT) == digest


def recipe_hash(recipes_folder: Path, recipe: Recipe, hashes: Mapping[str, str]) -> str:
    """Return the hash of all that an image is built from; `hashes` has those of the recipes that it needs."""
    folder = recipes_folder / (recipe.context or str(Path(recipe.script or "").parent))
    return naming.short_hash("\n".join([tree_hash(folder), *(hashes[need] for need in recipe.needs)]).encode(), 16)


def recipe_labels(name: str, recipe: Recipe, digest: str) -> dict[str, str]:
    """Return what an image says of the recipe that made it."""
    labels = {naming.LABEL_RECIPE: name, naming.LABEL_CONTEXT: digest}
    return labels | ({naming.LABEL_STAND_IN: recipe.stand_in} if recipe.stand_in else {})


def _build_recipe(session: Session, name: str, recipe: Recipe, digest: str) -> None:
    session.step("", f"building {recipe.image} from distribution packages")
    labels = recipe_labels(name, recipe, digest)
    if recipe.script:
        session.engine.run_image_script(session.project.recipes_folder / recipe.script, recipe.image, labels)
        return
    folder = session.project.recipes_folder / (recipe.context or name)
    session.engine.build(BuildRequest(context=folder, tags=(recipe.image,), labels=labels), _listener(session))


def _build(session: Session, image: Image, build: Build, source: Source, *, force: bool) -> bool:
    """Build one image unless it is there, and tell whether it was built."""
    folder = session.project.folder / build.context
    reason, digest = _reason_to_build(session, image, build, force=force)
    if not reason:
        return False
    session.step("", f"building {image.reference} from {build.context}")
    contexts = session.project.system.substitutes if source is Source.RECIPES else {}
    session.engine.build(
        BuildRequest(
            context=folder,
            dockerfile=folder / build.dockerfile,
            target=build.target,
            tags=(image.reference,),
            build_args={**build.args, "RELEASE": digest},
            labels={naming.LABEL_CONTEXT: digest},
            build_contexts={official: f"docker-image://{recipe}" for official, recipe in contexts.items()},
        ),
        _listener(session),
    )
    return True


def _reason_to_build(session: Session, image: Image, build: Build, *, force: bool) -> tuple[str, str]:
    """Return why an image has to be built, empty when it has not, and the hash of what it would be built from."""
    folder = session.project.folder / build.context
    if not (folder / build.dockerfile).is_file():
        raise EngineError(
            f"{build.context}/{build.dockerfile} does not exist",
            state="Nothing was started.",
            help=f"Correct builds.{build.name} in the spec.",
        )
    digest = source_hash(folder, build.args)
    if session.engine.image(image.reference) is None:
        return "it is not there", digest
    is_stale = force and not _is_current(session, image.reference, digest)
    return (f"the source in {build.context} has changed" if is_stale else ""), digest


def image_work(session: Session, stacks: tuple[Stack, ...], source: Source, *, build: bool) -> tuple[ImageWork, ...]:
    """Return what `ensure_images` would build and pull; nothing is done."""
    recipes = _stale_recipes(session, stacks) if source is Source.RECIPES else {}
    with nothing_started():
        reasons = {
            one.reference: _reason_to_build(session, one, one.build, force=build)[0]
            for one in images_of(stacks)
            if one.build
        }
    return (
        *(ImageWork(session.project.recipes[name].image, Action.BUILD, "its recipe is new") for name in recipes),
        *(ImageWork(name, Action.PULL, "it is not there") for name in _missing(session, stacks, source)),
        *(ImageWork(name, Action.BUILD, reason) for name, reason in reasons.items() if reason),
    )


def outdated(session: Session, stacks: tuple[Stack, ...]) -> Iterator[str]:
    """Tell of the project's own images that are there and older than their source."""
    for image in images_of(stacks):
        if image.build and session.engine.image(image.reference) is not None:
            digest = source_hash(session.project.folder / image.build.context, image.build.args)
            if not _is_current(session, image.reference, digest):
                yield f"{image.reference} was built from older source; --build makes a new one"


def _listener(session: Session) -> Callable[[str], None]:
    return lambda line: session.listen(Output("", line))
