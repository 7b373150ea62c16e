"""Published ports: the first becomes the service's main one, the others get names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from envmgr.importing.draft import ServiceDraft

_LOOPBACK = "127.0.0.1"


def carry(body: Mapping[str, Any], draft: ServiceDraft, replicas: int) -> None:
    """Put the ports that the spec can publish into the draft; the others get a reason."""
    for port in body.get("ports") or ():
        key, reason = key_of(port), _reason(port, draft, replicas)
        if reason:
            draft.why[f"ports.{key}"] = reason
        else:
            _publish(int(port["target"]), int(port["published"]), draft)


def key_of(port: Mapping[str, Any]) -> str:
    """Name a publication: `8000:80/tcp`."""
    return f"{port.get('published', '')}:{port['target']}/{port.get('protocol', 'tcp')}"


def _reason(port: Mapping[str, Any], draft: ServiceDraft, replicas: int) -> str:
    published = str(port.get("published", ""))
    if port.get("protocol", "tcp") != "tcp":
        return "the spec publishes TCP only"
    if "-" in published:
        return "Docker chose one of them: write the port that you want into [environments.NAME.ports]"
    if published in ("", "0"):
        return "Docker chose it on the host: write the port that you want into [environments.NAME.ports]"
    if draft.kind == "job":
        return "a job listens on no port"
    return "replicas cannot share one port of the host" if replicas > 1 else ""


def _publish(target: int, published: int, draft: ServiceDraft) -> None:
    if draft.port is None:
        draft.port = published
        draft.table["container_port"] = target
        return
    inside = draft.table.setdefault("container_ports", {})
    name = f"port-{target}" if f"port-{target}" not in inside else f"port-{target}-{published}"
    inside[name] = target
    draft.table.setdefault("ports", {})[name] = published
