"""Everything that targets run, as one file: for a host that reaches neither a registry nor a mirror."""

from __future__ import annotations

from pathlib import Path

from envmgr import layout
from envmgr.errors import EngineError, UsageError
from envmgr.model.result import ImageFile
from envmgr.operations.image_source import choose_source
from envmgr.operations.images import effective, images_of
from envmgr.operations.session import Session

_SECONDS = 3600
"""Tens of gigabytes on a slow disk."""


def save(session: Session, file: Path, names: tuple[str, ...]) -> ImageFile:
    """Write every image of some targets, of all when none is named, into one file.

    Raises: `EngineError` when one is not there, or the file cannot be written.
    """
    stacks = session.project.stacks(names) if names else session.project.system.stacks
    source = choose_source(session, session.observe(), None)
    references = tuple(dict.fromkeys(effective(session, image.reference, source) for image in images_of(stacks)))
    missing = [reference for reference in references if session.engine.image(reference) is None]
    if missing:
        raise EngineError(
            f"not on this host: {', '.join(missing)}",
            state="No archive was made.",
            help="envmgr up them once, or: envmgr images pull, envmgr images build, envmgr build",
        )
    held = [reference for reference in references if "@" in reference]
    carried = tuple(dict.fromkeys(_carried(session, reference) for reference in references))
    if held:
        session.caution(
            "",
            f"an archive carries no digests: the host that loads it cannot run what {layout.LOCK} holds to one "
            f"({', '.join(reference.partition('@')[0] for reference in held)}); render there without {layout.LOCK}",
        )
    session.step("", f"writing {', '.join(carried)} to {file}")
    session.engine.save_images(carried, file, _SECONDS)
    return ImageFile(str(file), carried, file.stat().st_size)


def _carried(session: Session, reference: str) -> str:
    """Return the name that an archive can carry: the tag of a locked image, which a pull by digest leaves without one.

    Raises: `EngineError` where the tag is another image's on this host.
    """
    name = reference.partition("@")[0]
    if name == reference or ":" not in name.rpartition("/")[2]:
        return reference
    held, tagged = session.engine.image(reference), session.engine.image(name)
    if tagged is None:
        session.engine.tag_image(reference, name)
    elif held is None or tagged.id != held.id:
        raise EngineError(
            f"{name} is another image on this host than the one that {layout.LOCK} holds it to",
            state="No archive was made.",
            help=f"docker tag {reference} {name}",
        )
    return name


def load(session: Session, file: Path) -> ImageFile:
    """Take the images of a file into the engine.

    Raises: `UsageError` when there is no such file; `EngineError` when it is no archive of images.
    """
    if not file.is_file():
        raise UsageError(f"{file} does not exist", help="envmgr images save FILE writes one, on a host that has them")
    session.step("", f"loading {file}")
    return ImageFile(str(file), session.engine.load_images(file, _SECONDS), file.stat().st_size)
