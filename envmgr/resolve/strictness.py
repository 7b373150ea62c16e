"""Which stacks are strict about their secrets: those that somebody else may depend on."""

from __future__ import annotations

from envmgr import naming
from envmgr.spec.schema import EnvironmentSpec, Spec
from envmgr.spec.secret_tables import SecretsTable

_PLAYGROUNDS = ("dev", "develop", "development", "local", "test")
"""What people call an environment that holds nothing of worth; also as the first word, `dev-anna`."""


def refuses_weak(spec: Spec, environment: EnvironmentSpec) -> bool:
    """Tell whether weak values keep an environment from starting: unless it is said or seen to be a playground."""
    written = spec.secrets.get(environment.name, SecretsTable()).weak
    if written is not None:
        return written == "refuse"
    is_playground = environment.table.debug or environment.name.partition("-")[0] in _PLAYGROUNDS
    return environment.table.protected or not is_playground


def base_refuses_weak(spec: Spec) -> bool:
    """Tell the same of the base, which is as strict as the strictest environment."""
    written = spec.secrets.get(naming.INFRA, SecretsTable()).weak
    if written is not None:
        return written == "refuse"
    return any(refuses_weak(spec, one) for one in spec.environments.values())
