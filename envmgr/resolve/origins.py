"""Every table of a spec with all that lies under its values: which layer wrote them, and what holds where none did."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from envmgr import naming
from envmgr.catalog.kind import Defaults
from envmgr.catalog.registry import INFRA, SERVICES
from envmgr.model.explanation import Explanation, Source
from envmgr.model.stack import System
from envmgr.spec.draft import Drafted, EnvironmentDraft
from envmgr.spec.layers import Layer, Layers, get, has, layers_of
from envmgr.spec.load import LoadedSpec
from envmgr.spec.places import Keys, dotted
from envmgr.spec.schema import EnvironmentTable, InfraTable, Mode, ServiceTable
from envmgr.spec.vocabulary import SECTIONS, SINGLE

_UNITS = (("G", 1024**3), ("M", 1024**2), ("K", 1024))
_BELOW = ("services", "infra")
"""Keys of an environment under which further tables stand."""


@dataclass(frozen=True, slots=True)
class Table:
    """One table: what was written, what holds otherwise, and who changes it for one environment."""

    at: Keys
    layers: Layers
    defaults: Mapping[str, Source] = field(default_factory=dict)
    changes: tuple[Layer, ...] = ()
    nested: tuple[str, ...] = ()
    """Keys that are tables of their own."""


class Origins:
    """Answers for one spec; asks nothing but the spec, the catalog and the resolved system."""

    def __init__(self, loaded: LoadedSpec, system: System) -> None:
        self._loaded = loaded
        self._system = system
        self.tables: Mapping[Keys, Table] = {table.at: table for table in self._all()}

    def table(self, keys: Keys) -> Table | None:
        """Return the table that keys lead into, or None."""
        lengths = range(len(keys), 0, -1)
        return next((self.tables[keys[:n]] for n in lengths if keys[:n] in self.tables), None)

    def below(self, keys: Keys) -> tuple[Table, ...]:
        """Return the tables that stand below keys."""
        return tuple(table for at, table in self.tables.items() if len(at) > len(keys) and at[: len(keys)] == keys)

    def explain(self, table: Table, rest: Keys) -> Explanation:
        """Return the chain of one value."""
        written = [self._written(layer, rest) for layer in reversed(table.layers.layers) if has(layer.data, rest)]
        default = [table.defaults[str(rest[0])]] if len(rest) == 1 and rest[0] in table.defaults else []
        if written and default and default[0].value is None:
            default = []  # a key that may be absent overrides nothing
        return Explanation(
            path=dotted((*table.at, *rest)),
            sources=(*written, *default),
            changed_by=tuple(self._written(layer, rest) for layer in table.changes if has(layer.data, rest)),
        )

    def rows(self, table: Table, under: Keys = (), *, written_only: bool = False) -> Iterator[Explanation]:
        """Yield every value of a table, or of a part of it."""
        written = _leaves({k: v for k, v in table.layers.merged().items() if k not in table.nested})
        begun = {keys[0] for keys in written}
        silent = [] if written_only else [(key,) for key in table.defaults if key not in begun]
        for keys in (*written, *silent):
            if keys[: len(under)] == under:
                yield self.explain(table, keys)

    def siblings(self, table: Table, rest: Keys) -> set[str]:
        """Return the names that stand beside the last of some keys."""
        above = rest[:-1]
        merged = table.layers.merged()
        beside = get(merged, above) if has(merged, above) else {}
        written = {str(key) for key in beside} if isinstance(beside, dict) else set()
        return written if above else written | set(table.defaults)

    def _written(self, layer: Layer, rest: Keys) -> Source:
        keys = (*layer.at, *rest)
        place = self._loaded.locate.place(keys)
        title = f"[{dotted(layer.at)}]"
        return Source(title, get(layer.data, rest), dotted(keys), self._loaded.locate.file, place.line)

    def _all(self) -> Iterator[Table]:
        draft = self._loaded.draft
        for section in SINGLE:
            yield self._plain((section,), SECTIONS[section])
        for section, names in (("builds", draft.builds), ("variables", draft.variables)):
            yield from (self._plain((section, name), SECTIONS[section]) for name in names)
        yield from self._secrets()
        for server in draft.infra.values():
            yield self._kinded(("infra", server.name), server, server.layers, naming.INFRA)
        for service in draft.services.values():
            yield self._kinded(("services", service.name), service, service.layers, "")
        yield self._environment_defaults()
        for environment in draft.environments:
            yield from self._environment(environment)

    def _plain(self, at: Keys, model: type[BaseModel]) -> Table:
        defaults = _defaults(model, f"default of [{at[0]}]")
        return Table(at, layers_of(self._loaded.data, at), defaults)

    def _secrets(self) -> Iterator[Table]:
        first = ("secrets", naming.DEFAULTS)
        yield self._plain(first, SECTIONS["secrets"])
        for name in self._loaded.draft.secrets:
            layers = layers_of(self._loaded.data, first, ("secrets", name))
            yield Table(("secrets", name), layers, _defaults(SECTIONS["secrets"], "default of [secrets.NAME]"))

    def _environment_defaults(self) -> Table:
        at = ("environments", naming.DEFAULTS)
        places = [("environments", one.name) for one in self._loaded.draft.environments]
        defaults = _defaults(EnvironmentTable, "default of [environments.NAME]", _BELOW)
        changes = self._present(places)
        return Table(at, layers_of(self._loaded.data, at), defaults, changes, _BELOW)

    def _environment(self, one: EnvironmentDraft) -> Iterator[Table]:
        at = ("environments", one.name)
        defaults = _defaults(EnvironmentTable, "default of [environments.NAME]", _BELOW)
        defaults["prefix"] = Source("follows from its name", one.prefix)
        network = next(iter(self._system.stack(one.name).networks), None)
        if network is not None:
            block = ipaddress.ip_network(network.subnet).supernet(new_prefix=24)
            defaults["subnet"] = Source("follows from its name", str(block))
        yield Table(at, one.layers, defaults, (), _BELOW)
        for service in one.services.values():
            yield self._kinded((*at, "services", service.name), service, service.layers, one.name)
        for server in one.infra.values():
            is_shared = server.table.mode is Mode.SHARED
            places = [("environments", layer, "infra", server.name) for layer in (naming.DEFAULTS, one.name)]
            # Of a shared server the base's own keys hold, its ports too.
            layers = layers_of(self._loaded.data, ("infra", server.name), *places) if is_shared else server.layers
            target = naming.INFRA if is_shared else one.name
            yield self._kinded((*at, "infra", server.name), server, layers, target)

    def _kinded(self, at: Keys, one: Drafted[ServiceTable] | Drafted[InfraTable], layers: Layers, target: str) -> Table:
        is_server = at[-2] == "infra"
        kind = INFRA[one.kind] if is_server else SERVICES[one.kind]
        model = InfraTable if is_server else ServiceTable
        defaults = _defaults(model, f"default of [{at[-2]}.NAME]") | _defaults(
            kind.Options, f"default of kind {one.kind}"
        )
        defaults["kind"] = Source("its own name", one.name)
        defaults |= {key: Source(f"default of kind {one.kind}", value) for key, value in _limits(kind.defaults)}
        defaults |= self._image(one, target)
        changes = self._present(self._overriding(at)) if len(at) == 2 else ()
        return Table(at, layers, defaults, changes)

    def _image(self, one: Drafted[ServiceTable] | Drafted[InfraTable], target: str) -> dict[str, Source]:
        if target not in {stack.target for stack in self._system.stacks}:
            return {}
        found = next((s for s in self._system.stack(target).services if s.name == one.name), None)
        if found is None:
            return {}
        build = found.image.build
        origin = f"built by [builds.{build.name}]" if build else f"default of kind {one.kind}"
        return {"image": Source(origin, found.image.reference)}

    def _overriding(self, at: Keys) -> Iterable[Keys]:
        names = (naming.DEFAULTS, *(one.name for one in self._loaded.draft.environments))
        return [("environments", name, *at) for name in names]

    def _present(self, places: Iterable[Keys]) -> tuple[Layer, ...]:
        data = self._loaded.data
        return tuple(Layer(place, get(data, place)) for place in places if has(data, place))


def _defaults(model: type[BaseModel], title: str, without: tuple[str, ...] = ()) -> dict[str, Source]:
    found = {}
    for name, info in model.model_fields.items():
        if name not in without and not info.is_required():
            found[info.alias or name] = Source(title, _plain(info.get_default(call_default_factory=True)))
        elif name not in without:
            found[info.alias or name] = Source("has to be written", None)
    return found


def _limits(defaults: Defaults) -> Iterator[tuple[str, Any]]:
    limits = defaults.resources
    yield "cpus", limits.cpus
    yield "memory", _memory(limits.memory)
    yield "cpus_reserved", limits.cpus_reserved
    yield "memory_reserved", _memory(limits.memory_reserved) if limits.memory_reserved else None
    yield "pids", limits.pids
    yield "start_seconds", defaults.start_seconds
    yield "stop_seconds", defaults.stop_seconds


def _memory(size: int) -> str:
    return next((f"{size // unit}{letter}" for letter, unit in _UNITS if size % unit == 0), f"{size}")


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return list(value) if isinstance(value, tuple) else value


def _leaves(value: Mapping[str, Any]) -> list[Keys]:
    found: list[Keys] = []
    for key, inner in value.items():
        deeper = _leaves(inner) if isinstance(inner, dict) and inner else [()]
        found += [(key, *rest) for rest in deeper]
    return found
