"""A stack becomes a Compose document, as plain data in a stable order."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from envmgr import layout, naming
from envmgr.model.stack import Healthcheck, Network, Publication, Service, Stack, Tmpfs, Volume

Document = dict[str, Any]
_MEGABYTE = 1024**2
_WHOLE = ("command", "entrypoint", "test")
"""Lists that are one sentence: nothing can be appended to them."""
_OUTSIDE = ("scale", "depends_on", "pull_policy", naming.LINT_ACCEPTS)
"""Keys that tell Compose or a linter something, and a container nothing."""
_UP = ".."
"""From `compose/` to the project's folder."""


def document(stack: Stack, config_hashes: Mapping[str, str]) -> Document:
    """Return the document of a stack; `config_hashes` maps a rendered file's path to the hash of its content."""
    parts: Document = {
        "name": stack.compose_project,
        "services": {s.name: _service(stack, s, config_hashes) for s in stack.services},
        "networks": {n.key: _network(stack, n) for n in stack.networks},
        "volumes": {v.key: _volume(stack, v) for v in stack.volumes},
        "secrets": {
            _secret_key(s, m.name): {"file": f"{_UP}/{layout.secret_file(stack.target, s.name, m.name)}"}
            for s in stack.services
            for m in s.secrets
        },
    }
    return {key: value for key, value in parts.items() if value}


def substitutes(stack: Stack, images: Mapping[str, str]) -> Document | None:
    """Return the document that puts recipe images in place, None when the stack has no image that a recipe replaces."""
    services = {
        s.name: {"image": images[s.image.reference], "pull_policy": "never"}
        for s in stack.services
        if s.image.reference in images
    }
    return {"name": stack.compose_project, "services": services} if services else None


def config_revision(service: Service, config_hashes: Mapping[str, str]) -> str:
    """Return the label that says which content of its rendered files a container was made with."""
    return naming.revision({config.path: config_hashes[config.path][:12] for config in service.configs})


def service_hash(body: Document, contents: list[str]) -> str:
    """Hash a service and the configuration that it mounts; what no container carries recreates none."""
    stable = {key: value for key, value in body.items() if key not in _OUTSIDE}
    return naming.short_hash(json.dumps([_without_reserved_cpus(stable), contents], sort_keys=True).encode(), 16)


def _without_reserved_cpus(body: Document) -> Document:
    """Leave out what only a scheduler of several hosts reads."""
    resources = body.get("deploy", {}).get("resources", {})
    if "cpus" not in resources.get("reservations", {}):
        return body
    reserved = {key: value for key, value in resources["reservations"].items() if key != "cpus"}
    rest = {key: value for key, value in resources.items() if key != "reservations"}
    return body | {"deploy": {**body["deploy"], "resources": rest | ({"reservations": reserved} if reserved else {})}}


def _service(stack: Stack, service: Service, config_hashes: Mapping[str, str]) -> Document:
    body = _identity(stack, service) | _confinement(service) | _attachments(stack, service) | _life(service)
    body[naming.LINT_ACCEPTS] = _accepted(stack, service)
    body = {key: value for key, value in body.items() if value not in ({}, [], None)}
    body = merged(body, service.compose)
    contents = [config_hashes[config.path] for config in service.configs]
    ours = _labels(stack, service) | {naming.LABEL_HASH: service_hash(body, contents)}
    if service.configs:
        ours[naming.LABEL_CONFIGS] = config_revision(service, config_hashes)
    body["labels"] = {**body.get("labels", {}), **ours}
    return body


def merged(body: Document, raw: Mapping[str, Any]) -> Document:
    """Lay raw Compose keys over a rendered service, by Compose's own rules.

    Tables are merged key by key, lists are appended to, and everything else replaces.
    """
    result = dict(body)
    for key, value in raw.items():
        old = result.get(key)
        if isinstance(old, dict) and isinstance(value, Mapping):
            result[key] = merged(old, value)
        elif isinstance(old, list) and isinstance(value, (list, tuple)) and key not in _WHOLE:
            result[key] = _appended(old, value)
        else:
            result[key] = value
    return result


