"""References and clashes inside one file; looks only at what is valid by itself, so that all problems come at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from ipaddress import IPv4Network

from envmgr.naming import INFRA
from envmgr.spec.cycles import cycles
from envmgr.spec.draft import Draft, Drafted, EnvironmentDraft
from envmgr.spec.places import Finding, Keys, dotted
from envmgr.spec.schema import CommonTable, InfraTable, Mode, ServiceTable, VariableTable
from envmgr.spec.suggest import did_you_mean
from envmgr.spec.values import memory_bytes

RESERVED = {"ENVIRONMENT", "ENV_PREFIX", "DEBUG", "LOG_LEVEL", "WEB_CONCURRENCY"}
_RESERVED_PREFIX = "ENVMGR_"
_NO_ENVIRONMENTS = {INFRA: "the shared base", "all": "every environment together"}

Service = Drafted[ServiceTable]


def check(draft: Draft) -> list[Finding]:
    """Return everything that does not fit together."""
    return [finding for rule in _RULES for finding in rule(draft)]


def _uses(draft: Draft) -> Iterator[Finding]:
    for service in _services(draft):
        for index, name in enumerate(service.table.uses):
            if name in draft.infra:
                continue
            place = service.place("uses", index)
            if name in draft.services:
                yield Finding(place, f'"{name}" is a service of the application, not of [infra]', 'write it in "after"')
            else:
                yield Finding(place, f'"{name}" is no service of [infra]', did_you_mean(name, draft.infra))


def _infra_uses(draft: Draft) -> Iterator[Finding]:
    for infra in draft.infra.values():
        for index, name in enumerate(infra.table.uses):
            if name == infra.name:
                yield Finding(infra.place("uses", index), "a service cannot use itself")
            elif name not in draft.infra:
                hint = did_you_mean(name, draft.infra)
                yield Finding(infra.place("uses", index), f'"{name}" is no service of [infra]', hint)
    yield from _base_uses(draft)
    graph = {
        name: [other for other in infra.table.uses if other in draft.infra and other != name]
        for name, infra in draft.infra.items()
    }
    for circle in cycles(graph):
        arrows = " → ".join((*circle, circle[0]))
        yield Finding(draft.infra[circle[0]].place("uses"), f"these use each other: {arrows}")


def _base_uses(draft: Draft) -> Iterator[Finding]:
    """Find servers of the base that use one which every environment has elsewhere."""
    base = draft.base
    for infra in base.values():
        for index, name in enumerate(infra.table.uses):
            if name in draft.infra and name not in base:
                message = f"no environment shares {name}, so the base has none for {infra.name} to use"
                yield Finding(
                    infra.place("uses", index), message, f'leave mode of {name} at "shared" in one environment'
                )


def _modes(draft: Draft) -> Iterator[Finding]:
    """Check what an environment says about a server that is not the base's."""
    for environment in draft.environments:
        for name in environment.table.infra:
            if name not in draft.infra:
                place = environment.place("infra", name)
                yield Finding(place, f'"{name}" is no service of [infra]', did_you_mean(name, draft.infra))
        for server in environment.infra.values():
            yield from _mode(server, environment)
            if server.table.mode is Mode.SHARED and draft.infra[server.name].table.mode is not Mode.SHARED:
                message = f"[infra.{server.name}] is not the base's, so there is none to share"
                hint = f"leave mode out in [infra.{server.name}], and set it in the environments that have their own"
                yield Finding(server.place("mode"), message, hint)
    for infra in draft.infra.values():
        yield from _published_by_nobody(infra)


def _published_by_nobody(infra: Drafted[InfraTable]) -> Iterator[Finding]:
    """Find ports of a server that each environment has for itself: they would all meet on the host."""
    if infra.table.mode is Mode.SHARED:
        return
    for key in ("port", "ports"):
        if key in infra.table.model_fields_set:
            hint = f"set it in [environments.NAME.infra.{infra.name}]"
            yield Finding(infra.place(key), f"the base publishes no {infra.name}: it is {infra.table.mode}", hint)


