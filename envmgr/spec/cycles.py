"""Circles in a graph of names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping


def cycles(graph: Mapping[str, Iterable[str]]) -> Iterator[tuple[str, ...]]:
    """Yield one circle for each edge that closes one on a walk in order; none when there is no circle."""
    done: set[str] = set()
    for start in graph:
        yield from _walk(graph, start, [], done)


def _walk(graph: Mapping[str, Iterable[str]], name: str, path: list[str], done: set[str]) -> Iterator[tuple[str, ...]]:
    if name in path:
        yield tuple(path[path.index(name) :])
        return
    if name in done:
        return
    path.append(name)
    for other in graph[name]:
        yield from _walk(graph, other, path, done)
    path.pop()
    done.add(name)
