"""Which servers an environment shares with others, and what each says about crossing inside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from envmgr import naming
from envmgr.catalog.kind import Client, Provable, Server, Sweeping
from envmgr.catalog.registry import INFRA
from envmgr.model.proof import Trial
from envmgr.model.stack import Command
from envmgr.resolve.site import Drafted, drafted
from envmgr.spec.schema import Spec


def trials(spec: Spec) -> dict[str, tuple[Trial, ...]]:
    """Return what each environment has to try in the servers of the base in which it owns something."""
    environments = [drafted(spec, environment) for environment in spec.environments.values()]
    return {one.spec.name: _trials(one, environments) for one in environments}


def _trials(one: Drafted, environments: Iterable[Drafted]) -> tuple[Trial, ...]:
    others = [other for other in environments if other is not one]
    found = (_trial(name, one, others) for name in one.bindings if _is_shared(one, name))
    return (*found, *(_managed(name, one) for name, server in one.servers.items() if _is_managed(one, name, server)))


def _is_managed(one: Drafted, name: str, server: Server) -> bool:
    return name in one.bindings and server.address is not None


def _managed(name: str, one: Drafted) -> Trial:
    why = "a managed server: who runs it answers for what is between its users"
    return Trial(one.spec.name, name, f"{one.servers[name].kind} {name}", why_not=why)


def _is_shared(one: Drafted, name: str) -> bool:
    return name in one.bindings and one.servers[name].target == naming.INFRA and bool(one.bindings[name].grants)


def _trial(name: str, one: Drafted, others: Iterable[Drafted]) -> Trial:
    server = one.servers[name]
    kind = INFRA[server.kind]
    beside = tuple(_client(other) for other in others if _is_shared(other, name))
    if isinstance(kind, Provable):
        return kind.attempts(server, _client(one), beside)
    why = f"the kind {server.kind} does not say how another's part would be reached"
    return Trial(one.spec.name, name, f"{server.kind} {name}", why_not=why)


def _client(one: Drafted) -> Client:
    return Client(one.spec.name, one.spec.prefix)


def sweeps(servers: Mapping[str, Server], prefixes: Iterable[str]) -> tuple[Command, ...]:
    """Return what shuts environments out of the base's servers that the spec no longer has."""
    known = tuple(prefixes)
    kinds = ((server, INFRA[server.kind]) for server in servers.values() if server.address is None)
    return tuple(kind.sweep(server, known) for server, kind in kinds if isinstance(kind, Sweeping))
