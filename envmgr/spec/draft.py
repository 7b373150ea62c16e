"""What a file says, as far as it is valid by itself: the input of the checks, and of the spec once nothing is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from pydantic import BaseModel

from envmgr.spec.layers import Layers
from envmgr.spec.places import Keys
from envmgr.spec.schema import (
    BuildTable,
    EnvironmentSpec,
    EnvironmentTable,
    ImagesTable,
    InfraSpec,
    InfraTable,
    Mode,
    NetworksTable,
    ProjectTable,
    ServiceSpec,
    ServiceTable,
    Spec,
    VariableTable,
)
from envmgr.spec.secret_tables import SecretsTable

T = TypeVar("T", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Drafted(Generic[T]):
    """One table of a service: valid keys only, and where each came from."""

    name: str
    table: T
    layers: Layers
    kind: str = ""
    """Empty when it is not known."""
    options: BaseModel | None = None
    """None when they are not valid."""

    def place(self, *keys: str | int) -> Keys:
        """Return where the value at `keys` was written."""
        return self.layers.origin(keys)


@dataclass(frozen=True, slots=True)
class EnvironmentDraft:
    """One environment, inheritance applied."""

    name: str
    table: EnvironmentTable
    layers: Layers
    services: Mapping[str, Drafted[ServiceTable]]
    infra: Mapping[str, Drafted[InfraTable]]

    def place(self, *keys: str | int) -> Keys:
        """Return where the value at `keys` was written."""
        return self.layers.origin(keys)

    @property
    def prefix(self) -> str:
        """Prefix as written or derived."""
        return EnvironmentSpec(self.name, self.table, {}).prefix


@dataclass(frozen=True, slots=True)
class Draft:
    """The whole file."""

    project: ProjectTable | None
    networks: NetworksTable
    images: ImagesTable
    builds: Mapping[str, BuildTable | None]
    """None is declared, and not valid."""
    variables: Mapping[str, VariableTable]
    infra: Mapping[str, Drafted[InfraTable]]
    services: Mapping[str, Drafted[ServiceTable]]
    """Before any environment's overrides."""
    environments: tuple[EnvironmentDraft, ...]
    secrets: Mapping[str, SecretsTable] = field(default_factory=dict)
    """By target, `[secrets.defaults]` applied."""

    @property
    def applications(self) -> tuple[Mapping[str, Drafted[ServiceTable]], ...]:
        """The application as each environment has it; as written when there is no environment."""
        return tuple(environment.services for environment in self.environments) or (self.services,)

    @property
    def base(self) -> Mapping[str, Drafted[InfraTable]]:
        """The servers that at least one environment shares; without any environment, those that all would."""
        tables = [one.infra for one in self.environments] or [self.infra]
        shared = {name for infra in tables for name, one in infra.items() if one.table.mode is Mode.SHARED}
        return {name: infra for name, infra in self.infra.items() if name in shared}


def spec_of(draft: Draft) -> Spec:
    """Turn a draft without any finding into the spec."""
    assert draft.project is not None
    return Spec(
        project=draft.project,
        networks=draft.networks,
        images=draft.images,
        builds={name: build for name, build in draft.builds.items() if build is not None},
        variables=draft.variables,
        infra={name: _infra(infra) for name, infra in draft.infra.items()},
        environments={environment.name: _environment(environment) for environment in draft.environments},
        secrets=draft.secrets,
    )


def _infra(draft: Drafted[InfraTable]) -> InfraSpec:
    assert draft.options is not None
    return InfraSpec(draft.name, draft.kind, draft.table, draft.options, draft.layers.places())


def _environment(draft: EnvironmentDraft) -> EnvironmentSpec:
    services = {name: _service(service) for name, service in draft.services.items()}
    infra = {name: _infra(server) for name, server in draft.infra.items()}
    return EnvironmentSpec(draft.name, draft.table, services, infra, draft.layers.places())


def _service(draft: Drafted[ServiceTable]) -> ServiceSpec:
    assert draft.options is not None
    return ServiceSpec(draft.name, draft.kind, draft.table, draft.options, draft.layers.places())
