"""The files of a repository become a proposal: one table for each program and server, with names that fit together."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from envmgr import naming
from envmgr.starting import node, python
from envmgr.starting.components import components
from envmgr.starting.dockerfile import container
from envmgr.starting.found import Build, Component, Detected, Files, Program, Proposal, Server
from envmgr.starting.packages import package_json, read_toml, table
from envmgr.starting.variables import variables

_COMPOSE = re.compile(r"(?:docker-)?compose(?:\.[\w-]+)?\.ya?ml")


@dataclass(frozen=True, slots=True)
class _Placed:
    """What was found in a component, and the image that it is built into."""

    component: Component
    build: Build
    detected: Detected


def propose(files: Files, folder: str, environments: tuple[str, ...], name: str = "") -> Proposal:
    """Return what a first spec should say; `name` is the project's where the operator gave one."""
    every = [(component, _detected(component)) for component in components(files)]
    placed = _placed(every)
    servers = _servers(one.detected for one in placed)
    reserved = {*servers, *environments, naming.INFRA}
    programs = _programs(placed, reserved)
    compose = compose_files(files)
    return Proposal(
        project=name or project_name(files, folder),
        environments=environments,
        builds=tuple({one.build.name: one.build for one in placed}.values()),
        servers=servers,
        programs=programs,
        variables=variables(files, servers) if programs else (),
        compose_files=compose,
        notes=tuple(dict.fromkeys((*_missing(placed), *(note for _, detected in every for note in detected.notes)))),
    )


def compose_files(files: Files) -> tuple[str, ...]:
    """Return the Compose files at the top, the plain one first."""
    found = [path for path in files if _COMPOSE.fullmatch(path)]
    return tuple(sorted(found, key=lambda path: (path.count("."), path)))


def project_name(files: Files, folder: str) -> str:
    """Return the name that the project has already, or its folder's."""
    top = Component("", files, ".", "", None)
    pyproject = read_toml(files.get("pyproject.toml", ""))
    candidates = (
        *(table(pyproject, "project").get("name"), table(pyproject, "tool", "poetry").get("name")),
        package_json(top).get("name"),
    )
    found = next((one for one in candidates if isinstance(one, str) and one.strip()), folder)
    return naming.slug(found)


def _placed(every: Iterable[tuple[Component, Detected]]) -> tuple[_Placed, ...]:
    """Give each component with programs an image; those of one Dockerfile share it."""
    found = []
    builds: dict[tuple[str, str], Build] = {}
    for component, detected in every:
        if detected.programs:
            key = (component.context, component.dockerfile)
            name = _unique(naming.slug(component.context.rpartition("/")[2]), {one.name for one in builds.values()})
            build = builds.setdefault(key, Build(name, *key))
            found.append(_Placed(component, build, detected))
    return tuple(found)


def _detected(component: Component) -> Detected:
    """Return what a component holds; a Dockerfile around neither Python nor Node.js is a container as it is."""
    for detect in (python.detect, node.detect):
        detected = detect(component)
        if detected.programs:
            return detected
    if component.dockerfile_text is None:
        return Detected()
    found = container(component)
    if found.port is None:
        return Detected(notes=(f"nothing is known of the program in {component.where}: describe it as a service",))
    told = {"container_port": found.port, "health_path": "/", **({"user": found.user} if found.user else {})}
    note = f"nothing is known of the program in {component.where}: wget in its image has to get / from it"
    return Detected((Program("app", "container", told, listens=True),), notes=(note,))


def _servers(detected: Iterable[Detected]) -> dict[Server, Mapping[str, object]]:
    found: dict[Server, dict[str, object]] = {}
    for one in detected:
        for server, keys in one.servers.items():
            found[server] = {**keys, **found.get(server, {})}
    return {server: found[server] for server in Server if server in found}


def _programs(placed: tuple[_Placed, ...], reserved: set[str]) -> tuple[tuple[Program, str], ...]:
    """Give each program a name that nothing else has: `app` for the only one, `billing-app` beside others."""
    every = [program.name for one in placed for program in one.detected.programs]
    taken = set(reserved)
    found = []
    for one in placed:
        for program in one.detected.programs:
            where = one.component.folder.rpartition("/")[2]
            is_shared = every.count(program.name) > 1 and bool(where)
            name = _unique(naming.slug(f"{where}-{program.name}") if is_shared else program.name, taken)
            taken.add(name)
            found.append((replace(program, name=name), one.build.name))
    return tuple(found)


def _unique(name: str, taken: set[str]) -> str:
    number = 2
    unique = name
    while unique in taken:
        unique, number = f"{name[: naming.NAME_LENGTH - 4].rstrip('-')}-{number}", number + 1
    return unique


def _missing(placed: tuple[_Placed, ...]) -> tuple[str, ...]:
    absent = [one.build for one in placed if one.component.dockerfile_text is None]
    paths = (posixpath.normpath(posixpath.join(one.context, one.dockerfile)) for one in absent)
    return tuple(f"there is no {path}: write it before the first up" for path in paths)
