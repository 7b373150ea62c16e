"""A Compose project becomes the data of a spec; what it cannot say gets a reason for the comparison that follows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from envmgr.errors import Problem
from envmgr.importing import limits, ports, storage, variables
from envmgr.importing.draft import Names, ServiceDraft, distinct, relative
from envmgr.importing.recognise import Known, server_table, split
from envmgr.importing.servers import connect, passwords, recognised
from envmgr.importing.source import Source
from envmgr.model.imported import Became
from envmgr.spec.places import undotted

Document = dict[str, Any]
Refuse = Callable[[Mapping[str, Any], str, Collection[str]], tuple[Problem, ...]]
"""(raw keys, kind, variables that others give) → what a spec may not say there; a path is that of the key."""
PLACEHOLDER = "choose-a-version"
"""Tag with which an image that names no version is compared."""
_HANDLED = frozenset(
    {
        *("image", "build", "command", "entrypoint", "user", "environment", "env_file", "ports", "volumes", "networks"),
        *("secrets", "configs", "depends_on", "healthcheck", "deploy", "scale", "profiles", "container_name", "links"),
        *("mem_limit", "mem_reservation", "cpus", "pids_limit", "stop_grace_period", "gpus", "develop", "pull_policy"),
        *("network_mode", "extends"),
    }
)
_DEPLOY = ("labels", "endpoint_mode", "placement", "update_config", "rollback_config", "restart_policy")


@dataclass
class Imported:
    """The spec's data, what became of each service, and reasons for what differs."""

    spec: Document
    services: list[Became]
    names: Names
    drafts: dict[str, ServiceDraft]
    settled: variables.Settled
    kinds: dict[str, Known] = field(default_factory=dict)
    untagged: dict[str, str] = field(default_factory=dict)
    """Service in the spec → its image, which names no version."""


def convert(
    source: Source, name: str, environment: str, kinds: Collection[str], refuse: Refuse, kept: Collection[str] = ()
) -> Imported:
    """Return the spec of a project; `kept` are services that no kind may take."""
    services = source.services
    absent = {service: reason for service, body in services.items() if (reason := _impossible(body))}
    servers, reasons = recognised(services, kinds, kept)
    secrets, secret_tables = storage.secret_variables(source.now, services)
    names = Names(
        services=distinct(services),
        volumes=distinct(source.now.get("volumes") or {}),
        secrets=secrets,
        servers=tuple(servers),
        jobs=_jobs(services),
        absent=tuple(absent),
    )
    drafts = {s: _drafted(source, s, names) for s in services if s not in servers and s not in absent}
    _link(drafts, services)
    given = {service: variables.given(source, service) for service in drafts}
    urls = connect(servers, drafts, given, services, names)
    mounted = {
        variable: storage.SECRETS + secret_tables[variable].get("mount", variable) for variable in secrets.values()
    }
    as_files = storage.file_secrets({s: services[s] for s in drafts})
    settled = variables.settle(given, mounted, as_files, passwords(names.services[one] for one in servers))
    for service, draft in drafts.items():
        _give(settled, service, draft, has_files=service in as_files)
        _refused(draft, refuse, (*settled.declared, *secret_tables))
        draft.decisions += _outside(draft)
    infra = {s: ServiceDraft(s, names.services[s], one.kind) for s, one in servers.items()}
    for service, draft in infra.items():
        draft.table = server_table(servers[service], services[service], draft) | urls.get(service, {})
    _add_secrets(settled, secret_tables, source, drafts, names)
    spec = _spec(name, environment, infra, drafts, settled)
    became = [
        _became(s, services[s], {**infra, **drafts}.get(s), names, source.folder, absent.get(s) or reasons.get(s, ""))
        for s in services
    ]
    untagged = {one.name: str(one.table["image"]) for one in drafts.values() if _is_untagged(one.table.get("image"))}
    return Imported(spec, became, names, {**infra, **drafts}, settled, servers, untagged)


def comparable(spec: Document, untagged: Collection[str]) -> Document:
    """Return the spec with a stand-in for each version that is not said, so that it can be rendered."""
    services = {
        name: table | {"image": f"{split(table['image'])[0]}:{PLACEHOLDER}"} if name in untagged else table
        for name, table in spec.get("services", {}).items()
    }
    return spec | ({"services": services} if services else {})


# ---- what becomes of a service


def _impossible(body: Document) -> str:
    """Say why a service has to be left out."""
    context = str((body.get("build") or {}).get("context", ""))
    if "provider" in body:
        return "it is made by a provider, not by Docker"
    if "://" in context or context.startswith("git@"):
        return "" if body.get("image") else "its build context is no folder: clone it, and build from there"
    return "" if body.get("image") or body.get("build") else "it has neither image nor build"


def _jobs(services: Mapping[str, Document]) -> frozenset[str]:
    awaited = (pair for body in services.values() for pair in (body.get("depends_on") or {}).items())
    return frozenset(name for name, how in awaited if how.get("condition") == "service_completed_successfully")