def _appended(old: list[Any], new: Iterable[Any]) -> list[Any]:
    """Append; a new mount takes the place of one at the same path."""
    added = list(new)
    taken = {target for one in added if (target := _mounted_at(one))}
    return [*(one for one in old if one not in added and _mounted_at(one) not in taken), *added]


def _mounted_at(entry: Any) -> str | None:
    if isinstance(entry, Mapping):
        return str(entry["target"]) if "target" in entry else None
    return str(entry).partition(":")[0] if str(entry).startswith("/") else None


def _identity(stack: Stack, service: Service) -> Document:
    return {
        "image": service.image.pinned,
        # A built image is nowhere to be pulled from; asking a registry for it would only blur the message.
        "pull_policy": "never" if service.image.build else "missing",
        "command": list(service.command) or None,
        "user": service.user,
        "environment": dict(sorted(service.variables.items())),
        "env_file": [{"path": f"{_UP}/{layout.env_file(stack.target, service.name)}", "format": "raw"}],
        "scale": service.replicas if service.replicas > 1 else None,
    }


def _confinement(service: Service) -> Document:
    return {
        "read_only": True,
        "init": True,
        "cap_drop": list(service.dropped),
        "security_opt": ["no-new-privileges:true"],
        "tmpfs": [_tmpfs(service, mount) for mount in service.tmpfs],
        "shm_size": f"{service.shm_megabytes}m" if service.shm_megabytes else None,
        "pids_limit": service.resources.pids,
        "deploy": {"resources": _resources(service)},
    }


def _attachments(stack: Stack, service: Service) -> Document:
    binds = [_bound(f"./{config.path}", config.target) for config in service.configs]
    binds += [_bound(f"{_UP}/{source.path}", source.target) for source in service.sources]
    volumes = [{"type": "volume", "source": m.volume, "target": m.target} for m in service.volumes]
    return {
        "secrets": [{"source": _secret_key(service, m.name), "target": m.target} for m in service.secrets],
        "volumes": [*volumes, *binds],
        "networks": {key: _endpoint(stack, key, service) for key in service.networks},
        "ports": [_port(port) for port in service.ports],
        "sysctls": {"net.ipv4.ip_forward": "0"} if _joins_networks(stack, service) else {},
        # With it, Docker asks nobody outside for a name without a dot: an environment that is down has no address.
        "dns_opt": ["ndots:1"] if service.faces_environments else [],
    }


def _joins_networks(stack: Stack, service: Service) -> bool:
    """Tell whether a container stands in several networks: a new namespace forwards as the host does, which must."""
    return (stack.is_base or len(service.networks) > 1) and "network_mode" not in service.compose


def _bound(source: str, target: str) -> Document:
    return {
        "type": "bind",
        "source": source,
        "target": target,
        "read_only": True,
        "bind": {"create_host_path": False},
    }


def _life(service: Service) -> Document:
    return {
        "depends_on": {d.service: {"condition": d.condition.value} for d in service.depends_on},
        "healthcheck": _healthcheck(service.healthcheck, service.start_seconds),
        "restart": "no" if service.is_job else "unless-stopped",
        "stop_signal": service.stop_signal,
        "stop_grace_period": _seconds(service.stop_seconds),
        "logging": {"driver": "json-file", "options": {"max-size": "10m", "max-file": "3"}},
    }


def _accepted(stack: Stack, service: Service) -> Document:
    """Say why what a linter would find here is meant."""
    accepted = {}
    if service.healthcheck is None and not service.is_job:
        accepted["EM-S11-healthcheck"] = "The image may hold no program that could ask; envmgr asks from outside."
    others = {mount.volume for one in stack.services if one is not service for mount in one.volumes}
    if any(mount.volume in others for mount in service.volumes):
        accepted["EM-S08-shared-volume"] = "The spec gives this volume to several services."
    return accepted


def _endpoint(stack: Stack, key: str, service: Service) -> Document | None:
    if len(service.networks) == 1:
        return {"aliases": list(service.aliases)} if service.aliases else None
    if key == "data":
        # It has no gateway to give; being first makes names lead here: two neighbours that both publish a port share
        # that bridge too, where they cannot reach each other.
        return {"aliases": list(service.aliases), "gw_priority": 2} if service.aliases else {"gw_priority": 2}
    # The way out must be the default gateway; the publishing bridge masquerades nothing.
    if key == "egress" and stack.network(key).masquerades:
        return {"gw_priority": 1}
    return None


