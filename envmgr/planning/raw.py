"""Raw Compose keys of a service: which fields they may rule, so that those are left to the definition's hash."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from envmgr.planning.fields import NETWORK

VARIABLES = "variables"
_CHECK = ("healthcheck", "healthcheck timing", "start_seconds")
_RULES: Mapping[str, tuple[str, ...]] = {
    "image": ("image",),
    "command": ("command",),
    # An entrypoint of one's own makes Docker forget the image's command.
    "entrypoint": ("command",),
    "user": ("user", "tmpfs"),
    "env_file": (VARIABLES,),
    "healthcheck": _CHECK,
    "ports": ("ports",),
    "volumes": ("volumes", "secrets"),
    "tmpfs": ("tmpfs",),
    "secrets": ("secrets",),
    "networks": (NETWORK,),
    "network_mode": (NETWORK, "ports"),
    "restart": ("restart",),
    "stop_signal": ("stop_signal",),
    "stop_grace_period": ("stop_seconds",),
    "read_only": ("read_only",),
    "init": ("init",),
    "cap_drop": ("cap_drop",),
    "cap_add": ("cap_add",),
    "security_opt": ("security_opt",),
    "privileged": ("security_opt", "cap_add", "cap_drop"),
    "shm_size": ("shm",),
    "pids_limit": ("pids",),
    "mem_limit": ("memory",),
    "mem_reservation": ("memory_reserved",),
    "cpus": ("cpus",),
    "gpus": ("gpus",),
    "deploy": ("cpus", "memory", "memory_reserved", "pids", "gpus", "replicas"),
    "scale": ("replicas",),
    "logging": ("logging",),
    "labels": ("kind",),
    "container_name": ("name",),
}


def ruled(compose: Mapping[str, Any]) -> frozenset[str]:
    """Return the fields that raw keys may rule; `networks.` stands for all networks."""
    named = {field for key in compose for field in _RULES.get(key, ())}
    return frozenset(named | ({VARIABLES} if "environment" in compose and variables(compose) is None else set()))


def variables(compose: Mapping[str, Any]) -> dict[str, str] | None:
    """Return the variables among raw keys; None when they are written so that Compose alone can read them."""
    written = compose.get("environment", {})
    if not isinstance(written, Mapping) or not all(isinstance(value, str) for value in written.values()):
        return None
    return {str(name): value.replace("$$", "$") for name, value in written.items()}


def is_ruled(name: str, ruled_fields: frozenset[str]) -> bool:
    """Tell whether raw keys may rule a field."""
    return name in ruled_fields or (name.startswith(NETWORK) and NETWORK in ruled_fields)