def _drafted(source: Source, service: str, names: Names) -> ServiceDraft:
    body = source.services[service]
    draft = ServiceDraft(service, names.services[service], "job" if service in names.jobs else "container")
    draft.table["kind"] = draft.kind
    draft.raw |= {key: value for key, value in body.items() if key not in _HANDLED and value not in (None, {}, [])}
    _program(body, draft, source.folder)
    limits.carry(body, draft)
    ports.carry(body, draft, limits.replicas(body))
    storage.carry(body, source.now, draft, names, source.folder)
    _networks(body, source.now, draft)
    _order(body, draft, names)
    deploy = {key: value for key, value in (body.get("deploy") or {}).items() if key in _DEPLOY and value}
    if deploy:
        draft.raw["deploy"] = {**deploy, **draft.raw.get("deploy", {})}
    return draft


def _link(drafts: Mapping[str, ServiceDraft], services: Mapping[str, Document]) -> None:
    """Make the name of a link one for the whole environment."""
    for service, draft in drafts.items():
        for link in services[service].get("links") or ():
            other, _, alias = str(link).partition(":")
            draft.why[f"links.{link}"] = (
                f"services reach each other by name: {alias or other} is one of {other}'s, for all"
            )
            linked = drafts.get(other)
            if linked is None:
                draft.why[f"links.{link}"] = f"services reach {other} by its name in the spec"
            elif alias and alias not in (linked.name, *linked.table.get("aliases", ())):
                linked.table.setdefault("aliases", []).append(alias)


def _program(body: Document, draft: ServiceDraft, folder: Path) -> None:
    build = body.get("build") or {}
    context = str(build.get("context", ""))
    if build and "://" not in context and not context.startswith("git@"):
        draft.build = _build(build, draft, folder)
        if "image" in body:
            draft.why["image"] = "envmgr names what it builds itself"
    else:
        draft.table["image"] = body["image"]
        if build:
            draft.why["build.context"] = "it is no folder: the image is pulled instead"
        if _is_untagged(body["image"]):
            draft.decisions.append(f"image {body['image']} names no version, so what runs would change: write its tag")
    if body.get("command"):
        draft.table["command"] = [str(word) for word in body["command"]]
    if body.get("entrypoint") is not None:
        draft.raw["entrypoint"] = body["entrypoint"]
    _user(str(body.get("user", "")), draft)


def _build(build: Document, draft: ServiceDraft, folder: Path) -> Document:
    inside = relative(build["context"], folder)
    if inside is None:
        draft.decisions.append(f"it is built from {build['context']}, outside this folder: the spec holds that path")
    table: Document = {"context": inside or build["context"]}
    if build.get("dockerfile", "Dockerfile") != "Dockerfile":
        table["dockerfile"] = build["dockerfile"]
    if build.get("target"):
        table["target"] = build["target"]
    if arguments := {key: str(value) for key, value in (build.get("args") or {}).items() if value is not None}:
        table["args"] = arguments
    return table


def _user(text: str, draft: ServiceDraft) -> None:
    uid, _, gid = text.partition(":")
    if uid.isdigit() and int(uid) and (gid or uid).isdigit() and int(gid or uid):
        draft.table["user"] = f"{uid}:{gid or uid}"
    elif text:
        draft.why["user"] = "root is refused" if uid in ("0", "root") else "only numbers tell whom files belong to"


def _networks(body: Document, top: Document, draft: ServiceDraft) -> None:
    networks, declared = body.get("networks") or {}, top.get("networks") or {}
    joined = {key: declared.get(key) or {} for key in networks}
    outside = [str(one.get("name", key)) for key, one in joined.items() if one.get("external")]
    if outside:
        draft.table["joins"] = outside
    is_elsewhere = str(body.get("network_mode", "none")) != "none"
    if is_elsewhere or any(not one.get("internal") and not one.get("external") for one in joined.values()):
        draft.table["egress"] = True
    aliases = [alias for key in networks for alias in ((networks[key] or {}).get("aliases") or ())]
    aliases += [draft.service] if draft.service != draft.name else []
    aliases += [body["container_name"]] if "container_name" in body else []
    wanted = [alias for alias in dict.fromkeys(aliases) if alias != draft.name]
    if wanted:
        draft.table["aliases"] = wanted
    if "container_name" in body:
        draft.why["container_name"] = (
            "envmgr names containers itself, so that environments do not clash; it stays an alias"
        )


def _order(body: Document, draft: ServiceDraft, names: Names) -> None:
    for other, how in (body.get("depends_on") or {}).items():
        key = "uses" if other in names.servers else "after"
        if other in names.absent:
            draft.why[f"depends_on.{other}"] = f"{other} is left out"
            continue
        draft.table.setdefault(key, []).append(names.services.get(other, other))
        if how.get("condition") == "service_started":
            draft.why[f"depends_on.{other}"] = "envmgr waits until it is proven ready"


# ---- putting it together


