"""Make a release: images under names that nothing else gets, what Compose is given, and the values of the moment."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from envmgr import layout, naming
from envmgr.errors import EngineError
from envmgr.model.needed import Needed
from envmgr.model.release import Release, ReleasedImage
from envmgr.model.stack import Stack
from envmgr.operations.host_programs import commit_of
from envmgr.operations.image_source import Source
from envmgr.operations.images import effective
from envmgr.operations.released import dressed
from envmgr.operations.session import Session
from envmgr.operations.values import Values
from envmgr.records.owner import myself
from envmgr.records.releases import Releases
from envmgr.render.files import render_configs, render_stack
from envmgr.secrets.deliver import digest, key_of


def make_release(session: Session, stack: Stack, values: Values, source: Source) -> Release:
    """Make a release of what an environment's spec says now; its images are there.

    Raises: `EngineError`, `EnvmgrError`.
    """
    releases = Releases(session.project.folder, stack.target)
    number = releases.next_number()
    owner = myself("")
    release = Release(
        number=number,
        environment=stack.target,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        by=f"{owner.user}@{owner.host}",
        commit=commit_of(session.project.folder),
        spec=naming.short_hash(session.project.spec.file.read_bytes()),
        images=_kept_images(session, stack, number, source),
        values=_digests(session, stack, values),
    )
    releases.make(release, _files(session, stack, release), _own_values(stack, values))
    return release


def _kept_images(session: Session, stack: Stack, number: int, source: Source) -> dict[str, ReleasedImage]:
    """Give every image of the application a name that stays."""
    found = {}
    for service in stack.colours[0].services:
        reference = effective(session, service.image.reference, source)
        info = session.engine.image(reference)
        if info is None:
            raise EngineError(
                f"{reference}, the image of {service.name}, is not there",
                state=f"What {stack.target} serves is not touched.",
                help=f"envmgr deploy {stack.target} --build",
            )
        name = service.image.build.name if service.image.build else naming.slug(reference)
        kept = naming.release_image(stack.project, name, stack.target, number)
        session.engine.tag_image(reference, kept)
        found[service.name] = ReleasedImage(reference, kept, info.id)
    return found


def _files(session: Session, stack: Stack, release: Release) -> dict[str, bytes]:
    folder = session.project.folder
    files = {}
    for colour in stack.colours:
        mine = dressed(colour, release)
        name = layout.compose_file(colour.target)
        files[name] = render_stack(mine, {}, folder)[name]
        files |= {f"files/{path}": text for path, text in render_configs(colour, folder).items()}
    files[layout.SPEC] = session.project.spec.file.read_text(encoding="utf-8")
    lock = folder / layout.LOCK
    if lock.is_file():
        files[layout.LOCK] = lock.read_text(encoding="utf-8")
    return {name: text.encode() for name, text in files.items()}


def _own(stack: Stack) -> tuple[Needed, ...]:
    """Return the values that belong to the application: what opens a server belongs to the server."""
    credentials = [grant.credential for grant in stack.grants if grant.credential]
    opened = {ref.name for one in credentials for ref in (one.password, one.login) if ref is not None}
    return tuple(need for need in stack.needed if need.name not in opened)


def _own_values(stack: Stack, values: Values) -> dict[str, str]:
    return {need.name: values.known[need.name] for need in _own(stack) if need.name in values.known}


def _digests(session: Session, stack: Stack, values: Values) -> dict[str, str]:
    """Return what tells whether a value has changed, and nothing else about it."""
    key = key_of(session.project.folder / layout.RUNTIME / stack.target, makes=True)
    known: Mapping[str, str] = values.known
    names = {need.name for need in stack.needed}
    return {name: digest(key, name, value) for name, value in sorted(known.items()) if name in names}
