"""The names in `envmgr.toml`, read in a few milliseconds for a shell that completes words; validates nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envmgr.errors import SpecError
from envmgr.naming import COLOURS, DEFAULTS, EDGE, INFRA, colour
from envmgr.spec.source import parse
from envmgr.spec.text import read


@dataclass(frozen=True, slots=True)
class Outline:
    """Targets and their services, in the order of the file."""

    services: Mapping[str, tuple[str, ...]]
    """Target → services; the base as `infra`, first."""

    @property
    def targets(self) -> tuple[str, ...]:
        """All of them."""
        return tuple(self.services)


def read_outline(path: Path) -> Outline:
    """Read the names.

    Raises: `SpecError` when it is no TOML; what is no table has no names.
    """
    data = parse(read(path), str(path))
    environments = [name for name in _table(data, "environments") if name != DEFAULTS]
    modes = {name: {server: _mode(data, name, server) for server in _table(data, "infra")} for name in environments}
    base = [server for server in _table(data, "infra") if any(found[server] == "shared" for found in modes.values())]
    application = tuple(_table(data, "services"))
    services: dict[str, tuple[str, ...]] = {INFRA: tuple(base)}
    for name in environments:
        if _has_colours(data, name):
            services[name] = (*_own(modes[name]), EDGE)
            services |= {colour(name, one): application for one in COLOURS}
        else:
            services[name] = (*_own(modes[name]), *application)
    return Outline(services)


def _has_colours(data: Mapping[str, Any], environment: str) -> bool:
    strategy: Any = None
    for layer in (DEFAULTS, environment):
        strategy = _table(data, "environments", layer, "deploy").get("strategy", strategy)
    return bool(strategy == "blue-green")


def read_secret_names(path: Path, target: str) -> tuple[str, ...]:
    """Return the names of secrets that the spec declares and that a target's `.env` file has; no value is kept."""
    try:
        data = parse(read(path), str(path))
    except SpecError:
        return ()
    declared = [n for n, one in _table(data, "variables").items() if isinstance(one, dict) and one.get("secret")]
    try:
        lines = (path.parent / f".env.{target}").read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        lines = []
    written = [line.partition("=")[0].strip() for line in lines if "=" in line and not line.startswith("#")]
    return tuple(dict.fromkeys((*(() if target == INFRA else declared), *written)))


def _own(modes: Mapping[str, Any]) -> Iterator[str]:
    return (server for server, mode in modes.items() if mode == "own")


def _mode(data: Mapping[str, Any], environment: str, server: str) -> Any:
    """Return whether a server is shared, the environment's own or a managed one: the last word counts."""
    mode: Any = "shared"
    for layer in ((), ("environments", DEFAULTS), ("environments", environment)):
        mode = _table(data, *layer, "infra", server).get("mode", mode)
    return mode


def _table(data: Any, *keys: str) -> Mapping[str, Any]:
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data if isinstance(data, dict) else {}
