"""Reads each section of the file into the draft and collects what is wrong with it by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from envmgr.naming import DEFAULTS, INFRA
from envmgr.spec.draft import Draft, Drafted, EnvironmentDraft
from envmgr.spec.kinds import KindOptions
from envmgr.spec.layers import Layer, Layers, get, has, layers_of
from envmgr.spec.places import Finding, Keys
from envmgr.spec.schema import (
    BuildTable,
    CommonTable,
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
from envmgr.spec.validate import Validator
from envmgr.spec.values import Name, Strict, VariableName
from envmgr.spec.vocabulary import SECTIONS, SINGLE, keys_of

T = TypeVar("T", bound=BaseModel)
C = TypeVar("C", bound=CommonTable)

_NAME: TypeAdapter[str] = TypeAdapter(Name)
_VARIABLE: TypeAdapter[str] = TypeAdapter(VariableName)


class Sections:
    """Reads one file; `findings` fills while it does."""

    def __init__(self, data: Mapping[str, Any], kinds: KindOptions, validator: Validator) -> None:
        self._data = data
        self._kinds = kinds
        self._validator = validator
        self.findings: list[Finding] = []

    def draft(self) -> Draft:
        """Read everything."""
        self._sections()
        services = {name: self._service(name) for name in self._names("services", _NAME)}
        infra = {name: self._infra(name) for name in self._names("infra", _NAME)}
        return Draft(
            project=self._project(),
            networks=self._table(NetworksTable, "networks") or NetworksTable(),
            images=self._table(ImagesTable, "images") or ImagesTable(),
            builds={name: self._table(BuildTable, "builds", name) for name in self._names("builds", _NAME)},
            variables={name: self._variable(name) for name in self._names("variables", _VARIABLE)},
            infra=infra,
            services=services,
            environments=self._environments(services, infra),
            secrets=self._secrets(),
        )

    def _secrets(self) -> dict[str, SecretsTable]:
        """Read where each target's secrets come from; a table of what is no target is reported."""
        named = self._data.get("environments")
        targets = (INFRA, *(name for name in (named if isinstance(named, dict) else ()) if name != DEFAULTS))
        written = self._data.get("secrets")
        for name in written if isinstance(written, dict) else ():
            if name not in (*targets, DEFAULTS):
                hint = did_you_mean(name, (*targets, DEFAULTS))
                self.findings.append(
                    Finding(("secrets", name), f'"{name}" is neither an environment nor {INFRA}', hint)
                )
        return {name: self._secrets_of(name) for name in targets}

    def _secrets_of(self, name: str) -> SecretsTable:
        layers = layers_of(self._data, ("secrets", DEFAULTS), ("secrets", name))
        table = self._validate(SecretsTable, layers) or SecretsTable()
        if table.source in ("command", "vault") and getattr(table, table.source) is None:
            place = layers.origin(("source",))
            self.findings.append(Finding(place, f"[secrets.{name}.{table.source}] is missing, which says how to ask"))
        return table

    def _sections(self) -> None:
        for name, value in self._data.items():
            if name not in SECTIONS:
                hint = did_you_mean(name, SECTIONS) or f"known here: {listing(SECTIONS)}"
                self.findings.append(Finding((name,), "unknown section", hint))
            elif name not in SINGLE and not isinstance(value, dict):
                self.findings.append(Finding((name,), f"expected tables by name, such as [{name}.NAME]"))

    def _project(self) -> ProjectTable | None:
        if "project" not in self._data:
            self.findings.append(Finding(("project",), 'missing: begin the file with [project] and name = "…"'))
            return None
        return self._table(ProjectTable, "project")

    def _table(self, model: type[T], *place: str) -> T | None:
        return self._validate(model, layers_of(self._data, place))

    def _variable(self, name: str) -> VariableTable:
        return self._table(VariableTable, "variables", name) or VariableTable()

    def _validate(self, model: type[T], layers: Layers) -> T | None:
        table, findings = self._validator.validate(model, layers.merged(), layers)
        self.findings += findings
        return table

    def _names(self, section: str, adapter: TypeAdapter[str]) -> tuple[str, ...]:
        """Return the names of a section's tables; odd ones are reported, and still read."""
        tables = self._data.get(section)
        names = tuple(tables) if isinstance(tables, dict) else ()
        faults = {name: _name_fault(name, adapter) for name in names}
        self.findings += [Finding((section, name), fault) for name, fault in faults.items() if fault]
        return names

    def _infra(self, name: str) -> Drafted[InfraTable]:
        kind = self._kind("infra", name, self._kinds.infra)
        layers = layers_of(self._data, ("infra", name))
        return self._kinded(InfraTable, name, kind, self._kinds.infra, layers)

    def _service(self, name: str) -> Drafted[ServiceTable]:
        """Read a service as written, without the environments' overrides."""
        kind = self._kind("services", name, self._kinds.services)
        layers = layers_of(self._data, ("services", name))
        before = len(self.findings)
        service = self._kinded(ServiceTable, name, kind, self._kinds.services, layers)
        if self._has_environments():
            self.findings[before:] = [f for f in self.findings[before:] if self._is_final(f)]
        return service

    def _environments(
        self, services: Mapping[str, Drafted[ServiceTable]], infra: Mapping[str, Drafted[InfraTable]]
    ) -> tuple[EnvironmentDraft, ...]:
        names = tuple(name for name in self._names("environments", _NAME) if name != DEFAULTS)
        if not names and isinstance(self._data.get("environments", {}), dict):
            self.findings.append(Finding(("environments",), "declare at least one, such as [environments.dev]"))
        if has(self._data, ("environments", DEFAULTS)):
            self._defaults(services, infra)
        return tuple(self._environment(name, services, infra) for name in names)

    def _defaults(
        self, services: Mapping[str, Drafted[ServiceTable]], infra: Mapping[str, Drafted[InfraTable]]
    ) -> None:
        """Read the defaults by themselves too: what every environment overrides would never be seen."""
        before = len(self.findings)
        self._validate(EnvironmentTable, layers_of(self._data, ("environments", DEFAULTS)))
        for name, service in services.items():
            place = ("environments", DEFAULTS, "services", name)
            if has(self._data, place):
                layers = layers_of(self._data, place)
                self._kinded(ServiceTable, name, service.kind, self._kinds.services, layers)
        for name, server in infra.items():
            place = ("environments", DEFAULTS, "infra", name)
            if has(self._data, place):
                self._kinded(InfraTable, name, server.kind, self._kinds.infra, layers_of(self._data, place))
        self.findings[before:] = [f for f in self.findings[before:] if self._is_final(f)]

    def _environment(
        self, name: str, services: Mapping[str, Drafted[ServiceTable]], infra: Mapping[str, Drafted[InfraTable]]
    ) -> EnvironmentDraft:
        layers = layers_of(self._data, ("environments", DEFAULTS), ("environments", name))
        table = self._validate(EnvironmentTable, layers) or EnvironmentTable()
        overridden = {
            key: self._kinded(ServiceTable, key, one.kind, self._kinds.services, self._layered(name, "services", key))
            for key, one in services.items()
        }
        servers = {
            key: self._kinded(InfraTable, key, one.kind, self._kinds.infra, self._layered(name, "infra", key))
            for key, one in infra.items()
        }
        return EnvironmentDraft(name, table, layers, overridden, servers)

    def _layered(self, environment: str, section: str, name: str) -> Layers:
        """Return a service's table with what the defaults and one environment lay over it."""
        places = [("environments", layer, section, name) for layer in (DEFAULTS, environment)]
        layers = layers_of(self._data, (section, name), *places)
        if section == "infra":
            # The base's own server has those; a copy beside it would meet it on the host.
            layers = layers.first_without("port", "ports")
        for layer in layers.layers[1:]:
            self._refuse_kind(layer, section, name)
        return layers

    def _refuse_kind(self, layer: Layer, section: str, name: str) -> None:
        if has(layer.data, ("kind",)):
            place = f"[{section}.{name}]"
            message = f"a service is of one kind in every environment: write it in {place}"
            self.findings.append(Finding((*layer.at, "kind"), message))

    def _kind(self, section: str, name: str, kinds: Mapping[str, type[Strict]]) -> str:
        """Return a known kind, or nothing after reporting it."""
        place: Keys = (section, name, "kind")
        written = get(self._data, place) if has(self._data, place) else None
        if written is None:
            return name if name in kinds else self._no_kind(section, name, kinds)
        if not isinstance(written, str):
            return ""  # its own validation says what a kind looks like
        if written not in kinds:
            hint = did_you_mean(written, kinds) or self._other_section(section, written)
            self.findings.append(Finding(place, f'"{written}" is no kind; there are: {listing(kinds)}', hint))
            return ""
        return written

    def _no_kind(self, section: str, name: str, kinds: Mapping[str, type[Strict]]) -> str:
        if isinstance(self._data[section][name], dict):
            message = f'its name is no kind, so it needs kind = "…"; there are: {listing(kinds)}'
            hint = did_you_mean(name, kinds) or self._other_section(section, name)
            self.findings.append(Finding((section, name), message, hint))
        return ""

    def _other_section(self, section: str, kind: str) -> str:
        other, kinds = ("services", self._kinds.services) if section == "infra" else ("infra", self._kinds.infra)
        return f'"{kind}" is a kind of [{other}]' if kind in kinds else ""

    def _kinded(
        self, model: type[C], name: str, kind: str, kinds: Mapping[str, type[Strict]], layers: Layers
    ) -> Drafted[C]:
        """Validate a table against the common keys and those of its kind."""
        merged = layers.merged()
        common, extra = _split(merged, keys_of(model))
        table, findings = self._validator.validate(model, common, layers)
        self.findings += findings
        options: BaseModel | None = None
        if kind and isinstance(merged, dict):
            options, findings = self._validator.validate(kinds[kind], extra, layers, keys_of(model))
            self.findings += findings
        return Drafted(name, table or model(), layers, kind, options)

    def _has_environments(self) -> bool:
        environments = self._data.get("environments")
        return isinstance(environments, dict) and bool(set(environments) - {DEFAULTS})

    def _is_final(self, finding: Finding) -> bool:
        """Tell whether no environment can mend it: a table may be completed by one, a single value stays wrong."""
        return has(self._data, finding.keys) and not isinstance(get(self._data, finding.keys), dict)


def _split(merged: Any, common: tuple[str, ...]) -> tuple[Any, Any]:
    if not isinstance(merged, dict):
        return merged, {}
    inside = {key: value for key, value in merged.items() if key in common}
    return inside, {key: value for key, value in merged.items() if key not in common}


def _name_fault(name: str, adapter: TypeAdapter[str]) -> str:
    try:
        adapter.validate_python(name)
    except ValidationError as error:
        return str(error.errors()[0].get("ctx", {}).get("error", "")) or "expected another name"
    return ""
