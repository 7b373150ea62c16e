"""A Compose project as Compose itself reads it: with today's values, with none, and as it is written."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Document = dict[str, Any]
UNSET = "unset-"
"""Begins the stand-in for a variable that must be set and is not; its name follows."""


@dataclass(frozen=True, slots=True)
class Source:
    """What `docker compose config` says of a project."""

    folder: Path
    """The project's, where the spec will stand."""
    now: Document
    """Everything resolved; a dollar is a dollar."""
    bare: Document
    """The same without any value from outside: defaults only."""
    written: Document
    """References to variables as they stand, `$$` for a dollar, env files not yet read."""
    provided: Mapping[str, str] = field(default_factory=dict)
    """What `.env` in the folder says, which envmgr reads too."""
    own_files: Collection[Path] = ()
    """Env files that envmgr reads by itself."""

    @property
    def services(self) -> Mapping[str, Document]:
        """The services with today's values."""
        return dict(self.now.get("services") or {})

    def as_written(self, service: str) -> Document:
        """Return a service with its references."""
        return dict((self.written.get("services") or {}).get(service) or {})

    def with_defaults(self, service: str) -> Document:
        """Return a service as nobody has set anything."""
        return dict((self.bare.get("services") or {}).get(service) or {})


def unescaped(value: Any) -> Any:
    """Return a resolved document with each `$$` the dollar that it stands for."""
    if isinstance(value, str):
        return value.replace("$$", "$")
    if isinstance(value, dict):
        return {unescaped(key): unescaped(item) for key, item in value.items()}
    if isinstance(value, list):
        return [unescaped(item) for item in value]
    return value
