"""Raw Compose keys of a service: which fields they may rule, so that those are left to the definition's hash."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

VARIABLES = "variables"
_RULES: Mapping[str, tuple[str, ...]] = {
    "command": ("command",),
    # An entrypoint of one's own makes Docker forget the image's command.
    "entrypoint": ("command",),
    "user": ("user", "tmpfs"),
    "healthcheck": ("healthcheck", "healthcheck timing", "start_seconds"),
    "volumes": ("volumes", "secrets"),
    "tmpfs": ("tmpfs",),
    "restart": ("restart",),
    "stop_signal": ("stop_signal",),
    "read_only": ("read_only",),
    "init": ("init",),
    "cap_drop": ("cap_drop",),
    "cap_add": ("cap_add",),
    "security_opt": ("security_opt",),
    "privileged": ("security_opt", "cap_add", "cap_drop"),
    "shm_size": ("shm",),
    "deploy": ("gpus", "restart"),
    "logging": ("logging",),
}
"""Key → fields. What is not here, the spec refuses because envmgr writes it, or no field shows it."""


def ruled(compose: Mapping[str, Any]) -> frozenset[str]:
    """Return the fields that raw keys may rule; `variables` stands for all variables."""
    named = {field for key in compose for field in _RULES.get(key, ())}
    return frozenset(named | ({VARIABLES} if variables(compose) is None else set()))


def variables(compose: Mapping[str, Any]) -> dict[str, str] | None:
    """Return the variables among raw keys; None when they are written so that Compose alone can read them."""
    written = compose.get("environment", {})
    if not isinstance(written, Mapping) or not all(isinstance(value, str) for value in written.values()):
        return None
    return {str(name): value.replace("$$", "$") for name, value in written.items()}
