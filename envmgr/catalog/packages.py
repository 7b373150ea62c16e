"""Kinds that other packages bring, found by their entry points; a broken one is an error that names its package."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from envmgr import naming
from envmgr.catalog.kind import Defaults, InfraKind, ServiceKind
from envmgr.errors import SpecError
from envmgr.spec.values import Strict

GROUP = "envmgr.kinds"


def installed() -> tuple[EntryPoint, ...]:
    """Return the entry points of every package in this environment, in order of package and name."""
    return tuple(sorted(entry_points(group=GROUP), key=lambda entry: (_package(entry), entry.name)))


def add_kinds(
    entries: Iterable[EntryPoint], infra: dict[str, InfraKind], services: dict[str, ServiceKind]
) -> tuple[dict[str, InfraKind], dict[str, ServiceKind]]:
    """Return both lists with the kinds of packages behind ours.

    A kind with `bind` is a server, one without it is a service of the application.

    Raises: `SpecError` that names the package, for one that cannot be loaded, is no kind, or has a name that is taken.
    """
    infra, services = dict(infra), dict(services)
    owners: dict[str, str] = {}
    for entry in entries:
        kind = _load(entry)
        kinds: dict[str, Any] = infra if hasattr(kind, "bind") else services
        if kind.name in infra or kind.name in services:
            raise _broken(entry, f"its name is that of a kind of {owners.get(kind.name, 'envmgr itself')}")
        kinds[kind.name] = kind
        owners[kind.name] = _package(entry)
    return infra, services


def _load(entry: EntryPoint) -> Any:
    try:
        loaded = entry.load()
        kind = loaded() if isinstance(loaded, type) else loaded
    except Exception as error:
        raise _broken(entry, f"it cannot be loaded: {type(error).__name__}: {error}") from error
    fault = _fault(kind, entry.name)
    if fault:
        raise _broken(entry, fault)
    return kind


def _fault(kind: Any, name: str) -> str:
    """Say what keeps an object from being a kind; nothing when it is one."""
    options = getattr(kind, "Options", None)
    if getattr(kind, "name", None) != name or not naming.NAME.fullmatch(name):
        return f'its attribute "name" has to be the entry point\'s: {name}'
    if not (isinstance(options, type) and issubclass(options, Strict)):
        return 'its attribute "Options" has to be a subclass of envmgr.spec.schema.Strict'
    if not isinstance(getattr(kind, "defaults", None), Defaults):
        return 'its attribute "defaults" has to be an envmgr.catalog.kind.Defaults'
    if not callable(getattr(kind, "draft", None)):
        return 'it has no method "draft"'
    return ""


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist else entry.value.partition(":")[0]


def _broken(entry: EntryPoint, fault: str) -> SpecError:
    package = _package(entry)
    return SpecError(
        f'the package {package} brings the kind "{entry.name}", which cannot be used: {fault}',
        state="No spec was read.",
        help=f"Install another version of {package}, or remove it: pip uninstall {package}",
    )
