"""Read Compose documents as far as the fake engine needs them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from envmgr import naming
from envmgr.errors import EngineError
from envmgr.model.observed import HostPort


def load(files: tuple[Path, ...], folder: Path | None = None) -> dict[str, Any]:
    """Return the documents, later ones laid over earlier ones; their paths begin in `folder`, or beside the first."""
    whole: dict[str, Any] = {"services": {}, "networks": {}, "volumes": {}}
    for file in files:
        document = _read(file)
        for section in ("services", "networks", "volumes"):
            for name, entry in (document.get(section) or {}).items():
                whole[section][name] = {
                    **whole[section].get(name, {}),
                    **(entry or {}),
                    "_folder": str(folder or files[0].parent),
                }
    return whole


def _read(file: Path) -> dict[str, Any]:
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise EngineError(
            f'docker compose failed: compose file "{file}" is invalid: {str(error.strerror).lower()}'
        ) from error
    return parse(text, file)


def parse(text: str, file: Path) -> dict[str, Any]:
    """Parse JSON, which is YAML, or else YAML."""
    try:
        return json.loads(text)
    except ValueError:
        import yaml

    try:
        return yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise EngineError(f"docker compose failed: {file}: {error}") from error


def check(document: Mapping[str, Any]) -> None:
    """Refuse what Compose refuses on reading."""
    for name, service in document["services"].items():
        if "image" not in service and "build" not in service:
            raise EngineError(
                f'docker compose config failed: service "{name}" has neither an image nor a build context specified'
            )
        for section, used in (("networks", networks(service)), ("volumes", volumes(service))):
            for key in used:
                if key not in document[section]:
                    what = section.removesuffix("s")
                    raise EngineError(
                        f'docker compose config failed: service "{name}" refers to undefined {what} {key}'
                    )


def labels(entry: Mapping[str, Any]) -> dict[str, str]:
    """Return labels, written as a mapping or as a list."""
    return mapping(entry.get("labels") or {})


def mapping(written: Any) -> dict[str, str]:
    """Return a mapping that may be written as a list of `KEY=VALUE`."""
    if isinstance(written, list):
        written = dict(item.partition("=")[::2] for item in written)
    return {str(key): str(value).replace("$$", "$") for key, value in written.items()}


def networks(service: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return the keys of a service's networks, with its aliases there."""
    written = service.get("networks") or {}
    if isinstance(written, list):
        return dict.fromkeys(written, ())
    return {key: tuple((entry or {}).get("aliases") or ()) for key, entry in written.items()}


def volumes(service: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the keys of a service's named volumes."""
    return tuple(v["source"] for v in service.get("volumes") or () if isinstance(v, dict) and v["type"] == "volume")


def ports(service: Mapping[str, Any]) -> tuple[HostPort, ...]:
    """Return what a service publishes; long form only."""
    return tuple(
        HostPort(port.get("host_ip", "0.0.0.0"), int(port["published"]), port.get("protocol", "tcp"))
        for port in service.get("ports") or ()
    )


def replicas(service: Mapping[str, Any]) -> int:
    """Return how many containers a service asks for."""
    return int(service.get("scale") or (service.get("deploy") or {}).get("replicas") or 1)


def memory(service: Mapping[str, Any]) -> int:
    """Return a service's memory limit in bytes."""
    return size(_limits(service).get("memory") or service.get("mem_limit") or 0)


def size(written: Any) -> int:
    """Read a size: `64M`, `128m`, `100b`."""
    text = str(written).lower().rstrip("b")
    factor = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}.get(text[-1:], 1)
    return int(float(text.rstrip("kmg")) * factor)


def cpus(service: Mapping[str, Any]) -> float:
    """Return a service's CPU limit."""
    return float(_limits(service).get("cpus") or service.get("cpus") or 0)


def _limits(service: Mapping[str, Any]) -> Mapping[str, Any]:
    return ((service.get("deploy") or {}).get("resources") or {}).get("limits") or {}


def variables(service: Mapping[str, Any]) -> dict[str, str]:
    """Return a service's variables; those of its env files first.

    Raises:
        EngineError: A required env file is absent.
    """
    found: dict[str, str] = {}
    for path in _env_files(service):
        if not path.is_file():
            raise EngineError(f"docker compose up failed: env file {path} not found")
        lines = path.read_text(encoding="utf-8").splitlines()
        found |= dict(line.partition("=")[::2] for line in lines if "=" in line and not line.startswith("#"))
    return found | mapping(service.get("environment") or {})


def _env_files(service: Mapping[str, Any]) -> list[Path]:
    written = service.get("env_file") or []
    entries = written if isinstance(written, list) else [written]
    named = [entry["path"] if isinstance(entry, dict) else entry for entry in entries]
    return [Path(service["_folder"]) / name for name in named]


def fingerprint(service: Mapping[str, Any], image_id: str, found: Mapping[str, str]) -> str:
    """Return what changes when Compose would recreate a container."""
    kept = {key: value for key, value in service.items() if key not in ("_folder", "scale", "deploy")}
    return naming.short_hash(json.dumps([kept, image_id, dict(found)], sort_keys=True).encode())
