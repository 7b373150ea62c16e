"""The Compose project and the rendered spec side by side: every difference, with its reason; none is left out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from envmgr import naming
from envmgr.importing.convert import PLACEHOLDER, Imported
from envmgr.importing.facts import Facts, Reading, differing, facts, text
from envmgr.importing.limits import memory_text
from envmgr.importing.reasons import reason, top_reason
from envmgr.importing.references import names
from envmgr.importing.source import UNSET, Source
from envmgr.importing.variables import looks_secret
from envmgr.model.imported import Difference, Fate
from envmgr.model.needed import Origin
from envmgr.model.secret import references
from envmgr.model.stack import Service, Stack

Document = Mapping[str, Any]
Locate = Callable[[str, str], str]
"""(service, key) → file:line of the Compose file."""
HIDDEN = "********"
_MISSING = "(must be set)"
_LOGIN = re.compile(r"://[^/\s@]*:[^/\s@]*@")
_OF_KINDS = ("command", "environment.", "volumes.", "healthcheck.", "image", "user", "secrets.", "limits.", "ports.")
"""What a kind of the catalog decides by itself."""
_UNLIKE_SILENCE = ("reaches.", "restart")
"""Keys whose absence says something too."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """One rendered stack as Compose reads it."""

    stack: Stack
    document: Document
    """Resolved; a dollar is a dollar."""
    values: Mapping[str, str]
    """Of declared variables, today."""
    files: Mapping[str, str]
    """Path below `compose/` → content."""


def compare(
    source: Source, imported: Imported, rendered: tuple[Rendered, ...], locate: Locate
) -> tuple[Difference, ...]:
    """Return every difference, service by service."""
    before = {name: _original(source, name, imported) for name in source.services}
    after = _readings(source, imported, rendered)
    found: list[Difference] = []
    for service in source.services:
        draft = imported.drafts.get(service)
        if draft is None:
            found.append(_left_out(service, imported, locate))
            continue
        own = facts(after[service])
        kind = imported.kinds[service].kind if service in imported.kinds else ""
        for key, old, new in differing(facts(before[service]), own):
            why = draft.why.get(key) or _nearest(draft.why, key) or _general(kind, key, new)
            found.append(_difference(service, key, old, new, why, locate))
    found += (*_fixed(source, imported, locate), *_top(source, imported, rendered, locate))
    return tuple(_without_folder(one, f"{source.folder}/") for one in found)


def _without_folder(one: Difference, folder: str) -> Difference:
    """Name paths inside the project as they are reached from its folder."""
    return replace(one, before=one.before.replace(folder, "./"), after=one.after.replace(folder, "./"))


def _general(kind: str, key: str, new: Any) -> str:
    if key.startswith("environment.") and new is None and not kind:
        return "nothing sets it"
    return f"kind {kind} has its own" if kind and key.startswith(_OF_KINDS) else reason(key)


def _fixed(source: Source, imported: Imported, locate: Locate) -> Iterator[Difference]:
    """Name what was read from variables, and stands in the spec now as it is today."""
    for service in source.services:
        for key, value in source.as_written(service).items() if service in imported.drafts else ():
            if key not in ("environment", "env_file"):
                for text_of in _texts(value):
                    if names(text_of):
                        why = "the spec refers to no variables: as it is today, it stands there"
                        yield Difference(Fate.CHANGED, service, key, text_of, "fixed", why, locate(service, key))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, Mapping)):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(inner)


def _left_out(service: str, imported: Imported, locate: Locate) -> Difference:
    became = next(one for one in imported.services if one.service == service)
    return Difference(Fate.LOST, service, "service", became.runs, "", became.why, locate(service, ""))


def _nearest(why: Mapping[str, str], key: str) -> str:
    """Return the reason that a key's parent has."""
    if key.startswith("depends_on."):
        return ""  # that it waits longer is no reason for its other words
    parents = (key[:at] for at in range(len(key) - 1, 0, -1) if key[at] == ".")
    return next((why[parent] for parent in parents if parent in why), "")


