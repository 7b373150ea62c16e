"""Which keys each table takes, for suggesting the right key or the right table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel

from envmgr.spec.kinds import KindOptions
from envmgr.spec.schema import (
    BuildTable,
    EnvironmentTable,
    ImagesTable,
    InfraTable,
    NetworksTable,
    ProjectTable,
    ServiceTable,
    VariableTable,
)
from envmgr.spec.secret_tables import SecretsTable
from envmgr.spec.suggest import did_you_mean, listing

SECTIONS: Mapping[str, type[BaseModel]] = {
    "project": ProjectTable,
    "networks": NetworksTable,
    "images": ImagesTable,
    "builds": BuildTable,
    "variables": VariableTable,
    "secrets": SecretsTable,
    "infra": InfraTable,
    "services": ServiceTable,
    "environments": EnvironmentTable,
}
SINGLE = ("project", "networks", "images")
"""Sections that are one table; the others hold tables by name."""

_MOVED = {"port": "a service's port on the host stands in [environments.NAME.ports]"}
"""Keys that one would look for where they are not."""


class Vocabulary:
    """Knows the keys of every table, those of the catalog's kinds included."""

    def __init__(self, kinds: KindOptions) -> None:
        self._tables = dict(_tables(kinds))

    def hint(self, key: str, known: Iterable[str]) -> str:
        """Say what an unknown key was probably meant to be."""
        known = tuple(known)
        if key in _MOVED:
            return _MOVED[key]
        elsewhere = [title for title, keys in self._tables.items() if key in keys]
        if elsewhere:
            return f'"{key}" belongs to {" or ".join(elsewhere[:3])}'
        return did_you_mean(key, known) or f"known here: {listing(known)}"


def keys_of(model: type[BaseModel]) -> tuple[str, ...]:
    """Return the keys that a table of this model takes."""
    return tuple(field.alias or name for name, field in model.model_fields.items())


def model_at(model: type[BaseModel], location: Iterable[str | int]) -> type[BaseModel]:
    """Follow a location into nested tables."""
    for part in location:
        field = model.model_fields.get(str(part))
        model = next(models_in(field.annotation), model) if field else model
    return model


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the tables that an annotation holds."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from models_in(argument)


def _tables(kinds: KindOptions) -> Iterator[tuple[str, tuple[str, ...]]]:
    for section, model in SECTIONS.items():
        yield (f"[{section}]" if section in SINGLE else f"[{section}.NAME]"), keys_of(model)
    for section, options in (("infra", kinds.infra), ("services", kinds.services)):
        for kind, extra in options.items():
            yield f'[{section}.NAME] of kind "{kind}"', keys_of(extra)
