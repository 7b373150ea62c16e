"""How Compose makes a container from a service of a document, as an inspection would show it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from envmgr.engine.settings import shown_variables
from envmgr.model.observed import ImageInfo, Mount, ObservedHealthcheck, Settings
from envmgr.model.stack import Healthcheck, Publication
from tests.fakes import documents

Service = Mapping[str, Any]
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
SHM = 64 << 20


def settings(
    service: Service, variables: Mapping[str, str], image: ImageInfo, volume_name: Callable[[str], str]
) -> Settings:
    """Return what a container of the service is made of."""
    reserved = ((service.get("deploy") or {}).get("resources") or {}).get("reservations") or {}
    return Settings(
        command=_command(service, image),
        user=str(service.get("user") or ""),
        variables=shown_variables({**image.variables, **variables}),
        healthcheck=_healthcheck(service, image),
        ports=_ports(service),
        mounts=_mounts(service, volume_name),
        tmpfs=dict(entry.partition(":")[::2] for entry in service.get("tmpfs") or ()),
        cpus=documents.cpus(service),
        memory=documents.memory(service),
        memory_reserved=documents.size(reserved.get("memory") or service.get("mem_reservation") or 0),
        pids=int(service.get("pids_limit") or 0),
        shm=documents.size(service.get("shm_size") or SHM),
        restart=str(service.get("restart") or "no"),
        stop_signal=str(service.get("stop_signal") or image.stop_signal),
        stop_seconds=int(seconds(service["stop_grace_period"])) if "stop_grace_period" in service else None,
        is_read_only=bool(service.get("read_only")),
        has_init=bool(service.get("init")),
        dropped=tuple(sorted(service.get("cap_drop") or ())),
        added=tuple(sorted(service.get("cap_add") or ())),
        security=tuple(sorted(service.get("security_opt") or ())),
        gpus=_gpus(reserved),
        logging=_logging(service),
    )


def seconds(text: str) -> float:
    """Read a duration: `500ms`, `1m30s`."""
    return sum(float(number) * _UNITS[unit] for number, unit in _DURATION.findall(text))


def _command(service: Service, image: ImageInfo) -> tuple[str, ...]:
    words = tuple(str(word).replace("$$", "$") for word in service.get("command") or ())
    return words or (() if service.get("entrypoint") else image.command)


def _healthcheck(service: Service, image: ImageInfo) -> ObservedHealthcheck | None:
    check = service.get("healthcheck")
    if check is None:
        return image.healthcheck
    return ObservedHealthcheck(
        Healthcheck(
            test=tuple(str(word).replace("$$", "$") for word in check["test"]),
            interval=seconds(check.get("interval", "")),
            timeout=seconds(check.get("timeout", "")),
            retries=int(check.get("retries", 0)),
            start_interval=seconds(check.get("start_interval", "")),
        ),
        seconds(check.get("start_period", "")),
    )


def _ports(service: Service) -> tuple[Publication, ...]:
    found = (
        Publication(
            int(one["target"]), int(one["published"]), one.get("host_ip", "0.0.0.0"), one.get("protocol", "tcp")
        )
        for one in service.get("ports") or ()
    )
    return tuple(sorted(found, key=lambda port: (port.target, port.published, port.host_ip, port.protocol)))


def _mounts(service: Service, volume_name: Callable[[str], str]) -> tuple[Mount, ...]:
    found = [
        Mount(volume_name(one["source"]) if one["type"] == "volume" else "", one["target"], bool(one.get("read_only")))
        for one in service.get("volumes") or ()
        if isinstance(one, dict)
    ]
    found += [Mount("", f"/run/secrets/{one['target']}", True) for one in service.get("secrets") or ()]
    return tuple(sorted(found, key=lambda mount: mount.target))


def _gpus(reserved: Mapping[str, Any]) -> str:
    devices = [one for one in reserved.get("devices") or () if "gpu" in one.get("capabilities", ())]
    return str(devices[0].get("count")) if devices else ""


def _logging(service: Service) -> dict[str, str]:
    written = service.get("logging") or {"driver": "json-file"}
    return {"": written["driver"], **(written.get("options") or {})}
