"""Who stands on whom: services on those that they depend on, and on the servers that they use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter

from envmgr.diagnosis.evidence import Evidence, Node
from envmgr.diagnosis.scene import servers_of


@dataclass(frozen=True, slots=True)
class Graph:
    """The services of an environment and of the base below it."""

    needs: Mapping[Node, tuple[Node, ...]]
    order: Mapping[Node, int]
    """Number of its wave: the base's come first."""

    def below(self, node: Node) -> frozenset[Node]:
        """Return everything that a service stands on, near and far."""
        found: set[Node] = set()
        pending = list(self.needs.get(node, ()))
        while pending:
            one = pending.pop()
            if one not in found:
                found.add(one)
                pending += self.needs.get(one, ())
        return frozenset(found)

    def sorted(self, nodes: frozenset[Node]) -> tuple[Node, ...]:
        """Return services in the order in which they start."""
        return tuple(sorted(nodes, key=lambda node: (self.order[node], node)))


def graph_of(evidence: Evidence) -> Graph:
    """Return the graph of what was looked at."""
    needs: dict[Node, tuple[Node, ...]] = {}
    for stack in evidence.stacks:
        for service in stack.services:
            own = tuple((stack.target, dependency.service) for dependency in service.depends_on)
            needs[stack.target, service.name] = tuple(dict.fromkeys((*servers_of(evidence, stack, service), *own)))
    return Graph(needs, _waves(evidence, needs))


def _waves(evidence: Evidence, needs: Mapping[Node, tuple[Node, ...]]) -> dict[Node, int]:
    order: dict[Node, int] = {}
    for stack in evidence.stacks:
        mine = {
            node: [n for n in below if n[0] == stack.target] for node, below in needs.items() if node[0] == stack.target
        }
        first = max(order.values(), default=-1) + 1
        sorter: TopologicalSorter[Node] = TopologicalSorter(mine)
        sorter.prepare()
        while sorter.is_active():
            ready = sorter.get_ready()
            order |= dict.fromkeys(ready, first)
            sorter.done(*ready)
            first += 1
    return order
