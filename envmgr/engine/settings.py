"""Read from an inspected container how it was made; values that came from the operator's files never get in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from envmgr import naming
from envmgr.model.observed import Mount, ObservedHealthcheck, Settings
from envmgr.model.stack import Healthcheck, Publication

Document = Mapping[str, Any]
SECOND = 1_000_000_000
"""The engine counts nanoseconds."""
DISABLED = "NONE"
"""A healthcheck that switches the image's own off."""


def of_container(config: Document, host: Document) -> Settings:
    """Read what was asked for, from `Config` and `HostConfig` of an inspected container."""
    return Settings(
        command=tuple(config.get("Cmd") or ()),
        user=config.get("User") or "",
        variables=shown_variables(variables(config)),
        healthcheck=healthcheck(config),
        ports=_ports(host),
        mounts=_mounts(host),
        tmpfs=dict(host.get("Tmpfs") or {}),
        cpus=(host.get("NanoCpus") or 0) / 1e9,
        memory=host.get("Memory") or 0,
        memory_reserved=host.get("MemoryReservation") or 0,
        pids=max(0, host.get("PidsLimit") or 0),
        shm=host.get("ShmSize") or 0,
        restart=_restart(host.get("RestartPolicy") or {}),
        stop_signal=config.get("StopSignal") or "",
        stop_seconds=config.get("StopTimeout"),
        is_read_only=bool(host.get("ReadonlyRootfs")),
        has_init=bool(host.get("Init")),
        dropped=tuple(sorted(name.removeprefix("CAP_") for name in host.get("CapDrop") or ())),
        added=tuple(sorted(host.get("CapAdd") or ())),
        security=tuple(sorted(host.get("SecurityOpt") or ())),
        gpus=_gpus(host),
        logging=_logging(host.get("LogConfig") or {}),
    )


def variables(config: Document) -> dict[str, str]:
    """Read all variables, of a container or of an image."""
    return dict(entry.partition("=")[::2] for entry in config.get("Env") or ())


def shown_variables(found: Mapping[str, str]) -> dict[str, str]:
    """Leave out what came from the operator's files: the revision beside them names it."""
    hidden = {naming.REVISION, *naming.revised(found.get(naming.REVISION, ""))}
    return {name: value for name, value in sorted(found.items()) if name not in hidden}


def healthcheck(config: Document) -> ObservedHealthcheck | None:
    """Read a healthcheck, of a container or of an image; None when there is none, or it is switched off."""
    found = config.get("Healthcheck") or {}
    test = tuple(found.get("Test") or ())
    if not test or test[0] == DISABLED:
        return None
    check = Healthcheck(
        test=test,
        interval=_seconds(found, "Interval"),
        timeout=_seconds(found, "Timeout"),
        retries=found.get("Retries") or 0,
        start_interval=_seconds(found, "StartInterval"),
    )
    return ObservedHealthcheck(check, _seconds(found, "StartPeriod"))


def _seconds(found: Document, key: str) -> float:
    return (found.get(key) or 0) / SECOND


def _ports(host: Document) -> tuple[Publication, ...]:
    found = (
        _port(target, binding)
        for target, bindings in (host.get("PortBindings") or {}).items()
        for binding in bindings or ()
    )
    return tuple(sorted(found, key=lambda port: (port.target, port.published, port.host_ip, port.protocol)))


def _port(target: str, binding: Document) -> Publication:
    number, _, protocol = target.partition("/")
    return Publication(int(number), int(binding.get("HostPort") or 0), binding.get("HostIp") or "", protocol or "tcp")


def _mounts(host: Document) -> tuple[Mount, ...]:
    """Read what was asked for: `Mounts` beside `HostConfig` also shows volumes that an image declares by itself."""
    found = [*map(_bind, host.get("Binds") or ()), *_requested(host.get("Mounts") or ())]
    return tuple(sorted(found, key=lambda mount: mount.target))


def _bind(text: str) -> Mount:
    source, target, *mode = text.split(":")
    return Mount("" if source.startswith("/") else source, target, "ro" in ",".join(mode).split(","))


def _requested(mounts: Iterable[Document]) -> Iterator[Mount]:
    for mount in mounts:
        if mount.get("Type") != "tmpfs":
            source = mount.get("Source", "") if mount.get("Type") == "volume" else ""
            yield Mount(source, mount["Target"], bool(mount.get("ReadOnly")))


def _restart(policy: Document) -> str:
    name, tries = policy.get("Name") or "no", policy.get("MaximumRetryCount") or 0
    return f"{name}:{tries}" if tries else name


def _gpus(host: Document) -> str:
    counts = [one.get("Count") or 0 for one in host.get("DeviceRequests") or () if _is_gpu(one)]
    if not counts:
        return ""
    return "all" if -1 in counts else str(sum(counts))


def _is_gpu(request: Document) -> bool:
    return any("gpu" in group for group in request.get("Capabilities") or ())


def _logging(found: Document) -> dict[str, str]:
    return {"": found.get("Type") or "", **(found.get("Config") or {})}
