"""Which key of the spec a field follows from: named by a table, or found by its value."""

from __future__ import annotations

import re
from collections.abc import Mapping

from envmgr import naming
from envmgr.model.plan import Place
from envmgr.model.secret import references
from envmgr.model.stack import Service, Stack
from envmgr.planning.inputs import Locate

_KEYS: Mapping[str, tuple[str, ...]] = {
    "image": ("image", "version", "build", "kind"),
    "kind": ("kind",),
    "cpus": ("cpus",),
    "memory": ("memory",),
    "memory_reserved": ("memory_reserved", "memory"),
    "pids": ("pids",),
    "gpus": ("gpus",),
    "replicas": ("replicas",),
    "start_seconds": ("start_seconds",),
    "stop_seconds": ("stop_seconds",),
    "ports": ("port", "ports"),
    "volumes": ("volumes", "version", "kind"),
    "secrets": ("secrets_as", "uses"),
    "definition": ("compose",),
}
Difference = tuple[str, str | None, str | None]
"""Field, old, new; None is absent, or not to be shown."""
_WORDS = re.compile(r"[\s,=:'\"]+")


def place_of(stack: Stack, service: Service, difference: Difference, locate: Locate) -> Place | None:
    """Return where a field's new value is written, or else the service's own table; None when it has no place."""
    field, old, new = difference
    known = service.places
    keys = (field, *_KEYS.get(field, ()), *_of_mount_or_network(stack, field))
    found = next((known[key] for key in keys if key in known), None)
    if found is None and field == "definition":
        found = _only_raw_key(known)
    if found is None and new is None and field.startswith(("secrets.", "variables.")):
        found = _declared(stack, service, field.partition(".")[2])
    found = found or _explained(known, field, old or "", new or "", locate) or known.get("")
    return locate(found).place if found is not None else None


def _of_mount_or_network(stack: Stack, field: str) -> tuple[str, ...]:
    """Return the keys that put a service on a network, or a file of the spec into it."""
    if field.startswith("files.files/"):
        return ("files",)
    if not field.startswith("networks."):
        return ()
    name = field.removeprefix("networks.")
    known = {network.name: network for network in stack.networks}
    if name in known and known[name].is_foreign:
        return ("joins",)
    return ("aliases", "egress") if name == naming.data_network(stack.project, stack.target) else ("egress",)


def _declared(stack: Stack, service: Service, name: str) -> str | None:
    """Find what declares a value of the operator's files, or the one that a secret is put together from."""
    contents = {**{mount.name: mount.content for mount in service.secrets}, **service.templated}
    names = (name, *(ref.name for ref in references(contents.get(name, ()))))
    declared = {need.name: need.place for need in stack.needed if need.place}
    return next((declared[one] for one in names if one in declared), None)


def _only_raw_key(places: Mapping[str, str]) -> str | None:
    raw = [place for key, place in places.items() if key.startswith("compose.")]
    return raw[0] if len(raw) == 1 else None


def _explained(places: Mapping[str, str], field: str, old: str, new: str, locate: Locate) -> str | None:
    """Find the key whose value stands among what is new: `4` of `workers` in `--workers 4`."""
    fresh = {word.casefold() for word in _WORDS.split(new)} - {word.casefold() for word in _WORDS.split(old)}
    best, found = 0, None
    for key, place in places.items():
        score = _score(key, locate(place).value, fresh, f"{field} {new}".casefold()) if key else 0
        if score > best:
            best, found = score, place
    return found


def _score(key: str, written: str, fresh: set[str], text: str) -> int:
    value = written.strip("\"'").casefold()
    is_named = key.rpartition(".")[2].casefold().replace("_", "-") in text.replace("_", "-")
    if not value or value not in fresh:
        return 0
    return 2 if is_named else 1
