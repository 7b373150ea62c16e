"""The order in which services of a stack start."""

from __future__ import annotations

from collections.abc import Iterable
from graphlib import TopologicalSorter

from envmgr.model.stack import Service, Stack


def waves(stack: Stack, services: Iterable[Service]) -> tuple[tuple[Service, ...], ...]:
    """Split services, and all they depend on, into waves: each wave needs only those before it."""
    sorter: TopologicalSorter[str] = TopologicalSorter()
    pending = [service.name for service in services]
    seen: set[str] = set()
    while pending:
        name = pending.pop()
        if name not in seen:
            seen.add(name)
            needs = [dependency.service for dependency in stack.service(name).depends_on]
            sorter.add(name, *needs)
            pending += needs
    sorter.prepare()
    result = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        sorter.done(*ready)
        result.append(tuple(stack.service(name) for name in ready))
    return tuple(result)