def _mode(server: Drafted[InfraTable], environment: EnvironmentDraft) -> Iterator[Finding]:
    table = server.table
    if table.mode is Mode.EXTERNAL and "url" not in server.layers.merged():
        yield Finding(server.place("mode"), "an external server needs its address", 'set url = "…" beside it')
    if table.mode is Mode.EXTERNAL:
        for key in table.model_fields_set & {"port", "ports"}:
            yield Finding(server.place(key), "an external server is not started, so nothing of it is published")
    else:
        for key in ("url", "provision"):
            if key in table.model_fields_set:
                yield Finding(server.place(key), f'"{key}" is for a server with mode = "external"')
    if table.mode is Mode.SHARED:
        written = environment.table.infra.get(server.name, {})
        for key in written:
            if key != "mode":
                message = f"{environment.name} uses the base's {server.name}, which this would not change"
                hint = f'set it in [infra.{server.name}], or mode = "own" here'
                yield Finding(server.place(key), message, hint)


def _after(draft: Draft) -> Iterator[Finding]:
    for service in _services(draft):
        for index, name in enumerate(service.table.after):
            place = service.place("after", index)
            if name == service.name:
                yield Finding(place, "a service cannot come after itself")
            elif name in draft.infra and name not in draft.services:
                yield Finding(place, f'"{name}" is a service of [infra], not of the application', 'write it in "uses"')
            elif name not in draft.services:
                yield Finding(place, f'"{name}" is no service of [services]', did_you_mean(name, draft.services))


def _circles(draft: Draft) -> Iterator[Finding]:
    for services in draft.applications:
        graph = {
            name: [other for other in service.table.after if other in services and other != name]
            for name, service in services.items()
        }
        for circle in cycles(graph):
            arrows = " → ".join((*circle, circle[0]))
            yield Finding(services[circle[0]].place("after"), f"these wait for each other: {arrows}")


def _builds(draft: Draft) -> Iterator[Finding]:
    for service in _services(draft):
        build = service.table.build
        if build is not None and build not in draft.builds:
            hint = did_you_mean(build, draft.builds)
            yield Finding(service.place("build"), f'"{build}" is no table of [builds]', hint)
        if build is not None and service.table.image is not None:
            other = dotted(service.place("build"))
            yield Finding(service.place("image"), f'either "image" or "build", not both: {other} is set too')


def _named_services(draft: Draft) -> Iterator[Finding]:
    for environment in draft.environments:
        for key, names in (("ports", environment.table.ports), ("services", environment.table.services)):
            for name in names:
                if name not in draft.services:
                    yield _no_service(environment.place(key, name), name, draft)


def _variable_services(draft: Draft) -> Iterator[Finding]:
    for variable, table in draft.variables.items():
        for index, name in enumerate(table.services or ()):
            if name not in draft.services:
                yield _no_service(("variables", variable, "services", index), name, draft)


def _no_service(place: Keys, name: str, draft: Draft) -> Finding:
    if name in draft.infra:
        return Finding(place, f'"{name}" is a service of [infra], not of the application', f"set it in [infra.{name}]")
    return Finding(place, f'"{name}" is no service of [services]', did_you_mean(name, draft.services))


def _origins(draft: Draft) -> Iterator[Finding]:
    """Check where the values of declared variables come from."""
    for name, table in draft.variables.items():
        place: Keys = ("variables", name)
        if table.generate and not table.secret:
            yield Finding((*place, "generate"), "only a secret can be generated", "add secret = true")
        for key in ("file", "mount"):
            if getattr(table, key) is not None and not table.secret:
                yield Finding((*place, key), f'"{key}" is for a secret', "add secret = true")
        if table.file is not None and table.generate:
            yield Finding((*place, "generate"), "its value is that of the file", "leave out one of both")
        if table.previous is not None:
            yield from _previous(draft, name, table)
        if table.default is not None and table.secret:
            message = "a secret has no default: secrets do not belong in this file"
            yield Finding((*place, "default"), message, f"write {name} in .env.ENVIRONMENT")
        elif table.default is not None and table.generate:
            yield Finding((*place, "default"), "a generated variable has no default")


