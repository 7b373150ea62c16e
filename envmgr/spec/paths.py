"""The paths of values in `envmgr.toml`, one step at a time, in a few milliseconds for a shell; validates nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from envmgr.naming import DEFAULTS
from envmgr.spec.source import parse
from envmgr.spec.text import read

# Written out, because importing the models takes longer than somebody waits for a completion; a test compares them.
_ANY = "kind cpus memory cpus_reserved memory_reserved pids start_seconds stop_seconds image compose"
_WORDS = {
    "project": "name",
    "networks": "range",
    "images": "recipes",
    "builds": "context dockerfile target source args",
    "variables": "description required default secret generate previous from_shell file mount services",
    "secrets": "source weak age command vault",
    "infra": f"{_ANY} mode url provision port ports uses",
    "services": f"{_ANY} build uses after variables volumes ports routes aliases joins files gpus replicas egress "
    "secrets_as native",
    "environments": "prefix debug log_level workers protected reload subnet ports variables hosts services "
    "deploy infra",
}
KEYS: Mapping[str, tuple[str, ...]] = {section: tuple(words.split()) for section, words in _WORDS.items()}
"""Section → the keys of its tables that every kind has; those of a kind alone are found where they are written."""
_SINGLE = ("project", "networks", "images")
_TABLES = ("services", "infra")
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def read_steps(path: Path, above: tuple[str, ...]) -> dict[str, bool]:
    """Return what can follow in a path, long or short (`prod app`), and of each whether it is a table.

    Raises: `SpecError` when the file is no TOML.
    """
    data = parse(read(path), str(path))
    keys = _full(data, above)
    steps = dict(_steps(data, keys))
    if not above:
        steps |= dict.fromkeys((*_names(data, "environments"), *_names(data, "services"), *_names(data, "infra")), True)
    elif len(above) == 1 and above != keys and keys[0] == "environments" and above[0] != DEFAULTS:
        inside = (*_names(data, "services"), *_names(data, "infra"))
        steps |= dict.fromkeys(inside, True) | dict.fromkeys(_names(data, "variables"), False)
    return {name: is_table for name, is_table in steps.items() if _BARE.fullmatch(name)}


def _full(data: Mapping[str, Any], keys: tuple[str, ...]) -> tuple[str, ...]:
    """Complete a short path as `explain` does."""
    if not keys or keys[0] in KEYS:
        return keys
    if keys[0] in (DEFAULTS, *_names(data, "environments")):
        inside = keys[1:] if keys[1:2] and keys[1] in KEYS["environments"] else _below(data, keys[1:])
        return ("environments", keys[0], *inside)
    return _below(data, keys)


def _below(data: Mapping[str, Any], keys: tuple[str, ...]) -> tuple[str, ...]:
    section = next((one for one in _TABLES if keys and keys[0] in _names(data, one)), "")
    return (section, *keys) if section else keys


def _steps(data: Mapping[str, Any], keys: tuple[str, ...]) -> Iterator[tuple[str, bool]]:
    if not keys:
        yield from ((section, True) for section in KEYS)
        return
    section, *rest = keys
    is_written_only = rest[:1] == [DEFAULTS]
    if section == "environments" and rest[1:2] and rest[1] in _TABLES:
        section, *rest = rest[1:]
    elif section == "environments" and not rest:
        yield DEFAULTS, True
    if not (is_written_only and section != "environments"):
        inside = _inside(data, section, rest)
        yield from ((name, is_table) for name, is_table in inside if not (is_written_only and name in _TABLES))
    yield from ((name, isinstance(value, dict)) for name, value in _table(data, *keys).items())


def _inside(data: Mapping[str, Any], section: str, rest: list[str]) -> Iterator[tuple[str, bool]]:
    if section not in _SINGLE and not rest:
        yield from ((name, True) for name in _names(data, section))
    elif len(rest) == (section not in _SINGLE) and (
        section in _SINGLE or rest[0] in (DEFAULTS, *_names(data, section))
    ):
        yield from ((key, isinstance(_table(data, section, *rest).get(key), dict)) for key in KEYS.get(section, ()))


def _names(data: Mapping[str, Any], section: str) -> tuple[str, ...]:
    return tuple(_table(data, section))


def _table(data: Any, *keys: str) -> Mapping[str, Any]:
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data if isinstance(data, dict) else {}
