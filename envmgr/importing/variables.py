"""Variables of containers: what stands in the spec, what `[variables]` declares, what only raw keys can carry."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from envmgr import naming
from envmgr.importing import references
from envmgr.importing.source import UNSET, Source
from envmgr.spec.checks import RESERVED

_SECRET = re.compile(r"PASS|SECRET|TOKEN|API_?KEY|PRIVATE_?KEY|CREDENTIAL")
_LONGEST = 60 * 1024


@dataclass(frozen=True, slots=True)
class Given:
    """One variable of one service."""

    value: str | None = field(repr=False)
    """Today's; None when nobody has set it."""
    is_literal: bool = False
    default: str | None = None
    is_required: bool = False
    from_shell: bool = False
    to_keep: bool = False
    """Today's value stands in a file that envmgr does not read."""
    is_composed: bool = False
    """It consists of more than one reference to its own name."""
    why: str = ""
    """What is different about where it comes from."""

    @property
    def shape(self) -> tuple[Any, ...]:
        """What two services must agree on to share one declaration."""
        return (self.default, self.is_required, self.from_shell, self.value)


@dataclass
class Settled:
    """Where every variable went."""

    declared: dict[str, dict[str, Any]] = field(default_factory=dict)
    """`[variables]`."""
    literal: dict[str, dict[str, str]] = field(default_factory=dict)
    """Service → `variables`."""
    raw: dict[str, dict[str, str]] = field(default_factory=dict)
    """Service → `compose.environment`."""
    notes: dict[tuple[str, str], str] = field(default_factory=dict)
    """(service, variable) → what changed although it has the same value today."""
    values: dict[str, str] = field(default_factory=dict, repr=False)
    """For the environment's own file."""
    as_variables: set[str] = field(default_factory=set)
    """Services that get secrets as variables."""
    why: dict[tuple[str, str], str] = field(default_factory=dict)
    """(service, variable) → what the operator has to know."""


def given(source: Source, service: str) -> dict[str, Given]:
    """Return the variables of one service."""
    now = _table(source.services[service].get("environment"))
    bare = _table(source.with_defaults(service).get("environment"))
    written = _table(source.as_written(service).get("environment"))
    files = [Path(one["path"]) for one in source.as_written(service).get("env_file") or ()]
    is_ours = bool(files) and all(file in source.own_files for file in files)
    found: dict[str, Given] = {}
    for name in {**written, **now}:
        value = now.get(name)
        if name not in written:
            found[name] = _of_file(name, value, source, is_ours=is_ours)
        else:
            found[name] = _of_text(name, written[name], value, bare.get(name))
    return found


def settle(
    everything: Mapping[str, Mapping[str, Given]],
    mounted: Mapping[str, str],
    as_files: Collection[str],
    taken: Collection[str] = (),
) -> Settled:
    """Decide where each variable of each service goes.

    `mounted` maps names of secrets that are files to their paths; `as_files` are the services that have such;
    `taken` are the names under which envmgr keeps passwords.
    """
    settled = Settled()
    names = dict.fromkeys(name for variables in everything.values() for name in variables)
    for name in names:
        users = {service: variables[name] for service, variables in everything.items() if name in variables}
        asking = {service: one for service, one in users.items() if not one.is_literal}
        shared = {} if name in taken else _shared(name, asking, mounted)
        if shared:
            _declare(settled, name, shared, as_files)
        for service, one in users.items():
            if one.why:
                settled.why[service, name] = one.why
            if one.is_composed:
                settled.notes[service, name] = one.why
            if service not in shared:
                _place(settled, service, name, one, is_declared=bool(shared), mounted=mounted)
            if name in taken and not one.is_literal:
                settled.why[service, name] = "envmgr keeps a server's password under this name, and gives it in the URL"
    return settled


def looks_secret(name: str) -> bool:
    """Tell whether a variable is one that nobody else should read."""
    return bool(_SECRET.search(name.upper()))