def _previous(draft: Draft, name: str, table: VariableTable) -> Iterator[Finding]:
    """Check the second name of a value that is rotated with an overlap."""
    place: Keys = ("variables", name, "previous")
    if not table.generate:
        yield Finding(place, "only a generated secret is rotated", "add generate = true, or leave it out")
    if table.previous in draft.variables:
        yield Finding(place, f"{table.previous} is declared already", "choose another name, or leave the other out")
    if any(other != name and one.previous == table.previous for other, one in draft.variables.items()):
        yield Finding(place, f"{table.previous} is the previous value of another variable too")


def _set_twice(draft: Draft) -> Iterator[Finding]:
    for name, place in _literal_variables(draft):
        if name in draft.variables:
            message = f"[variables.{name}] declares that its value comes from the .env files: keep one of both"
            yield Finding(place, message)


def _reserved(draft: Draft) -> Iterator[Finding]:
    declared = [(name, ("variables", name)) for name in draft.variables]
    for name, place in (*declared, *_literal_variables(draft)):
        if name in RESERVED or name.startswith(_RESERVED_PREFIX):
            yield Finding(place, f"{name} is set by envmgr itself: choose another name")
        elif _is_secret_file(name, draft.variables):
            secret = name.removesuffix("_FILE")
            yield Finding(place, f"{name} is set by envmgr itself, because {secret} is a secret: choose another name")


def _is_secret_file(name: str, variables: Mapping[str, VariableTable]) -> bool:
    secret = variables.get(name.removesuffix("_FILE"))
    return name.endswith("_FILE") and secret is not None and secret.secret


def _names(draft: Draft) -> Iterator[Finding]:
    for environment in draft.environments:
        place: Keys = ("environments", environment.name)
        if environment.name in _NO_ENVIRONMENTS:
            meaning = _NO_ENVIRONMENTS[environment.name]
            yield Finding(place, f'"{environment.name}" names {meaning}: choose another name')
        elif environment.name in draft.infra:
            yield Finding(place, f"[infra.{environment.name}] has this name already")
    for name in draft.services:
        if name in draft.infra:
            message = f"[infra.{name}] has this name already: the application reaches both by name"
            yield Finding(("services", name), message)


def _prefixes(draft: Draft) -> Iterator[Finding]:
    owners: dict[str, EnvironmentDraft] = {}
    for environment in draft.environments:
        prefix = environment.prefix
        owner = owners.setdefault(prefix, environment)
        if owner is not environment:
            place = _prefix_place(environment)
            message = f'the prefix "{prefix}" is taken: {_both(place, _prefix_place(owner), environment, owner)}'
            yield Finding(place, message, f'write another one, such as prefix = "{_other_prefix(environment)}"')


def _other_prefix(environment: EnvironmentDraft) -> str:
    name = environment.name.replace("-", "")
    return f"{name}2_" if environment.prefix == f"{name}_" else f"{name}_"


def _prefix_place(environment: EnvironmentDraft) -> Keys:
    is_written = environment.table.prefix is not None
    return environment.place("prefix") if is_written else ("environments", environment.name)


def _ports(draft: Draft) -> Iterator[Finding]:
    owners: dict[int, tuple[str, Keys]] = {}
    for port, owner, place in _published(draft):
        first, first_place = owners.setdefault(port, (owner, place))
        if first == owner:
            continue
        if first_place == place:
            message = f"port {port} would be published by {first} and by {owner}: write it in each environment"
        else:
            message = f"port {port} is published by {first} already, at {dotted(first_place)}"
        yield Finding(place, message)


