"""Volumes, binds, secrets and configs of one service."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from envmgr import naming
from envmgr.importing.draft import Names, ServiceDraft, distinct, from_compose_folder

SECRETS = "/run/secrets/"
Document = Mapping[str, Any]


def carry(body: Document, top: Document, draft: ServiceDraft, names: Names, folder: Path) -> None:
    """Put everything that is mounted into the draft."""
    for mount in body.get("volumes") or ():
        _mount(mount, draft, names, folder)
    for entry in body.get("configs") or ():
        _config(entry, (top.get("configs") or {}).get(entry["source"]) or {}, draft, folder)
    for entry in body.get("secrets") or ():
        _secret(entry, (top.get("secrets") or {}).get(entry["source"]) or {}, draft, names, folder)


def file_secrets(services: Mapping[str, Document]) -> frozenset[str]:
    """Return the services that are given secrets as files."""
    return frozenset(name for name, body in services.items() if body.get("secrets"))


def secret_variables(top: Document, services: Mapping[str, Document]) -> tuple[dict[str, str], dict[str, Any]]:
    """Return secret → variable, and the variables' tables without their services."""
    found: dict[str, str] = {}
    tables: dict[str, Any] = {}
    used = {entry["source"] for body in services.values() for entry in body.get("secrets") or ()}
    for name, one in (top.get("secrets") or {}).items():
        if name in used and ("file" in one or "environment" in one):
            variable = str(one["environment"]) if "environment" in one else _variable(name)
            if not naming.VARIABLE.fullmatch(variable) or variable in tables:
                variable = _free(_variable(name), tables)
            found[name] = variable
            tables[variable] = {"secret": True, "mount": name} if variable != name else {"secret": True}
    return found, tables


def secret_path(entry: Document) -> str:
    """Return where a service finds a secret."""
    target = str(entry.get("target") or entry["source"])
    return target if target.startswith("/") else SECRETS + target


def config_path(entry: Document) -> str:
    """Return where a service finds a config."""
    return str(entry.get("target") or f"/{entry['source']}")


def bound(source: str, target: str, folder: Path) -> dict[str, Any]:
    """Return a read-only bind of a file, as Compose makes one of a config."""
    return {
        "type": "bind",
        "source": from_compose_folder(source, folder),
        "target": target,
        "read_only": True,
        "bind": {"create_host_path": False},
    }


def _mount(mount: Document, draft: ServiceDraft, names: Names, folder: Path) -> None:
    kind, target = mount["type"], str(mount["target"])
    if kind == "volume":
        volume = names.volumes.get(mount.get("source", "")) or _own_volume(draft, target)
        taken = draft.table.setdefault("volumes", {})
        if volume in taken:
            draft.why[f"volumes.{target}"] = f"{volume} is mounted at {taken[volume]} already, and has one place"
        else:
            taken[volume] = target
        return
    entry = {key: value for key, value in mount.items() if value not in ({}, None)}
    if kind == "bind":
        entry["source"] = from_compose_folder(mount["source"], folder)
    draft.raw.setdefault("volumes", []).append(entry)


def _own_volume(draft: ServiceDraft, target: str) -> str:
    draft.why[f"volumes.{target}"] = "it had no name, and was made anew with its container: now it is kept"
    taken = draft.table.get("volumes", {})
    return distinct([*taken, f"{draft.name}-{naming.slug(target)}"])[f"{draft.name}-{naming.slug(target)}"]


def _config(entry: Document, top: Document, draft: ServiceDraft, folder: Path) -> None:
    path = config_path(entry)
    if "file" in top:
        draft.raw.setdefault("volumes", []).append(bound(top["file"], path, folder))
    elif "content" in top:
        draft.table.setdefault("files", {})[path] = top["content"]
    elif "environment" in top:
        draft.why[f"volumes.{path}"] = f"its content comes from {top['environment']}: write it into a file"
    else:
        draft.why[f"volumes.{path}"] = "it is kept by Swarm: write its content into a file"


def _secret(entry: Document, top: Document, draft: ServiceDraft, names: Names, folder: Path) -> None:
    name, path = entry["source"], secret_path(entry)
    if name not in names.secrets:
        draft.why[f"secrets.{path}"] = "it is kept by Swarm: write its value into a file, or into .env"
    elif path != SECRETS + name and "file" in top:
        draft.raw.setdefault("volumes", []).append(bound(top["file"], path, folder))
        draft.why[f"secrets.{path}"] = "the same file, bound there read-only: the spec has secrets in /run/secrets"
    elif path != SECRETS + name:
        draft.why[f"secrets.{path}"] = f"the spec has it in {SECRETS}{name}, whatever a service asks for"


def _variable(name: str) -> str:
    return naming.slug(name).replace("-", "_").upper()


def _free(variable: str, taken: Mapping[str, Any]) -> str:
    number, free = 2, variable
    while free in taken:
        free = f"{variable}_{number}"
        number += 1
    return free
