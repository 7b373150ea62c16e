"""What a service gets on the desk: the variables and secret files of its container, with addresses of the loopback."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from envmgr.errors import Problem
from envmgr.model.secret import Template
from envmgr.model.stack import Service
from envmgr.model.value import dataclass
from envmgr.native.loopback import Loopback

Fill = Callable[[Template], str]
_MOUNTED = "/run/secrets/"


@dataclass(frozen=True, slots=True)
class DeskVariables:
    """Everything that one service is given."""

    plain: Mapping[str, str]
    """Variables that hold no secret."""
    values: Mapping[str, str]
    """Variables that hold a secret, because its container has them as variables or its program reads no file."""
    files: Mapping[str, str]
    """Secret → content of its file; `NAME_FILE` says where it lies."""

    def with_files(self, folder: Path) -> dict[str, str]:
        """Return all variables, those of files naming the files in a folder, for a process."""
        return {**self.plain, **self.values, **{f"{name}_FILE": str(folder / name) for name in self.files}}

    def without_files(self) -> dict[str, str]:
        """Return all variables with every secret as a value, for an editor or a debugger."""
        return {**self.plain, **self.values, **self.files}


def desk_variables(service: Service, supplied: Mapping[str, str], loopback: Loopback, fill: Fill) -> DeskVariables:
    """Put together what a service gets; `supplied` are the values of the operator's files that are no secrets."""
    desk = service.native.variables if service.native else {}
    plain = {**service.variables, **{name: supplied[name] for name in service.supplied if name in supplied}, **desk}
    secrets = {mount.name: fill(loopback.rewrite_template(mount.content)) for mount in service.secrets}
    files = {name: text for name, text in secrets.items() if plain.get(f"{name}_FILE", "").startswith(_MOUNTED)}
    templated = {name: fill(loopback.rewrite_template(content)) for name, content in service.templated.items()}
    return DeskVariables(
        plain=dict(sorted(loopback.rewrite_all({n: v for n, v in plain.items() if not _names_file(n, files)}).items())),
        values={**templated, **{name: text for name, text in secrets.items() if name not in files}},
        files=files,
    )


def merged(each: Mapping[str, DeskVariables]) -> tuple[DeskVariables, tuple[str, ...]]:
    """Return what several services get, and the names on which they differ, which are left out."""
    names = {name for one in each.values() for name in one.without_files()}
    differing = {
        name
        for name in names
        if len({one.without_files()[name] for one in each.values() if name in one.without_files()}) > 1
    }
    parts: list[dict[str, str]] = [{}, {}, {}]
    for one in each.values():
        for part, found in zip(parts, (one.plain, one.values, one.files), strict=True):
            part |= {name: value for name, value in found.items() if name not in differing}
    return DeskVariables(*parts), tuple(sorted(differing))


def unreachable(service: Service, loopback: Loopback) -> tuple[Problem, ...]:
    """Return the addresses that a service is given and that the desk cannot reach, as nothing publishes them."""
    texts = dict(service.variables)
    for name, content in {**service.templated, **{mount.name: mount.content for mount in service.secrets}}.items():
        texts[name] = "".join(part for part in content if isinstance(part, str))
    return tuple(
        Problem(
            f"{name} of {service.name} leads to {address}, which publishes no port",
            hint=f"give {address.partition(':')[0]} a `port` in the spec: the desk reaches only what is published",
        )
        for name, text in texts.items()
        for address in loopback.unreachable(text)
    )


def _names_file(name: str, files: Mapping[str, str]) -> bool:
    return name.endswith("_FILE") and name.removesuffix("_FILE") in files