def _difference(service: str, key: str, old: Any, new: Any, why: str, locate: Locate) -> Difference:
    if new is None:
        fate = Fate.LOST
    elif old is None and not key.startswith(_UNLIKE_SILENCE):
        fate = Fate.ADDED
    else:
        fate = Fate.CHANGED
    place = locate(service, key) if old is not None else ""
    return Difference(fate, service, key, _shown(key, old), _shown(key, new), why, place)


def _shown(key: str, value: Any) -> str:
    """Write a value; what may be a secret stays hidden."""
    shown = memory_text(value) if key.startswith("limits.memory") and value is not None else text(value)
    is_hidden = key.startswith(("environment.", "build.args.")) and looks_secret(key) and not shown.startswith("/")
    return HIDDEN if is_hidden and shown else _LOGIN.sub(f"://{HIDDEN}@", shown)


# ---- the project as it was


def _original(source: Source, service: str, imported: Imported) -> Reading:
    body, top = source.services[service], source.now
    networks = body.get("networks") or {}
    declared = {key: (top.get("networks") or {}).get(key) or {} for key in networks}
    mode = str(body.get("network_mode", ""))
    return Reading(
        body=body,
        image=str(body.get("image", "")),
        build=body.get("build") or {},
        variables={name: _known(_word(value)) for name, value in (body.get("environment") or {}).items()},
        secrets={name: _origin(one) for name, one in (top.get("secrets") or {}).items()},
        configs=top.get("configs") or {},
        reaches=frozenset(
            other
            for other, one in source.services.items()
            if other != service and other in imported.drafts and set(networks) & set(one.get("networks") or {})
        ),
        aliases=frozenset(a for key in networks for a in ((networks[key] or {}).get("aliases") or ()) if a != service),
        joins=frozenset(str(one.get("name", key)) for key, one in declared.items() if one.get("external")),
        egress=mode not in ("", "none")
        or any(not n.get("internal") and not n.get("external") for n in declared.values()),
        depends_on=body.get("depends_on") or {},
    )


def _known(value: str | None) -> str | None:
    return _MISSING if value is not None and UNSET in value else value


def _origin(secret: Document) -> str:
    if "file" in secret:
        return f"file {secret['file']}"
    return f"variable {secret['environment']}" if "environment" in secret else "Swarm"


def _word(value: Any) -> str | None:
    if value is None:
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)


# ---- the project as it is rendered


def _readings(source: Source, imported: Imported, rendered: tuple[Rendered, ...]) -> dict[str, Reading]:
    originals = {draft.name: service for service, draft in imported.drafts.items()}
    every = {originals[service.name] for one in rendered for service in one.stack.services if service.name in originals}
    found: dict[str, Reading] = {}
    for one in rendered:
        for service in one.stack.services:
            if service.name in originals:
                name = originals[service.name]
                found[name] = _reading(source, imported, one, service, originals, frozenset(every - {name}))
    return found


def _reading(
    source: Source,
    imported: Imported,
    one: Rendered,
    service: Service,
    originals: Mapping[str, str],
    reaches: frozenset[str],
) -> Reading:
    body = one.document["services"][service.name]
    networks = body.get("networks") or {}
    top = one.document.get("networks") or {}
    aliases = {alias for endpoint in networks.values() for alias in ((endpoint or {}).get("aliases") or ())}
    needs = body.get("depends_on") or {}
    uses = {originals[name]: {"condition": "service_healthy"} for name in service.uses if name in originals}
    return Reading(
        body={**body, "networks": {}},
        image="" if service.image.build else _image(imported, service),
        build=_build(source.folder, service),
        variables=_variables(one, service, body),
        secrets=_secrets(source.folder, one.stack, service),
        files={config.target: one.files[config.path] for config in service.configs},
        volumes={key: old for old, key in imported.names.volumes.items()},
        reaches=reaches,
        aliases=frozenset(aliases - {originals[service.name]}),
        joins=frozenset(str(top[key]["name"]) for key in networks if key.startswith(naming.joined(""))),
        egress="egress" in networks,
        depends_on={originals.get(name, name): how for name, how in needs.items()} | uses,
    )


