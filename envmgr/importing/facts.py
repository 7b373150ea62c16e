"""What a document says about one service, as flat facts: two documents that mean the same have the same facts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from envmgr.importing.limits import command_of, devices_of, limits_of, replicas
from envmgr.importing.ports import key_of
from envmgr.importing.storage import config_path, secret_path

Document = Mapping[str, Any]
Facts = dict[str, Any]
_SETS = frozenset({"cap_add", "cap_drop", "security_opt", "tmpfs", "group_add", "expose", "devices", "volumes_from"})
"""Lists whose order says nothing."""
_TABLES = frozenset({"extra_hosts", "links"})
"""Lists of which each entry is a thing of its own."""
_ELSEWHERE = frozenset(
    {
        *("ports", "volumes", "secrets", "configs", "networks", "depends_on", "healthcheck", "env_file", "build"),
        *("mem_limit", "mem_reservation", "cpus", "pids_limit", "scale", "gpus", "deploy", "image"),
    }
)
_MEANT = {"restart": "no", "privileged": False, "tty": False, "stdin_open": False, "read_only": False, "init": False}
"""Values that say the same as silence."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A service as one document has it, and what lies outside of its own entry."""

    body: Document
    image: str
    build: Document = field(default_factory=dict)
    variables: Mapping[str, str | None] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    """Name of a secret → where its value comes from."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Path in the container → content that the document holds, or has rendered beside it."""
    volumes: Mapping[str, str] = field(default_factory=dict)
    """Key of a volume → the name under which both documents are compared."""
    configs: Mapping[str, Document] = field(default_factory=dict)
    reaches: frozenset[str] = frozenset()
    """Services that share a network with it."""
    aliases: frozenset[str] = frozenset()
    joins: frozenset[str] = frozenset()
    """Networks that are there already."""
    egress: bool = True
    depends_on: Mapping[str, Document] = field(default_factory=dict)


def facts(reading: Reading) -> Facts:
    """Return everything that is said; what is left at Compose's own default is not."""
    body = reading.body
    found: Facts = {}
    for key, value in body.items():
        if key not in _ELSEWHERE:
            found |= _flat(key, value)
    found |= _program(reading) | _limits(body) | _mounts(reading) | _networks(reading)
    for port in body.get("ports") or ():
        found[f"ports.{key_of(port)}"] = "published"
        found[f"ports.{key_of(port)}.host_ip"] = port.get("host_ip") or "any address"
        found |= _flat(f"ports.{key_of(port)}", {k: v for k, v in port.items() if k in ("name", "app_protocol")})
    found |= {f"environment.{name}": value for name, value in reading.variables.items() if value is not None}
    for other, how in reading.depends_on.items():
        found[f"depends_on.{other}"] = how.get("condition", "service_started")
        extra = {"required": "false" if how.get("required") is False else None, "restart": how.get("restart") or None}
        found |= _flat(f"depends_on.{other}", extra)
    return {key: value for key, value in found.items() if _MEANT.get(key, ...) != value}


def _flat(key: str, value: Any) -> Facts:
    if value is None or value in ({}, []):
        return {}
    if isinstance(value, Mapping):
        parts = [_flat(f"{key}.{name}", inner) for name, inner in value.items()]
        return {name: inner for part in parts for name, inner in part.items()}
    if isinstance(value, list) and key in _SETS | _TABLES:
        return {f"{key}.{_word(one)}": "set" for one in value}
    return {key: list(value) if isinstance(value, list) else _word(value)} if value not in (False,) else {key: False}


def _word(value: Any) -> Any:
    if isinstance(value, Mapping):
        return ",".join(f"{name}={inner}" for name, inner in sorted(value.items()))
    if isinstance(value, bool):
        return value
    return str(value)


def _program(reading: Reading) -> Facts:
    body = reading.body
    found: Facts = {} if reading.build else {"image": reading.image}
    if reading.build and "image" in body and body["image"] == reading.image:
        found["image"] = reading.image
    built = {key: value for key, value in reading.build.items() if (key, value) != ("dockerfile", "Dockerfile")}
    found |= _flat("build", built)
    check = dict(body.get("healthcheck") or {})
    if (test := check.pop("test", None)) and test[0] != "NONE":
        found["healthcheck.test"] = command_of(test)
    return found | _flat("healthcheck", check)


