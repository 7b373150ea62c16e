"""A proposal as the text of `envmgr.toml`, with the comments that a first reader wants."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping

from envmgr import layout
from envmgr.starting.found import Program, Proposal, Server, Variable

_PORTS = {
    Server.POSTGRES: 15432,
    Server.REDIS: 16379,
    Server.QDRANT: 16333,
    Server.MINIO: 19000,
    Server.ELASTICSEARCH: 19200,
}
"""On the loopback of the host, beside whatever listens on the usual ones."""
_OPTIONS: Mapping[Server, Mapping[str, object]] = {
    Server.QDRANT: {"collections": {"documents": {"size": 384, "distance": "Cosine"}}},
    Server.MINIO: {"buckets": ["files"]},
}
_LEVELS = {"dev": "DEBUG", "prod": "WARNING"}
_WEB, _FLOWER = 8000, 5555
_RULER = 118


def spec_text(proposal: Proposal) -> str:
    """Return the whole file; it loads as it stands."""
    blocks = [
        *_head(proposal),
        *(_ruled("The servers: once per host, shared by all environments", _servers(proposal))),
        *(_ruled("The application: once per environment", _application(proposal))),
        *(_ruled("The environments", _environments(proposal))),
    ]
    return "\n".join(blocks)


def _head(proposal: Proposal) -> Iterator[str]:
    yield (
        f"#:schema ./{layout.SCHEMA}\n"
        "# Values that differ by host, and secrets, come from .env and .env.ENVIRONMENT; missing passwords are made.\n"
        "# What each key means: envmgr schema --markdown\n"
    )
    yield _table("project", {"name": proposal.project})
    yield _table(
        "images",
        {"recipes": "shipped"},
        "# Where no registry can be reached, images of the servers are built from distribution packages.",
    )


def _ruled(title: str, blocks: Iterable[str]) -> Iterator[str]:
    found = tuple(blocks)
    if found:
        yield f"# --- {title} ".ljust(_RULER, "-") + "\n"
        yield from found


def _servers(proposal: Proposal) -> Iterator[str]:
    for server, keys in proposal.servers.items():
        yield _table(f"infra.{server}", {"port": _PORTS[server], **_OPTIONS.get(server, {}), **keys})


def _application(proposal: Proposal) -> Iterator[str]:
    if proposal.programs:
        yield "# A service reaches the servers that it uses and nothing outside, unless it says egress = true.\n"
    for build in proposal.builds:
        own = {} if build.dockerfile == "Dockerfile" else {"dockerfile": build.dockerfile}
        yield _table(f"builds.{build.name}", {"context": build.context, **own})
    for variable in proposal.variables:
        yield _table(f"variables.{variable.name}", _variable(variable))
    first = {build: program.name for program, build in proposal.programs if program.is_first}
    for program, source in proposal.programs:
        yield _table(f"services.{program.name}", _service(program, source, first.get(source, "")))
    if not proposal.programs:
        yield (
            '# No program was found here. A web application would be:\n#\n#   [builds.app]\n#   context = "."\n#\n'
            '#   [services.app]\n#   kind = "asgi"\n#   build = "app"\n#   app = "main:app"\n'
        )


def _variable(variable: Variable) -> dict[str, object]:
    if variable.is_secret:
        return {"secret": True, "generate": True} if variable.is_generated else {"secret": True}
    return {} if variable.default is None else {"default": variable.default}


def _service(program: Program, build: str, first: str) -> dict[str, object]:
    """Return a service's table; programs that read no secret files get variables, as they are used to."""
    keys: dict[str, object] = {"kind": program.kind, "build": build, **program.options}
    if program.uses:
        keys["uses"] = [str(server) for server in program.uses]
    if first and not program.is_first:
        keys["after"] = [first]
    if not program.reads_files and program.kind != "static":
        keys["secrets_as"] = "variables"
    return keys


def _environments(proposal: Proposal) -> Iterator[str]:
    for index, environment in enumerate(proposal.environments):
        keys: dict[str, object] = {}
        if environment == "dev":
            keys["debug"] = True
        if environment in _LEVELS:
            keys["log_level"] = _LEVELS[environment]
        if environment == "prod":
            keys |= {"workers": 4, "protected": True}
        ports = _ports(proposal, index)
        yield _table(f"environments.{environment}", {**keys, **({"ports": ports} if ports else {})})


def _ports(proposal: Proposal, environment: int) -> dict[str, int]:
    """Return the ports of one environment; each program has a range of its own, and environments follow in it."""
    step = max(10, len(proposal.environments))
    listening = [program for program, _ in proposal.programs if program.listens]
    web = [program.name for program in listening if program.kind != "flower"]
    flower = [program.name for program in listening if program.kind == "flower"]
    ranges = ((_WEB, web), (_FLOWER, flower))
    return {name: start + step * at + environment for start, names in ranges for at, name in enumerate(names)}


def _table(name: str, keys: Mapping[str, object], comment: str = "") -> str:
    lines = [f"[{name}]", *([comment] if comment else []), *(f"{key} = {_value(value)}" for key, value in keys.items())]
    return "\n".join(lines) + "\n"


def _value(value: object) -> str:
    """Write a value as TOML; JSON's strings are TOML's but for DEL, which TOML wants escaped."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_value(one)}" for key, one in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_value(one) for one in value) + "]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