def _table(found: Any) -> dict[str, str | None]:
    """Return variables as a table; as they are written, they may be a list."""
    if isinstance(found, list):
        pairs = (str(entry).partition("=") for entry in found)
        return {name: value if equals else None for name, equals, value in pairs}
    return {name: None if value is None else _word(value) for name, value in (found or {}).items()}


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _of_file(name: str, value: str | None, source: Source, *, is_ours: bool) -> Given:
    is_read = is_ours or source.provided.get(name) == value
    return Given(value, to_keep=not is_read, why="" if is_read else "its env file is none that envmgr reads")


def _of_text(name: str, text: str | None, value: str | None, bare: str | None) -> Given:
    if text is None:
        return Given(value, from_shell=True)
    asked = references.names(text)
    if not asked:
        return Given(text.replace("$$", "$"), is_literal=True)
    one = references.whole(text)
    if one is not None and one.name == name:
        default = None if one.is_required else one.default or ""
        comes = "its value of today comes from the shell, which the spec does not read: write it into .env"
        return Given(value, default=default, is_required=one.is_required, why="" if value == bare else comes)
    is_open = bare is None or UNSET in bare
    return Given(
        None if value is None or UNSET in value else value,
        default=None if is_open else bare,
        is_required=is_open,
        to_keep=value != bare,
        is_composed=True,
        why=f"was put together from {', '.join(asked)}: now it is one value, {name}",
    )


def _fits(name: str, one: Given) -> bool:
    """Tell whether `[variables]` and an env file can carry it."""
    texts = [text for text in (one.value, one.default) if text is not None]
    is_one_line = all("\n" not in text and "\r" not in text and len(text) < _LONGEST for text in texts)
    return bool(naming.VARIABLE.fullmatch(name)) and not _is_reserved(name) and is_one_line


def _is_reserved(name: str) -> bool:
    return name in RESERVED or name.startswith("ENVMGR_")


def _shared(name: str, asking: Mapping[str, Given], mounted: Mapping[str, str]) -> dict[str, Given]:
    """Return the services that agree on one declaration: the first and all that ask for the same."""
    if name in mounted or name.removesuffix("_FILE") in mounted:
        return {}
    fitting = {service: one for service, one in asking.items() if _fits(name, one)}
    first = next(iter(fitting.values()), None)
    return {service: one for service, one in fitting.items() if first and one.shape == first.shape}


def _declare(settled: Settled, name: str, shared: Mapping[str, Given], as_files: Collection[str]) -> None:
    first = next(iter(shared.values()))
    is_secret = looks_secret(name) and not first.from_shell and not first.default and not set(shared) & set(as_files)
    table: dict[str, Any] = {
        "required": first.is_required,
        "default": None if is_secret else first.default,
        "secret": is_secret,
        "from_shell": first.from_shell,
        "services": sorted(shared),
    }
    settled.declared[name] = {key: value for key, value in table.items() if value not in (None, False)}
    if is_secret:
        settled.as_variables |= set(shared)
    if first.to_keep and first.value is not None:
        settled.values[name] = first.value


def _place(
    settled: Settled, service: str, name: str, one: Given, *, is_declared: bool, mounted: Mapping[str, str]
) -> None:
    """Put a value that stands in the file, or that nothing else can carry, into the service's own table."""
    if one.value is not None and mounted.get(name.removesuffix("_FILE")) == one.value:
        return  # envmgr sets it to the very same
    if not one.is_literal and (one.value is None or looks_secret(name)):
        settled.why[service, name] = "no table of the spec can carry it, and its value does not belong in the open"
        return
    if not one.is_literal:
        settled.notes[service, name] = "is not read from outside any more: its value of today stands in the spec"
    clashes = is_declared or name in mounted or name.removesuffix("_FILE") in mounted
    target = settled.raw if clashes or not _fits(name, one) else settled.literal
    target.setdefault(service, {})[name] = one.value or ""
