"""Two Compose documents side by side, without any code of envmgr's: only what an import has listed may differ.

What stands in another place and means the same is put in one place here; nothing else is forgiven.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

Flat = dict[str, str]
_KEYED = {"cap_add", "cap_drop", "security_opt", "tmpfs", "expose", "extra_hosts", "volumes_from", "links", "devices"}
_LIMITS = {"mem_limit": "memory", "cpus": "cpus", "pids_limit": "pids", "mem_reservation": "memory_reserved"}
_SILENT = {"restart": "no", "read_only": "false", "privileged": "false"}


def flat(service: Mapping[str, Any], top: Mapping[str, Any]) -> Flat:
    """Return one value for each thing that a resolved service says."""
    body = json.loads(json.dumps(service))
    found: Flat = {}
    for key, value in (*_limits(body), *_mounts(body, top), *_ports(body)):
        found[key] = value
    check = body.get("healthcheck") or {}
    if (check.get("test") or [""])[0] == "CMD-SHELL":
        check["test"] = ["CMD", "/bin/sh", "-c", *check["test"][1:]]
    if (check.get("test") or [""])[0] == "NONE":
        body.pop("healthcheck")
    for needed in (body.get("depends_on") or {}).values():
        if needed.get("required") is True:
            del needed["required"]
    for gone in ("build", "networks", "env_file"):
        body.pop(gone, None)
    found |= dict(_leaves("", body))
    return {key: value for key, value in found.items() if _SILENT.get(key) != value}


def unlisted(before: Flat, after: Flat, listed: set[str]) -> set[str]:
    """Return the keys that differ and that no listed difference names."""
    return {key for key in {*before, *after} if before.get(key) != after.get(key) and key not in listed}


def reached(document: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Return each pair of services that share a network."""
    joined = {name: set(body.get("networks") or {}) for name, body in document["services"].items()}
    return {(one, other) for one in joined for other in joined if one != other and joined[one] & joined[other]}


def known_as(service: Mapping[str, Any]) -> set[str]:
    """Return the further names of a service on its networks."""
    return {alias for one in (service.get("networks") or {}).values() for alias in ((one or {}).get("aliases") or ())}


def _limits(body: dict[str, Any]) -> Iterator[tuple[str, str]]:
    deploy = body.get("deploy") or {}
    resources = deploy.pop("resources", None) or {}
    limits, reserved = resources.get("limits") or {}, resources.get("reservations") or {}
    gpus = body.pop("gpus", None) or []
    for device in (*(reserved.pop("devices", None) or []), *gpus):
        body.setdefault("asked devices", []).append({"driver": "nvidia", "capabilities": ["gpu"], **device})
    found = {old: body.pop(old) for old in _LIMITS if old in body}
    for old, new in _LIMITS.items():
        side = reserved if new.endswith("_reserved") else limits
        value = side.pop(new.removesuffix("_reserved"), None) or found.get(old)
        if value is not None:
            yield f"limits.{new}", str(float(value))
    if "cpus" in reserved:
        yield "limits.cpus_reserved", str(float(reserved.pop("cpus")))
    deploy |= {"other limits": limits, "other reservations": reserved}
    copies = [deploy.pop("replicas", None), body.pop("scale", None)]
    count = next((one for one in copies if one), 1)
    if count != 1:
        yield "replicas", str(count)


def _ports(body: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for port in body.pop("ports", None) or ():
        name = f"ports.{port.get('published', '')}:{port['target']}/{port['protocol']}"
        yield name, "published"
        yield f"{name}.host_ip", port.get("host_ip") or "any address"
        yield from _leaves(name, {k: port[k] for k in ("name", "app_protocol") if k in port})


def _mounts(body: dict[str, Any], top: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for mount in body.pop("volumes", None) or ():
        name = f"volumes.{mount.pop('target')}"
        if mount["type"] == "volume":
            # The names of volumes are told beside the services.
            mount["source"] = "named" if mount.get("source") else "anonymous"
        (mount.get("bind") or {}).pop("create_host_path", None)
        yield name, "mounted"
        yield from _leaves(name, mount)
    for config in body.pop("configs", None) or ():
        name, origin = f"volumes.{config.get('target') or '/' + config['source']}", top["configs"][config["source"]]
        yield name, "mounted"
        is_file = "file" in origin
        said = {"type": "bind", "source": origin["file"]} if is_file else {"content": origin["content"]}
        yield from _leaves(name, {**said, "read_only": True, **{k: config[k] for k in ("mode",) if k in config}})
    for secret in body.pop("secrets", None) or ():
        target = secret.get("target") or secret["source"]
        yield f"secrets.{target if target.startswith('/') else '/run/secrets/' + target}", "given"


def _leaves(name: str, value: Any) -> Iterator[tuple[str, str]]:
    prefix = f"{name}." if name else ""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(f"{prefix}{key}", inner)
    elif isinstance(value, list) and name in _KEYED:
        yield from ((f"{prefix}{_one(entry)}", "set") for entry in value)
    elif isinstance(value, bool):
        yield name, str(value).lower()
    elif value not in (None, []):
        yield name, json.dumps(value) if isinstance(value, list) else str(value)


def _one(entry: Any) -> str:
    return ",".join(f"{k}={v}" for k, v in sorted(entry.items())) if isinstance(entry, Mapping) else str(entry)
