"""Containers of a stack that are not to run: of services that left the spec, or left by a replacement cut short."""

from __future__ import annotations

import re

from envmgr.model.observed import Container, Observed
from envmgr.model.stack import Stack
from envmgr.model.value import dataclass

_HALF_REPLACED = re.compile(r"[0-9a-f]{12}_.+")
"""Compose's name for a container on its way out, or not yet in place."""


@dataclass(frozen=True, slots=True)
class Leftover:
    """A container that is not to run, and why."""

    container: Container
    reason: str
    is_unknown: bool
    """The spec does not have its service; others may still use it."""


def leftovers(stack: Stack, observed: Observed) -> tuple[Leftover, ...]:
    """Return what is to be removed of a stack's containers; nothing that envmgr did not make is among them."""
    known = {service.name for service in stack.services}
    away = {service.name for service in stack.native}
    found = []
    for container in observed.of(stack.compose_project):
        if container.service in away - known:
            found.append(Leftover(container, f"{container.service} goes to the desk", True))
        elif container.service not in known:
            found.append(Leftover(container, f"the spec no longer has {container.service}", True))
        elif _HALF_REPLACED.fullmatch(container.name):
            found.append(Leftover(container, "left by a command that was cut short", False))
    return tuple(found)


def containers_of(stack: Stack, service: str, observed: Observed) -> tuple[Container, ...]:
    """Return the containers that do a service's work."""
    found = observed.of(stack.compose_project, service)
    return tuple(container for container in found if not _HALF_REPLACED.fullmatch(container.name))
