"""What a service has for whoever writes it: its command on the desk, and today's source inside its container."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from envmgr.model.value import dataclass


@dataclass(frozen=True, slots=True)
class NativeCommand:
    """How a service runs on the desk, outside a container."""

    argv: tuple[str, ...]
    folder: str
    """Where it starts, relative to the spec."""
    watch: tuple[str, ...]
    """Files and folders, relative to the spec; a change restarts it."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """In place of those of its container, where the desk differs."""


@dataclass(frozen=True, slots=True)
class SourceMount:
    """A folder of the project's source, bound read-only over what the image has there."""

    path: str
    """Relative to the spec."""
    target: str
