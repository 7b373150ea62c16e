"""A resolved system held to the digests of a lock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from envmgr.model.stack import Command, Grant, Service, Stack, System


def locked(system: System, digests: Mapping[str, str]) -> System:
    """Return the system with every image of a registry at its digest; what is built from source has none."""
    return replace(
        system,
        base=_stack(system.base, digests),
        environments=tuple(_stack(stack, digests) for stack in system.environments),
        digests=digests,
    )


def _stack(stack: Stack, digests: Mapping[str, str]) -> Stack:
    services = tuple(_service(service, digests) for service in stack.services)
    return replace(stack, services=services, grants=tuple(_grant(grant, digests) for grant in stack.grants))


def _service(service: Service, digests: Mapping[str, str]) -> Service:
    image = service.image
    if image.build is not None or image.reference not in digests:
        return service
    return replace(service, image=replace(image, digest=digests[image.reference]))


def _grant(grant: Grant, digests: Mapping[str, str]) -> Grant:
    """Hold the programs that reach a managed server to their digest too."""

    def held(command: Command) -> Command:
        client = command.client
        return replace(command, client=f"{client}@{digests[client]}") if client in digests else command

    return replace(
        grant,
        exists=held(grant.exists),
        ensure=held(grant.ensure),
        measure=held(grant.measure),
        revoke=held(grant.revoke),
        probe=held(grant.probe),
    )
