"""Turn the engine's JSON into the model; pure, it asks the engine nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from envmgr import naming
from envmgr.engine import settings
from envmgr.errors import EngineError
from envmgr.model.observed import (
    Container,
    EngineHealth,
    Event,
    ForeignContainer,
    HealthRun,
    HostPort,
    ImageInfo,
    Incident,
    ObservedNetwork,
    ObservedVolume,
    State,
)

COMPOSE_PROJECT = "com.docker.compose.project"
COMPOSE_SERVICE = "com.docker.compose.service"
COMPOSE_NUMBER = "com.docker.compose.container-number"
COMPOSE_VOLUME = "com.docker.compose.volume"
NEVER = "0001-01-01T00:00:00Z"
"""Go's zero time: it has not happened."""

Document = Mapping[str, Any]


def is_ours(listed: Document, project: str) -> bool:
    """Tell whether a listed container belongs to a project."""
    return bool(_labels(listed).get(naming.LABEL_PROJECT) == project)


def container(inspected: Document) -> Container:
    """Read an inspected container."""
    state, config, limits = inspected["State"], inspected["Config"], inspected["HostConfig"]
    labels = _labels(config)
    return Container(
        id=inspected["Id"],
        name=_name(inspected["Name"]),
        compose_project=labels.get(COMPOSE_PROJECT, ""),
        service=_service(labels),
        number=int(labels.get(COMPOSE_NUMBER, "1")),
        image=config["Image"],
        image_id=inspected["Image"],
        state=_state(state["Status"]),
        health=EngineHealth((state.get("Health") or {}).get("Status") or "none"),
        exit_code=state["ExitCode"],
        restart_count=inspected.get("RestartCount", 0),
        is_oom_killed=state.get("OOMKilled", False),
        started_at=_moment(state.get("StartedAt")),
        finished_at=_moment(state.get("FinishedAt")),
        labels=labels,
        networks=_aliases(inspected),
        ports=_held_ports(inspected),
        revision=settings.variables(config).get(naming.REVISION, ""),
        error=state.get("Error", ""),
        memory_limit=limits.get("Memory") or 0,
        cpu_limit=(limits.get("NanoCpus") or 0) / 1e9,
        settings=settings.of_container(config, limits),
        addresses=_addresses(inspected),
        binds=_binds(inspected),
    )


def foreign(listed: Document) -> ForeignContainer:
    """Read a listed container of somebody else."""
    ports = (
        HostPort(port.get("IP", ""), port["PublicPort"], port.get("Type", "tcp"))
        for port in listed.get("Ports") or ()
        if port.get("PublicPort")
    )
    names = listed.get("Names") or [listed["Id"][:12]]
    return ForeignContainer(_name(names[0]), _labels(listed).get(COMPOSE_PROJECT, ""), _in_order(ports))


def network(listed: Document) -> ObservedNetwork:
    """Read a network."""
    blocks = (listed.get("IPAM") or {}).get("Config") or ()
    labels = _labels(listed)
    subnets = tuple(block["Subnet"] for block in blocks if block.get("Subnet"))
    return ObservedNetwork(
        name=listed["Name"],
        subnets=subnets,
        labels=labels,
        compose_project=labels.get(COMPOSE_PROJECT, ""),
        driver=listed.get("Driver", ""),
        is_internal=listed.get("Internal", False),
        options=listed.get("Options") or {},
    )


def volume(listed: Document) -> ObservedVolume:
    """Read a volume."""
    return ObservedVolume(listed["Name"], _labels(listed), listed.get("Driver", ""), listed.get("Options") or {})


def image(inspected: Document) -> ImageInfo:
    """Read an image."""
    config = inspected.get("Config") or {}
    return ImageInfo(
        id=inspected["Id"],
        labels=_labels(config),
        command=tuple(config.get("Cmd") or ()),
        variables=settings.variables(config),
        healthcheck=settings.healthcheck(config),
        stop_signal=config.get("StopSignal") or "",
        digests=tuple(inspected.get("RepoDigests") or ()),
        platform=platform(inspected.get("Os", ""), inspected.get("Architecture", ""), inspected.get("Variant", "")),
    )


def platform(system: str, architecture: str, variant: str = "") -> str:
    """Write a platform as Docker does; empty parts are left out."""
    return "/".join(part for part in (system, architecture, variant) if part)


def health_runs(inspected: Document) -> tuple[HealthRun, ...]:
    """Read the last healthcheck runs of an inspected container."""
    runs = (inspected["State"].get("Health") or {}).get("Log") or ()
    return tuple(HealthRun(run["ExitCode"], run["Output"]) for run in runs)


def event(message: Document) -> Event:
    """Read one event; `health_status: healthy` is a `health_status`."""
    actor = message["Actor"]
    return Event(message["Action"].partition(":")[0], actor["ID"], _service(actor["Attributes"]))


def incident(message: Document) -> Incident:
    """Read one event of a container's past; the engine counts in nanoseconds."""
    attributes = message["Actor"].get("Attributes") or {}
    at = datetime.fromtimestamp(message["timeNano"] / 1e9, UTC)
    return Incident(message["Action"], at, _number(attributes.get("signal")), _number(attributes.get("exitCode")))


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdigit() else None


def _state(word: str) -> State:
    try:
        return State(word)
    except ValueError as error:
        raise EngineError(f"The engine reports a container as '{word}', a state that Docker does not have") from error


def _labels(document: Document) -> Mapping[str, str]:
    return document.get("Labels") or {}


def _service(labels: Mapping[str, str]) -> str:
    return labels.get(COMPOSE_SERVICE) or labels.get(naming.LABEL_SERVICE, "")


def _name(text: str) -> str:
    return text.removeprefix("/")


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text and text != NEVER else None


def _aliases(inspected: Document) -> Mapping[str, tuple[str, ...]]:
    attached = inspected["NetworkSettings"].get("Networks") or {}
    return {name: tuple(endpoint.get("Aliases") or ()) for name, endpoint in sorted(attached.items())}


def _addresses(inspected: Document) -> Mapping[str, str]:
    attached = inspected["NetworkSettings"].get("Networks") or {}
    return {name: endpoint["IPAddress"] for name, endpoint in sorted(attached.items()) if endpoint.get("IPAddress")}


def _binds(inspected: Document) -> Mapping[str, str]:
    mounts = inspected.get("Mounts") or ()
    return {mount["Destination"]: mount["Source"] for mount in mounts if mount.get("Type") == "bind"}


def _held_ports(inspected: Document) -> tuple[HostPort, ...]:
    # Not HostConfig.PortBindings: a stopped container holds nothing, and port 0 is a number only once it runs.
    held = inspected["NetworkSettings"].get("Ports") or {}
    return _in_order(
        HostPort(binding["HostIp"], int(binding["HostPort"]), target.partition("/")[2] or "tcp")
        for target, bindings in held.items()
        for binding in bindings or ()
    )


def _in_order(ports: Iterable[HostPort]) -> tuple[HostPort, ...]:
    return tuple(sorted(set(ports), key=lambda port: (port.port, port.protocol, port.host_ip)))
