"""A colour as a release has it, whatever the spec says by now."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from envmgr import layout, naming
from envmgr.errors import EnvmgrError
from envmgr.model.release import Release
from envmgr.model.stack import Image, Stack
from envmgr.operations.spec_file import SpecFile
from envmgr.records.releases import Releases


def with_releases(folder: Path, stack: Stack) -> Stack:
    """Return an environment whose colours are the releases that they were last made from."""
    if not stack.colours:
        return stack
    records, numbers = Releases(folder, stack.target), dict[str, int]()
    with suppress(EnvmgrError):  # whoever looks at what runs needs no record of it
        numbers = records.colours()
    return replace(stack, colours=tuple(_colour(records, stack, one, numbers) for one in stack.colours))


def _colour(records: Releases, stack: Stack, colour: Stack, numbers: dict[str, int]) -> Stack:
    name = colour.target.removeprefix(f"{stack.target}-")
    with suppress(EnvmgrError, KeyError):
        return as_released(records, stack, records.get(numbers[name]), name)
    return colour


def as_released(records: Releases, stack: Stack, release: Release, name: str) -> Stack:
    """Return one colour of an environment as a release has it."""
    target = naming.colour(stack.target, name)
    then = _as_it_was(records, release.number, stack.target) or stack
    return dressed(next(one for one in then.colours if one.target == target), release)


def _as_it_was(records: Releases, number: int, target: str) -> Stack | None:
    """Return the environment that a release was made from; None when this version of envmgr reads its spec no more."""
    with suppress(EnvmgrError):
        system = SpecFile(records.path(number) / layout.SPEC).resolved.declared
        return next((one for one in system.environments if one.target == target and one.colours), None)
    return None


def dressed(colour: Stack, release: Release) -> Stack:
    """Return a colour whose services run a release's images and read its files."""
    folder = f"../{layout.releases_folder(release.environment)}/{release.number}/files"

    def of(name: str) -> Image:
        return Image(release.images[name].kept, build=None)

    services = tuple(
        replace(
            service,
            image=of(service.name),
            configs=tuple(replace(one, path=f"{folder}/{one.path}") for one in service.configs),
        )
        for service in colour.services
        if service.name in release.images
    )
    return replace(colour, services=services, release=release.number)