def _limits(body: Document) -> Facts:
    found: Facts = {f"limits.{key}": value for key, value in limits_of(body).items()}
    devices, gpus = devices_of(body)
    if gpus is not None:
        found["gpus"] = gpus
    found |= {f"devices.reserved.{_word(one)}": "set" for one in devices}
    if (count := replicas(body)) != 1:
        found["replicas"] = count
    deploy = dict(body.get("deploy") or {})
    resources = dict(deploy.pop("resources", None) or {})
    deploy.pop("replicas", None)
    rest = {k: v for k, v in (resources.get("reservations") or {}).items() if k not in ("cpus", "memory", "devices")}
    more = {k: v for k, v in (resources.get("limits") or {}).items() if k not in ("cpus", "memory", "pids")}
    return found | _flat("deploy", deploy) | _flat("deploy.reservations", rest) | _flat("deploy.limits", more)


def _mounts(reading: Reading) -> Facts:
    found: Facts = {}
    for mount in reading.body.get("volumes") or ():
        found[f"volumes.{mount['target']}"] = "mounted"
        found |= _flat(f"volumes.{mount['target']}", _mount(mount, reading))
    for entry in reading.body.get("configs") or ():
        path, top = config_path(entry), reading.configs.get(entry["source"], {})
        found[f"volumes.{path}"] = "mounted"
        found |= _flat(f"volumes.{path}", _config(top, entry))
    for entry in reading.body.get("secrets") or ():
        path = secret_path(entry)
        found[f"secrets.{path}"] = reading.secrets.get(entry["source"], "unknown")
        found |= _flat(f"secrets.{path}", {key: entry[key] for key in ("uid", "gid", "mode") if key in entry})
    return found


def _mount(mount: Document, reading: Reading) -> Document:
    target = str(mount["target"])
    if target in reading.files:
        return {"content": reading.files[target], "read_only": True}
    options = {key: value for key, value in mount.items() if key not in ("target", "source", "bind", "volume")}
    # A bind makes a missing folder unless told otherwise, whichever way it is written.
    bind = {
        key: value for key, value in (mount.get("bind") or {}).items() if (key, value) != ("create_host_path", True)
    }
    source = mount.get("source")
    named = reading.volumes.get(str(source), source) if mount["type"] == "volume" else source
    return options | {"source": named or "anonymous", "bind": bind, "volume": mount.get("volume")}


def _config(top: Document, entry: Document) -> Document:
    rights = {key: entry[key] for key in ("uid", "gid", "mode") if key in entry}
    if "content" in top:
        return {"content": top["content"], "read_only": True} | rights
    if "file" in top:
        # Compose mounts it just so.
        bind = {"create_host_path": False}
        return {"type": "bind", "source": top["file"], "read_only": True, "bind": bind} | rights
    return {"source": str(top.get("environment") or top.get("name") or "unknown")} | rights


def _networks(reading: Reading) -> Facts:
    found: Facts = {f"reaches.{other}": "by name" for other in reading.reaches}
    found |= {f"aliases.{alias}": "set" for alias in reading.aliases}
    found |= {f"networks.{name}": "joined" for name in reading.joins}
    # What an endpoint of its own says beside its aliases: fixed addresses, priorities.
    for key, endpoint in (reading.body.get("networks") or {}).items():
        options = {name: value for name, value in (endpoint or {}).items() if name not in ("aliases", "gw_priority")}
        found |= _flat(f"networks.{key}", options)
    if reading.egress:
        found["egress"] = "may reach the outside"
    return found


def differing(before: Facts, after: Facts) -> Iterator[tuple[str, Any, Any]]:
    """Yield each key on which two sides do not agree, with both values; None where one is silent."""
    for key in sorted({*before, *after}):
        old, new = before.get(key), after.get(key)
        if not _is_same(old, new):
            yield key, old, new


def _is_same(old: Any, new: Any) -> bool:
    if isinstance(old, list) or isinstance(new, list):
        return bool(old == new)
    if isinstance(old, float) or isinstance(new, float):
        return old is not None and new is not None and float(old) == float(new)
    return bool(old == new) or (old is not None and new is not None and str(old) == str(new))


def text(value: Any) -> str:
    """Write a value for a person."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return " ".join(str(_word(one)) for one in value) if isinstance(value, list) else str(value)
