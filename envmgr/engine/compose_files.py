"""Let Compose itself read documents that are not ours; nothing is started, and no engine has to be there."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from envmgr.engine import process
from envmgr.errors import EngineError, SpecError

SECONDS = 60.0
_STEERING = ("COMPOSE_", "DOCKER_")
"""Beginnings of variables that would make the docker command read something else."""
_KEPT = ("DOCKER_CONFIG",)
_MISSING = re.compile(r"required variable (\w+) is missing a value")
_MOST = 100


def read(
    files: tuple[Path, ...],
    environ: Mapping[str, str],
    *flags: str,
    env_file: Path | None = None,
    folder: Path | None = None,
) -> dict[str, Any]:
    """Return what `docker compose config` makes of some files laid over each other.

    Raises:
        SpecError: Compose refuses them; with its own words.
        EngineError: there is no docker command or no Compose.
    """
    found = _config(files, environ, *flags, "--format", "json", env_file=env_file, folder=folder)
    return dict(json.loads(found))


def read_with_stand_ins(
    files: tuple[Path, ...], environ: Mapping[str, str], stand_in: str, *flags: str, env_file: Path | None = None
) -> dict[str, Any]:
    """Do the same, giving each variable that must be set and is not a value that begins with `stand_in`."""
    environ = dict(environ)
    for _ in range(_MOST):
        try:
            return read(files, environ, *flags, env_file=env_file)
        except SpecError as error:
            missing = _MISSING.search(error.message)
            if missing is None or missing[1] in environ:
                raise
            environ[missing[1]] = f"{stand_in}{missing[1]}"
    raise SpecError(f"{files[0].name} asks for more than {_MOST} variables that nobody has set")


def allowed(environ: Mapping[str, str]) -> dict[str, str]:
    """Return a shell's variables without those that steer Compose: files refer to any name."""
    return {name: value for name, value in environ.items() if name in _KEPT or not name.startswith(_STEERING)}


def bare(environ: Mapping[str, str]) -> dict[str, str]:
    """Return as little of a shell's variables as the docker command needs."""
    return {name: value for name, value in allowed(environ).items() if process.is_allowed(name)}


def _config(
    files: tuple[Path, ...],
    environ: Mapping[str, str],
    *flags: str,
    env_file: Path | None = None,
    folder: Path | None = None,
) -> str:
    named = tuple(part for file in files for part in ("-f", str(file)))
    options = (
        *(("--env-file", str(env_file)) if env_file else ()),
        *(("--project-directory", str(folder)) if folder else ()),
    )
    profiles = tuple(flag for flag in flags if flag.startswith("--profile="))
    rest = tuple(flag for flag in flags if flag not in profiles)
    argv = (process.docker_command(environ), "compose", *profiles, *options, *named, "config", *rest)
    done = process.run(argv, environ, deadline=SECONDS, what="docker compose config")
    if done.exit_code == 0:
        return done.stdout
    if any(words in done.stderr for words in process.NO_PLUGIN):
        raise EngineError("docker compose config: Docker has no such plugin", details=done.last_lines())
    said = [line for line in done.last_lines() if line.strip() and "level=warning" not in line]
    raise SpecError(
        f"{', '.join(file.name for file in files)} cannot be read: {said[-1].strip() if said else 'no reason'}"
    )