def _published(draft: Draft) -> Iterator[tuple[int, str, Keys]]:
    for infra in draft.base.values():
        yield from _published_by(infra, INFRA)
    for environment in draft.environments:
        for server in environment.infra.values():
            if server.table.mode is Mode.OWN:
                yield from _published_by(server, environment.name)
        for name, port in environment.table.ports.items():
            yield port, f"{environment.name}.{name}", environment.place("ports", name)
        for service in environment.services.values():
            for key, port in service.table.ports.items():
                yield port, f"{environment.name}.{service.name} ({key})", service.place("ports", key)


def _published_by(server: Drafted[InfraTable], target: str) -> Iterator[tuple[int, str, Keys]]:
    if server.table.port is not None:
        yield server.table.port, f"{target}.{server.name}", server.place("port")
    for key, port in server.table.ports.items():
        yield port, f"{target}.{server.name} ({key})", server.place("ports", key)


def _hosts(draft: Draft) -> Iterator[Finding]:
    owners: dict[str, EnvironmentDraft] = {}
    for environment in draft.environments:
        for index, host in enumerate(environment.table.hosts):
            owner = owners.setdefault(host, environment)
            if owner is not environment:
                place = environment.place("hosts", index)
                other = owner.place("hosts", owner.table.hosts.index(host))
                yield Finding(place, f"{host} leads elsewhere: {_both(place, other, environment, owner)}")


def _subnets(draft: Draft) -> Iterator[Finding]:
    seen: list[tuple[IPv4Network, EnvironmentDraft]] = []
    for environment in draft.environments:
        if environment.table.subnet is None:
            continue
        subnet, place = IPv4Network(environment.table.subnet), environment.place("subnet")
        for other, owner in seen:
            if subnet.overlaps(other):
                both = _both(place, owner.place("subnet"), environment, owner)
                yield Finding(place, f"{subnet} is taken: {both}")
                break
        seen.append((subnet, environment))


def _both(place: Keys, other: Keys, environment: EnvironmentDraft, owner: EnvironmentDraft) -> str:
    """Name the second place of a clash, or both environments when they inherit the same one."""
    if place == other:
        return f"{owner.name} and {environment.name} both inherit it"
    return f"{owner.name} has it, at {dotted(other)}"


def _reservations(draft: Draft) -> Iterator[Finding]:
    for infra in (*draft.infra.values(), *(one for e in draft.environments for one in e.infra.values())):
        yield from _reserved_above(infra.table, infra.place)
    for service in _services(draft):
        yield from _reserved_above(service.table, service.place)


def _reserved_above(table: CommonTable, place: Callable[[str], Keys]) -> Iterator[Finding]:
    """Compare what one table says itself; a kind's own defaults are not known here."""
    if table.cpus is not None and (table.cpus_reserved or 0) > table.cpus:
        message = f"reserves more than the limit of {table.cpus:g}, at {dotted(place('cpus'))}"
        yield Finding(place("cpus_reserved"), message)
    if table.memory is None or table.memory_reserved is None:
        return
    if memory_bytes(table.memory_reserved) > memory_bytes(table.memory):
        message = f"reserves more than the limit of {table.memory}, at {dotted(place('memory'))}"
        yield Finding(place("memory_reserved"), message)


def _services(draft: Draft) -> Iterator[Service]:
    for services in draft.applications:
        yield from services.values()


def _literal_variables(draft: Draft) -> Iterator[tuple[str, Keys]]:
    """Yield the variables whose values stand in this file."""
    for environment in draft.environments:
        for name in environment.table.variables:
            yield name, environment.place("variables", name)
    for service in _services(draft):
        for name in service.table.variables:
            yield name, service.place("variables", name)


_RULES: tuple[Callable[[Draft], Iterator[Finding]], ...] = (
    _uses,
    _infra_uses,
    _modes,
    _after,
    _circles,
    _builds,
    _named_services,
    _variable_services,
    _origins,
    _set_twice,
    _reserved,
    _names,
    _prefixes,
    _ports,
    _hosts,
    _subnets,
    _reservations,
)
