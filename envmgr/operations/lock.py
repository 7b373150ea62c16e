"""Hold images to what their references mean now: `envmgr.lock` is written, or compared with registries and sources."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from envmgr import layout
from envmgr.errors import EnvmgrError, StaleError, UsageError
from envmgr.files import write_atomic
from envmgr.model.result import LockResult, LockRow
from envmgr.model.stack import Build, Image
from envmgr.operations.build_context import starts_from, tree_hash
from envmgr.operations.image_source import Source, choose_source
from envmgr.operations.images import images_of, nothing_started, recipe_hashes
from envmgr.operations.session import Session
from envmgr.spec.lock import Lock, LockedImage, LockedSource, lock_text, read_lock
from envmgr.spec.suggest import did_you_mean, listing

_SECONDS = 30.0
"""For one answer of a registry."""
_WRITTEN_NOTHING = f"{layout.LOCK} was not written."


@dataclass(frozen=True, slots=True)
class _Need:
    """What a lock of this project has to hold."""

    registry: tuple[str, ...]
    """Images that this host has from a registry."""
    replaced: tuple[str, ...]
    """Images in whose place this host runs what recipes make."""
    builds: Mapping[str, LockedSource]
    recipes: Mapping[str, LockedSource]


def lock(session: Session, names: tuple[str, ...], *, update: bool) -> LockResult:
    """Lock what is not locked yet; with `update` ask the registries anew, for some images or for all.

    Raises: `UsageError` for an image that no service uses, `EngineError` when a registry refuses or does not answer.
    """
    old = read_lock(session.project.folder) or Lock()
    need = _need(session)
    anew = _chosen(need, names) if update else frozenset()
    images = {name: one for name, one in old.images.items() if name in need.replaced}
    for name in need.registry:
        is_kept = name in old.images and name not in anew
        images[name] = old.images[name] if is_kept else _digest(session, name, is_fresh=update)
    new = Lock(images, need.builds, need.recipes)
    return LockResult(layout.LOCK, tuple(_rows(old, new, need)), _write(session, new), _notes(need, new))


def check_lock(session: Session) -> LockResult:
    """Compare the lock with the registries and the sources as they are now; nothing is written.

    Raises: `StaleError` with everything that is missing or has moved; `EngineError` when a registry does not answer.
    """
    old = read_lock(session.project.folder)
    if old is None:
        raise StaleError(f"{layout.LOCK} does not exist", state="Nothing was written.", help="envmgr lock")
    need = _need(session)
    images = {name: one for name, one in old.images.items() if name in need.replaced}
    images |= {name: _current(session, name, old.images.get(name)) for name in need.registry}
    new = Lock(images, need.builds, need.recipes)
    rows = tuple(_rows(old, new, need))
    wrong = tuple(text for row in rows if (text := _complaint(row, old)))
    if wrong:
        raise StaleError(
            f"{layout.LOCK} is not what registries and sources have now",
            state="Nothing was written.",
            help="envmgr lock --update",
            details=wrong,
        )
    return LockResult(layout.LOCK, rows, has_changed=False, notes=_notes(need, new))


def _need(session: Session) -> _Need:
    system = session.project.declared
    images = tuple(replace(image, reference=system.unpinned(image.reference)) for image in images_of(system.stacks))
    source = choose_source(session, session.observe(), None)
    # One that the spec itself holds to a digest needs no lock.
    official = tuple(dict.fromkeys(i.reference for i in images if i.build is None and "@" not in i.reference))
    replaced = tuple(name for name in official if source is Source.RECIPES and name in system.substitutes)
    with nothing_started():
        return _Need(
            tuple(name for name in official if name not in replaced),
            replaced,
            {image.reference: _source(session, image.build) for image in images if image.build},
            _recipes(session, images),
        )


def _source(session: Session, build: Build) -> LockedSource:
    return LockedSource(f"builds.{build.name}", tree_hash(session.project.folder / build.context))


def _recipes(session: Session, images: tuple[Image, ...]) -> dict[str, LockedSource]:
    """Hash the recipes of everything that could run in the place of an official image."""
    wanted = {image.reference for image in images if image.build is None}
    for build in (image.build for image in images if image.build):
        wanted |= starts_from(session.project.folder / build.context / build.dockerfile)
    recipes = session.project.recipes
    hashes = recipe_hashes(session, wanted)
    return {recipes[name].image: LockedSource(f"recipe {name}", digest) for name, digest in hashes.items()}


def _chosen(need: _Need, names: tuple[str, ...]) -> frozenset[str]:
    for name in names:
        if name not in need.registry:
            here = " on this host it is built from packages" if name in need.replaced else ""
            hint = did_you_mean(name, need.registry)
            reason = f":{here}" if here else f" ({hint})" if hint else ""
            raise UsageError(
                f"{name} is no image that a registry gives this project{reason}",
                state=_WRITTEN_NOTHING,
                help=f"known: {listing(need.registry)}",
            )
    return frozenset(names or need.registry)


def _digest(session: Session, name: str, *, is_fresh: bool) -> LockedImage:
    """Return what the engine runs under a reference, or else, and when it has to be fresh, what the registry has."""
    found = None if is_fresh else session.engine.image(name)
    known = {one.partition("@")[2] for one in found.digests if _is_of(one, name)} if found else set()
    if found is not None and len(known) == 1:
        return LockedImage(known.pop(), (found.platform,) if found.platform else ())
    session.step("", f"asking the registry for {name}")
    try:
        there = session.engine.in_registry(name, _SECONDS)
    except EnvmgrError as error:
        error.state = error.state or _WRITTEN_NOTHING
        raise
    return LockedImage(there.digest, there.platforms)


def _current(session: Session, name: str, known: LockedImage | None) -> LockedImage:
    """Return what the registry has now; platforms are told by whoever was asked, and no reason to complain."""
    found = _digest(session, name, is_fresh=True)
    return known if known is not None and known.digest == found.digest else found


def _is_of(digest: str, reference: str) -> bool:
    return _repository(digest) == _repository(reference)


def _repository(reference: str) -> str:
    """Return the full name without tag and digest: `docker.io/library/postgres`."""
    name = reference.partition("@")[0]
    if ":" in name.rpartition("/")[2]:
        name = name.rpartition(":")[0]
    host, slash, _ = name.partition("/")
    if not slash:
        return f"docker.io/library/{name}"
    return name if set(host) & {".", ":"} or host == "localhost" else f"docker.io/{name}"


def _rows(old: Lock, new: Lock, need: _Need) -> Iterator[LockRow]:
    for name in (*need.registry, *(one for one in new.images if one not in need.registry)):
        image = new.images[name]
        known = old.images.get(name)
        yield LockRow(
            name, "registry", image.digest, image.platforms, _change(known.digest if known else "", image.digest)
        )
    for origin, was, now in (("source", old.builds, new.builds), ("packages", old.recipes, new.recipes)):
        for name, one in now.items():
            yield LockRow(name, origin, one.hash, (), _change(was[name].hash if name in was else "", one.hash))
    tables = ((old.images, new.images), (old.builds, new.builds), (old.recipes, new.recipes))
    for was_there, is_there in tables:
        yield from (LockRow(name, "", "", (), "removed") for name in was_there if name not in is_there)


def _change(old: str, new: str) -> str:
    return "new" if not old else "kept" if old == new else "moved"


def _complaint(row: LockRow, old: Lock) -> str:
    match row.change, row.origin:
        case "new", _:
            return f"{row.reference} is not locked"
        case "removed", _:
            return f"{row.reference} is locked, and nothing uses it"
        case "moved", "registry":
            return f"{row.reference}: its registry has {row.held_to} now, locked is {old.images[row.reference].digest}"
        case "moved", _:
            return f"{row.reference}: what it is made from has changed"
    return ""


def _notes(need: _Need, new: Lock) -> tuple[str, ...]:
    if not need.replaced:
        return ()
    held = sum(name in new.images for name in need.replaced)
    rest = f"; digests of {held} of them stay as another host locked them" if held else ""
    count = f"{len(need.replaced)} of the images" if len(need.replaced) > 1 else need.replaced[0]
    return (f"no registry serves {count} on this host: recipes make them, and are locked by their source{rest}",)


def _write(session: Session, new: Lock) -> bool:
    path = session.project.folder / layout.LOCK
    try:
        return write_atomic(path, lock_text(new).encode(), mode=0o644)
    except OSError as error:
        raise EnvmgrError(f"{path.name} cannot be written: {error.strerror}", state=_WRITTEN_NOTHING) from error