def _give(settled: variables.Settled, service: str, draft: ServiceDraft, *, has_files: bool) -> None:
    if service in settled.literal:
        draft.table["variables"] = settled.literal[service]
    if service in settled.raw:
        draft.raw["environment"] = settled.raw[service]
    if draft.table.get("uses") and has_files:
        servers = ", ".join(draft.table["uses"])
        draft.decisions.append(
            f"what {servers} gives it comes as files: NAME_FILE says where, as for its other secrets"
        )
    elif draft.table.get("uses") or service in settled.as_variables:
        draft.table["secrets_as"] = "variables"
    draft.decisions += [f"{name} {text}" for (owner, name), text in settled.notes.items() if owner == service]
    for (owner, name), reason in settled.why.items():
        if owner == service:
            draft.why[f"environment.{name}"] = reason


def _refused(draft: ServiceDraft, refuse: Refuse, given: Collection[str]) -> None:
    """Take out of the raw keys what a spec may not say, one after the other, and keep the reasons."""
    for _ in range(100):
        problems = refuse(draft.raw, draft.kind, given)
        if not problems:
            return
        keys = undotted(problems[0].path)
        reason = f"{problems[0].message}; {problems[0].hint}" if problems[0].hint else problems[0].message
        draft.why[_reason_key(draft.raw, keys)] = reason
        draft.raw = _without(draft.raw, keys)


def _outside(draft: ServiceDraft) -> list[str]:
    mounts = [one["source"] for one in draft.raw.get("volumes") or () if one["type"] == "bind"]
    absolute = [source for source in mounts if source.startswith("/")]
    return [f"{source} lies outside this folder: the spec holds it as an absolute path" for source in absolute]


def _reason_key(raw: Any, keys: tuple[str | int, ...]) -> str:
    """Name a key as the comparison does: a mount by its target."""
    if keys[0] == "volumes" and len(keys) > 1 and isinstance(keys[1], int):
        return f"volumes.{raw['volumes'][keys[1]].get('target', '')}"
    return ".".join(str(key) for key in keys)


def _without(value: Any, keys: tuple[str | int, ...]) -> Any:
    head, *rest = keys
    if isinstance(value, list) and isinstance(head, int):
        inner = [] if not rest else [_without(value[head], tuple(rest))]
        return [*value[:head], *inner, *value[head + 1 :]]
    if not rest or not isinstance(value[head], (dict, list)):
        return {key: item for key, item in value.items() if key != head}
    return {**value, head: _without(value[head], tuple(rest))}


def _add_secrets(
    settled: variables.Settled,
    tables: Mapping[str, Document],
    source: Source,
    drafts: Mapping[str, ServiceDraft],
    names: Names,
) -> None:
    top = source.now.get("secrets") or {}
    for secret, variable in names.secrets.items():
        users = [
            draft.name
            for service, draft in drafts.items()
            for entry in source.services[service].get("secrets") or ()
            if entry["source"] == secret and storage.secret_path(entry) == storage.SECRETS + secret
        ]
        if not users:
            continue
        table = dict(tables[variable])
        if "file" in top[secret]:
            table["file"] = relative(top[secret]["file"], source.folder) or top[secret]["file"]
        settled.declared[variable] = table | {"services": sorted(set(users))}


def _spec(
    name: str,
    environment: str,
    infra: Mapping[str, ServiceDraft],
    drafts: Mapping[str, ServiceDraft],
    settled: variables.Settled,
) -> Document:
    builds = _builds(drafts)
    declared = {
        variable: {**table, "services": sorted(drafts[s].name if s in drafts else s for s in table["services"])}
        for variable, table in sorted(settled.declared.items())
    }
    published = {draft.name: draft.port for draft in drafts.values() if draft.port is not None}
    parts: Document = {
        "project": {"name": name},
        "infra": {draft.name: draft.table for draft in infra.values()},
        "builds": builds,
        "variables": declared,
        "services": {draft.name: draft.table | _compose(draft) for draft in drafts.values()},
        "environments": {environment: {"debug": True} | ({"ports": published} if published else {})},
    }
    return {key: value for key, value in parts.items() if value}


def _builds(drafts: Mapping[str, ServiceDraft]) -> Document:
    """Return `[builds]`; services that are built alike share one."""
    found: Document = {}
    for draft in drafts.values():
        if draft.build is not None:
            alike = next((key for key, table in found.items() if table == draft.build), draft.name)
            found[alike] = draft.build
            draft.table = {"kind": draft.kind, "build": alike, **draft.table}
    return found


def _compose(draft: ServiceDraft) -> Document:
    raw = {key: value for key, value in draft.raw.items() if value not in (None, {}, [])}
    return {"compose": raw} if raw else {}


def _became(
    service: str, body: Document, draft: ServiceDraft | None, names: Names, folder: Path, reason: str
) -> Became:
    context = str((body.get("build") or {}).get("context", ""))
    runs = str(body.get("image") or relative(context, folder) or context)
    if draft is None:
        return Became(service, "", "", runs, reason)
    section = "infra" if service in names.servers else "services"
    return Became(service, draft.kind, f"{section}.{draft.name}", runs, reason)


def _is_untagged(image: object) -> bool:
    text = str(image or "")
    return bool(text) and "@sha256:" not in text and split(text)[1] in ("", "latest")
