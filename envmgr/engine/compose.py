"""Say what Compose is asked to do, as arguments; pure, nothing is run here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from envmgr.engine.protocol import Recreate

VERSION = ("compose", "version", "--short")
NO_ENV_FILE = "/dev/null"
"""A `.env` beside the documents is neither the spec's nor rendered, and Compose would obey the COMPOSE_* in it."""


_RECREATE = {Recreate.NEVER: ("--no-recreate",), Recreate.CHANGED: (), Recreate.ALWAYS: ("--force-recreate",)}


def up(
    files: tuple[Path, ...],
    compose_project: str,
    services: tuple[str, ...],
    scales: Mapping[str, int],
    recreate: Recreate,
    folder: Path | None = None,
) -> tuple[str, ...]:
    """Create and start.

    Never `-y` (it answers "yes" to deleting a volume that changed), never `--remove-orphans` (it removes what envmgr
    did not make), and no `--wait`: it takes a crash loop for healthy.
    """
    scaled = tuple(part for service, number in sorted(scales.items()) for part in ("--scale", f"{service}={number}"))
    options = ("up", "-d", "--no-deps", "--no-build", "--pull", "never", *_RECREATE[recreate], *scaled)
    return (*_documents(files, folder), "-p", compose_project, *options, *services)


def down(files: tuple[Path, ...], compose_project: str, services: tuple[str, ...], *, volumes: bool) -> tuple[str, ...]:
    """Stop and remove."""
    return (*_project(files, compose_project), "down", *(("--volumes",) if volumes else ()), *services)


def stop(files: tuple[Path, ...], compose_project: str, services: tuple[str, ...]) -> tuple[str, ...]:
    """Stop."""
    return (*_project(files, compose_project), "stop", *services)


def config_quiet(files: tuple[Path, ...]) -> tuple[str, ...]:
    """Read the documents; in a fresh clone the env files are not there yet."""
    return (*_documents(files), "config", "--no-env-resolution", "--quiet")


def _project(files: tuple[Path, ...], compose_project: str) -> tuple[str, ...]:
    return (*_documents(files), "-p", compose_project)


def _documents(files: tuple[Path, ...], folder: Path | None = None) -> tuple[str, ...]:
    named = tuple(part for file in files for part in ("-f", str(file)))
    begins = ("--project-directory", str(folder or files[0].parent))
    return ("compose", "--progress", "plain", *begins, "--env-file", NO_ENV_FILE, *named)
