"""Read what Grafana is given as files: data sources, and the folders of dashboards."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from stand_in.settings import WrongSetting


@dataclass(frozen=True, slots=True)
class Provisioned:
    """Data sources and dashboards, each by its uid."""

    sources: dict[str, dict[str, Any]]
    dashboards: dict[str, dict[str, Any]]


def read(folder: Path) -> Provisioned:
    """Return what a provisioning folder asks for. Raises: `WrongSetting` for what Grafana would not start with."""
    sources = [_source(one, file) for file, one in _entries(folder / "datasources", "datasources")]
    paths = [_path(provider, file) for file, provider in _entries(folder / "dashboards", "providers")]
    files = sorted(file for path in paths for file in path.rglob("*.json"))
    return Provisioned({one["uid"]: one for one in sources}, {one["uid"]: one for one in map(_dashboard, files)})


def _entries(folder: Path, key: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    for file in sorted([*folder.glob("*.yml"), *folder.glob("*.yaml")]):
        try:
            entries = (yaml.safe_load(file.read_text(encoding="utf-8")) or {}).get(key) or []
        except (OSError, ValueError, AttributeError, yaml.YAMLError) as error:
            raise WrongSetting(f"{file} cannot be read: {error}") from error
        yield from ((file, entry) for entry in entries)


def _source(entry: dict[str, Any], file: Path) -> dict[str, Any]:
    if not (entry.get("name") and entry.get("url") and entry.get("type") == "prometheus"):
        raise WrongSetting(
            f"{file}: a data source needs a name, a URL and the type prometheus; this stand-in has no other"
        )
    known = ("name", "type", "url", "access", "isDefault")
    return {key: entry[key] for key in known if key in entry} | {
        "uid": entry.get("uid", entry["name"]),
        "readOnly": not entry.get("editable", False),
    }


def _path(entry: dict[str, Any], file: Path) -> Path:
    path = Path((entry.get("options") or {}).get("path") or "")
    if not path.is_absolute() or not path.is_dir():
        raise WrongSetting(f"{file}: {path} is no folder of dashboards")
    return path


def _dashboard(file: Path) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads(file.read_bytes())
        return {**document, "uid": document.get("uid") or file.stem, "title": document["title"]}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise WrongSetting(f"{file} is no dashboard: {error!r}") from error