def _labels(stack: Stack, service: Service) -> Document:
    labels = {
        naming.LABEL_PROJECT: stack.project,
        naming.LABEL_ENVIRONMENT: stack.target,
        naming.LABEL_SERVICE: service.name,
        naming.LABEL_KIND: service.kind,
    }
    if stack.release:
        labels[naming.LABEL_RELEASE] = str(stack.release)
    return labels | ({naming.LABEL_JOB: "true"} if service.is_job else {})


def _resources(service: Service) -> Document:
    limits = service.resources
    reserved = {
        "cpus": str(limits.cpus_reserved) if limits.cpus_reserved else None,
        "memory": _memory(limits.memory_reserved) if limits.memory_reserved else None,
    }
    wanted: Document = {key: value for key, value in reserved.items() if value}
    if service.gpus is not None:
        wanted["devices"] = [{"driver": "nvidia", "count": service.gpus, "capabilities": ["gpu"]}]
    body: Document = {
        "limits": {"cpus": str(limits.cpus), "memory": _memory(limits.memory), "pids": limits.pids},
    }
    return body | ({"reservations": wanted} if wanted else {})


def _memory(size: int) -> str:
    return f"{size // _MEGABYTE}M" if size % _MEGABYTE == 0 else f"{size}b"


def _tmpfs(service: Service, mount: Tmpfs) -> str:
    uid, gid = service.user.split(":")
    return f"{mount.target}:size={mount.megabytes}m,uid={uid},gid={gid},mode={mount.mode},noexec,nosuid,nodev"


def _port(port: Publication) -> Document:
    return {
        "target": port.target,
        "published": str(port.published),
        "host_ip": port.host_ip,
        "protocol": port.protocol,
    }


def _healthcheck(check: Healthcheck | None, start_seconds: float) -> Document | None:
    if check is None:
        return None
    return {
        "test": list(check.test),
        "interval": _seconds(check.interval),
        "timeout": _seconds(check.timeout),
        "retries": check.retries,
        "start_period": _seconds(start_seconds),
        "start_interval": _seconds(check.start_interval),
    }


def _seconds(value: float) -> str:
    return f"{int(value)}s" if value == int(value) else f"{int(value * 1000)}ms"


def _network(stack: Stack, network: Network) -> Document:
    if network.is_external or network.is_foreign:
        return {"name": network.name, "external": True}
    bridge = "com.docker.network.bridge."
    # Isolated: not even the host's own listeners can be reached through the bridge's address.
    internal = {f"{bridge}gateway_mode_ipv4": "isolated"}
    outward = {
        f"{bridge}enable_icc": str(network.allows_neighbours).lower(),
        f"{bridge}enable_ip_masquerade": str(network.masquerades).lower(),
    }
    return {
        "name": network.name,
        "driver": "bridge",
        **({"internal": True} if network.is_internal else {}),
        "driver_opts": internal if network.is_internal else outward,
        "ipam": {"config": [{"subnet": network.subnet}]},
        "labels": {naming.LABEL_PROJECT: stack.project, naming.LABEL_ENVIRONMENT: stack.target},
    }


def _volume(stack: Stack, volume: Volume) -> Document:
    if volume.is_external:
        return {"name": volume.name, "external": True}
    labels = {
        naming.LABEL_PROJECT: stack.project,
        naming.LABEL_ENVIRONMENT: stack.target,
        naming.LABEL_SERVICE: volume.service,
    }
    # The base holds the data of all environments. Its label must not follow theirs: Compose, run by hand on a terminal,
    # offers to delete a volume whose labels have changed.
    protect = {naming.LABEL_PROTECT: "true"} if stack.is_protected or stack.is_base else {}
    return {"name": volume.name, "labels": labels | protect}


def _secret_key(service: Service, name: str) -> str:
    return f"{service.name}_{name}"
