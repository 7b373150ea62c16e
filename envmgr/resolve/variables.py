"""Variables and secrets: what each service gets, and what the stack needs from the `.env` files for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from envmgr.catalog.kind import Binding
from envmgr.model.needed import Needed, Origin
from envmgr.model.secret import SecretRef, Template
from envmgr.model.stack import SecretMount
from envmgr.spec.schema import EnvironmentSpec, ServiceSpec, Spec, VariableTable


@dataclass(frozen=True, slots=True)
class Supply:
    """Everything that reaches one service from outside its image."""

    variables: Mapping[str, str]
    supplied: tuple[str, ...]
    templated: Mapping[str, Template]
    secrets: tuple[SecretMount, ...]


def goes_to(table: VariableTable, service: str) -> bool:
    """Tell whether a service gets a declared variable."""
    return table.services is None or service in table.services


def declared(spec: Spec, environment: EnvironmentSpec) -> tuple[Needed, ...]:
    """Return what `[variables]` asks of an environment's files."""
    return tuple(
        Needed(
            name=name,
            scope=environment.name,
            is_secret=table.secret,
            origin=Origin.GENERATED if table.generate else Origin.OPERATOR,
            is_required=table.required or table.generate,
            default=table.default,
            from_shell=table.from_shell,
            file=table.file or "",
            place=f"variables.{name}",
        )
        for name, table in _tables(spec)
    )


def _tables(spec: Spec) -> Iterator[tuple[str, VariableTable]]:
    """Yield every variable, the previous value of one that is rotated with an overlap among them."""
    for name, table in spec.variables.items():
        yield name, table
        if table.previous is not None:
            yield table.previous, VariableTable(secret=True, services=table.services)


def supply(spec: Spec, environment: EnvironmentSpec, service: ServiceSpec, bindings: Iterable[Binding]) -> Supply:
    """Return what one service gets."""
    bindings = tuple(bindings)
    mine = {name: table for name, table in _tables(spec) if goes_to(table, service.name)}
    secrets = [mount for binding in bindings for mount in binding.secrets]
    secrets += [
        SecretMount(name, (SecretRef(name, environment.name),), t.mount or "") for name, t in mine.items() if t.secret
    ]
    plain = _plain(environment, service, bindings)
    as_variables = service.table.secrets_as == "variables"
    if not as_variables:
        plain |= {f"{mount.name}_FILE": f"/run/secrets/{mount.target}" for mount in secrets}
    return Supply(
        variables=plain,
        supplied=tuple(sorted(name for name, table in mine.items() if not table.secret)),
        templated={mount.name: mount.content for mount in secrets} if as_variables else {},
        secrets=() if as_variables else tuple(secrets),
    )


def _plain(environment: EnvironmentSpec, service: ServiceSpec, bindings: Iterable[Binding]) -> dict[str, str]:
    table = environment.table
    variables = {
        "ENVIRONMENT": environment.name,
        "ENV_PREFIX": environment.prefix,
        "DEBUG": "true" if table.debug else "false",
        "LOG_LEVEL": table.log_level,
    }
    for binding in bindings:
        variables |= binding.variables
    return variables | table.variables | service.table.variables