def _image(imported: Imported, service: Service) -> str:
    reference = service.image.reference
    return imported.untagged.get(service.name, reference) if reference.endswith(f":{PLACEHOLDER}") else reference


def _build(folder: Path, service: Service) -> Document:
    build = service.image.build
    if build is None:
        return {}
    return {
        "context": str((folder / build.context).resolve()) if build.context != "." else str(folder),
        "dockerfile": build.dockerfile,
        "target": build.target,
        "args": dict(build.args),
    }


def _variables(one: Rendered, service: Service, body: Document) -> dict[str, str | None]:
    found: dict[str, str | None] = {name: _word(value) for name, value in (body.get("environment") or {}).items()}
    required = {need.name for need in one.stack.needed if need.is_required and need.origin is Origin.OPERATOR}
    known = {name: one.values.get(name, _MISSING if name in required else None) for name in service.supplied}
    for name, template in service.templated.items():
        is_plain = [ref.name for ref in references(template)] == [name]
        # An optional secret that nobody has set is empty, as an unset variable is for Compose.
        known[name] = one.values.get(name, _MISSING if name in required else "") if is_plain else "envmgr's own"
    return {**{name: value for name, value in known.items() if value is not None}, **found}


def _secrets(folder: Path, stack: Stack, service: Service) -> dict[str, str]:
    needed = {need.name: need for need in stack.needed}
    found: dict[str, str] = {}
    for mount in service.secrets:
        need = needed.get(mount.name)
        origin = f"variable {mount.name}" if need is None or not need.file else f"file {folder / need.file}"
        found[f"{service.name}_{mount.name}"] = origin
    return found


# ---- the sections beside the services


def _top(source: Source, imported: Imported, rendered: tuple[Rendered, ...], locate: Locate) -> Iterator[Difference]:
    for key, old, new in differing(_top_facts(source.now), _rendered_top(source, imported, rendered)):
        if old is not None:
            fate = Fate.LOST if new is None else Fate.CHANGED
            yield Difference(fate, "", key, _shown(key, old), _shown(key, new), top_reason(key), locate("", key))


def _top_facts(document: Document) -> Facts:
    found: Facts = {"name": document.get("name")}
    for section in ("volumes", "networks"):
        for name, one in (document.get(section) or {}).items():
            for key, value in _options(one or {}):
                if section == "volumes" or not (one or {}).get("external"):
                    found[f"{section}.{name}.{key}"] = value
    known = ("name", "services", "volumes", "networks", "secrets", "configs")
    return found | {key: "set" for key in document if key not in known}


def _options(one: Document) -> Iterator[tuple[str, Any]]:
    for key, value in one.items():
        if isinstance(value, Mapping):
            yield from ((f"{key}.{inner}", text(item)) for inner, item in value.items() if item)
        elif value not in (None, False, []):
            yield key, value


def _rendered_top(source: Source, imported: Imported, rendered: tuple[Rendered, ...]) -> Facts:
    """Return what the environment's own document says of the same volumes, and of the one network for all."""
    found: Facts = {}
    keys = {key: old for old, key in imported.names.volumes.items()}
    for one in rendered:
        if one.stack.is_base:
            continue
        found["name"] = one.document.get("name")
        data = naming.data_network(one.stack.project, one.stack.target)
        networks = source.now.get("networks") or {}
        found |= {
            f"networks.{key}.name": data for key, network in networks.items() if not (network or {}).get("external")
        }
        for key, volume in (one.document.get("volumes") or {}).items():
            if key in keys:
                found[f"volumes.{keys[key]}.name"] = volume["name"]
    return found
