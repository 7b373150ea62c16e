"""Describe the machine that the engine runs on."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from envmgr.engine.api import Api
from envmgr.model.observed import Host

DESKTOP = "Docker Desktop"
"""Its engine runs in a virtual machine: its folders are not this machine's."""


def describe(api: Api, compose_version: Callable[[], str]) -> Host:
    """Return what the engine says of its machine."""
    info = api.get("/info")
    return Host(
        cpus=info["NCPU"],
        memory=info["MemTotal"],
        engine_version=info["ServerVersion"],
        compose_version=compose_version().strip().removeprefix("v"),
        is_local=api.endpoint.is_local,
        free_disk=_free_disk(info) if api.endpoint.is_local else None,
        runtimes=tuple(sorted(info.get("Runtimes") or ())),
    )


def _free_disk(info: Mapping[str, Any]) -> int | None:
    if info.get("OperatingSystem") == DESKTOP:
        return None
    try:
        return shutil.disk_usage(Path(info["DockerRootDir"])).free
    except OSError:
        return None
