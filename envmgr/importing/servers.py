"""Services of a Compose project that become servers of the base, and the services that use them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from envmgr import naming
from envmgr.importing import variables
from envmgr.importing.draft import Names, ServiceDraft
from envmgr.importing.recognise import Known, known, mentions, named_url, obstacle

Document = dict[str, Any]


def recognised(
    services: Mapping[str, Document], kinds: Collection[str], kept: Collection[str]
) -> tuple[dict[str, Known], dict[str, str]]:
    """Return the services that become servers, and why others that look like one do not; `kept` must not."""
    servers: dict[str, Known] = {}
    reasons: dict[str, str] = {}
    for service, body in services.items():
        one = known(body, kinds) if not body.get("build") else None
        if one is None:
            continue
        reason = (
            ("as asked" if service in kept else "")
            or obstacle(one, body)
            or (f"{one.kind} is here twice" if one in servers.values() else "")
        )
        if reason:
            reasons[service] = reason
        else:
            servers[service] = one
    return servers, reasons


def connect(
    servers: Mapping[str, Known],
    drafts: Mapping[str, ServiceDraft],
    given: dict[str, dict[str, variables.Given]],
    services: Mapping[str, Document],
    names: Names,
) -> dict[str, Document]:
    """Let services use the servers that they name; return what the servers' tables need for it."""
    hosts = {host: service for service in servers for host in _hosts(service, services[service], names)}
    kinds = {host: servers[service] for host, service in hosts.items()}
    found: dict[str, str] = {}
    for service, draft in drafts.items():
        for name, one in list(given[service].items()):
            server = hosts.get(named_url(one.value or "", kinds), "")
            if server and naming.VARIABLE.fullmatch(name) and found.setdefault(server, name) == name:
                del given[service][name]
                draft.why[f"environment.{name}"] = f"envmgr gives it the URL of {server}, with a login of its own"
                _use(draft, names.services[server])
        _mentioned(draft, given[service], hosts, servers, names)
    for service, draft in drafts.items():
        _given_already(draft, given[service], servers, found, names)
    return {s: {"url_variable": name} for s, name in found.items() if servers[s].url and servers[s].url != name}


def _mentioned(
    draft: ServiceDraft,
    given: Mapping[str, variables.Given],
    hosts: Mapping[str, str],
    servers: Mapping[str, Known],
    names: Names,
) -> None:
    for host, service in hosts.items():
        naming_it = [name for name, one in given.items() if one.value and mentions(one.value, host)]
        if naming_it:
            _use(draft, names.services[service])
            gives = (
                f"{servers[service].gives} in {servers[service].url}"
                if servers[service].url
                else servers[service].gives
            )
            draft.decisions.append(
                f"{', '.join(naming_it)} names {service}, whose logins are envmgr's now: it gives {gives}; "
                f"--container {service} would import it as it is"
            )


def _given_already(
    draft: ServiceDraft,
    given: dict[str, variables.Given],
    servers: Mapping[str, Known],
    urls: Mapping[str, str],
    names: Names,
) -> None:
    """Leave out what a server that it uses gives a service under the same name."""
    for server, one in servers.items():
        if names.services[server] not in draft.table.get("uses", ()):
            continue
        for name in {urls.get(server, one.url), *one.hands_over} & given.keys():
            if not given[name].is_literal:
                del given[name]
                draft.why[f"environment.{name}"] = f"envmgr gives it that of {server}, with a login of its own"


def passwords(servers: Iterable[str]) -> frozenset[str]:
    """Return the names under which envmgr keeps the passwords of servers, given their names in the spec."""
    stems = [naming.sql_name(name).upper() for name in servers]
    return frozenset(f"{stem}{end}" for stem in stems for end in ("_PASSWORD", "_ADMIN_PASSWORD"))


def _hosts(service: str, body: Document, names: Names) -> set[str]:
    found = {service, names.services[service], *([body["container_name"]] if "container_name" in body else ())}
    return found | {
        alias for one in (body.get("networks") or {}).values() for alias in ((one or {}).get("aliases") or ())
    }


def _use(draft: ServiceDraft, server: str) -> None:
    uses = draft.table.setdefault("uses", [])
    if server not in uses:
        uses.append(server)
