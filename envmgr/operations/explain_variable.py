"""Where a variable of a target comes from: the `.env` files, the shell, the spec, or envmgr itself."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from envmgr import layout, naming
from envmgr.model.explanation import Explanation, Source
from envmgr.model.needed import Needed, Origin
from envmgr.model.secret import references
from envmgr.model.stack import Service, Stack
from envmgr.operations.project import Project
from envmgr.planning.places import place_of
from envmgr.resolve.origins import Origins
from envmgr.secrets.opening import open_store
from envmgr.spec.dotenv import counts, read_env_files


def names_of(stack: Stack) -> set[str]:
    """Return the names of all variables and secrets of a stack."""
    names = {need.name for need in stack.needed}
    for service in stack.services:
        names |= {*service.variables, *service.templated, *(mount.name for mount in service.secrets)}
    return names


def explain_variable(
    project: Project, origins: Origins, stack: Stack, name: str, only: str = ""
) -> Iterator[Explanation]:
    """Yield one explanation, or several where services have it from different places; none when it is not known."""
    services = tuple(service for service in stack.services if only in ("", service.name))
    path = f"{stack.target} {name}"
    need = next((one for one in stack.needed if one.name == name), None)
    getting = tuple(text for service in services if (text := _way(service, name)))
    if need is not None and (getting or not only):
        yield Explanation(path, tuple(_needed(project, need)), need.is_secret, reaches=getting)
        return
    if getting:
        yield Explanation(path, tuple(_composed(services, name)), is_secret=True, reaches=getting)
        return
    users: dict[tuple[Source, ...], list[str]] = {}
    for service in services:
        if name in service.variables:
            users.setdefault(tuple(_plain(project, origins, stack, service, name)), []).append(service.name)
    for sources, those in users.items():
        yield Explanation(path, sources, reaches=tuple(those))


def _way(service: Service, name: str) -> str:
    """Say how a value of the operator's files, or a secret, reaches a service; nothing when it does not."""
    if any(mount.name == name for mount in service.secrets):
        return f"{service.name} as /run/secrets/{name}"
    if name in service.templated or name in service.supplied:
        return f"{service.name} as a variable"
    contents = {**{mount.name: mount.content for mount in service.secrets}, **service.templated}
    inside = [key for key, content in contents.items() if any(ref.name == name for ref in references(content))]
    return f"{service.name} inside {', '.join(inside)}" if inside else ""


def _needed(project: Project, need: Needed) -> Iterator[Source]:
    """Yield who sets a value of the operator's, the winner first."""
    files = read_env_files(project.folder, need.scope)
    entries = (files.values[need.name], *files.earlier.get(need.name, ())) if need.name in files.values else ()
    found = [
        Source(Path(one.file).name, _shown(need, one.value), "", Path(one.file).name, one.line)
        for one in entries
        if counts(need, one.value)
    ]
    found += _kept(project, need)
    shell = os.environ.get(need.name) if need.from_shell else None
    if counts(need, shell):
        found.append(Source("the shell", _shown(need, shell)))
    if counts(need, need.default):
        found.append(_in_spec(project, f"{need.place}.default", _shown(need, need.default)))
    if need.file:
        found.append(Source("a file of the operator's", None, "", need.file))
    store = _store(project, need)
    if not found and store:
        found.append(store)
    elif not found and need.origin is Origin.GENERATED:
        found.append(Source(f"made at the next `envmgr up`, and kept in .env.{need.scope}"))
    yield from found


def _kept(project: Project, need: Needed) -> list[Source]:
    """Return the file that holds nothing but this value."""
    path = layout.secrets_folder(project.folder, need.scope) / need.name
    shown = path.relative_to(project.folder).as_posix()
    return [Source("a file of its own", None, "", shown)] if path.is_file() and not need.file else []


def _store(project: Project, need: Needed) -> Source | None:
    """Return what keeps a target's secrets elsewhere; it is not asked whether it has this one."""
    table = project.loaded.spec.secrets.get(need.scope)
    if table is None or table.source == "files" or not need.is_secret or need.file:
        return None
    name = f"secrets.{need.scope}.source"
    path = name if project.locate(name).place.line else f"secrets.{naming.DEFAULTS}.source"
    place = project.locate(path).place
    store = open_store(table, project.folder, need.scope, os.environ)
    assert store is not None
    return Source(f"{store.title}, which is asked at each command", None, path, place.file, place.line)


def _in_spec(project: Project, path: str, value: object) -> Source:
    place = project.locate(path).place
    return Source(f"[{path.rpartition('.')[0]}]", value, path, place.file, place.line)


def _shown(need: Needed, value: object) -> object:
    return None if need.is_secret else value


def _composed(services: tuple[Service, ...], name: str) -> Iterator[Source]:
    contents = {mount.name: mount.content for service in services for mount in service.secrets}
    contents |= {key: content for service in services for key, content in service.templated.items()}
    names = ", ".join(dict.fromkeys(ref.name for ref in references(contents[name])))
    yield Source(f"put together by envmgr from {names}" if names else "put together by envmgr")


def _plain(project: Project, origins: Origins, stack: Stack, service: Service, name: str) -> Iterator[Source]:
    """Yield who sets a variable that stands in the spec or follows from it, the winner first."""
    section = "infra" if service.is_server else "services"
    above = () if stack.target == naming.INFRA else ("environments", stack.target)
    written: list[Source] = []
    for at in ((*above, section, service.name), above):
        table = origins.tables.get(at)
        if table is not None:
            written += origins.explain(table, ("variables", name)).sources
    yield from written
    if not written:
        value = service.variables[name]
        place = place_of(stack, service, (f"variables.{name}", None, value), project.locate)
        where = (place.path, place.file, place.line) if place else ("", "", None)
        yield Source("set by envmgr" + (f", from {place.path}" if place else ""), value, *where)
