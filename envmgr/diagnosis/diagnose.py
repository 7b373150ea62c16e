"""From evidence to a diagnosis: which failures are causes, which only follow, and what has to be mended first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from envmgr.diagnosis.evidence import Evidence, Node
from envmgr.diagnosis.explain import explain
from envmgr.diagnosis.graph import Graph, graph_of
from envmgr.diagnosis.masking import mask
from envmgr.diagnosis.proof import proof
from envmgr.diagnosis.scene import Scene
from envmgr.diagnosis.servers import unserved
from envmgr.diagnosis.signature import Finding
from envmgr.model.diagnosis import Consequence, Diagnosis, Fault

_WAITING = ("missing", "starting")
"""May yet come up, or was never asked to: the last to blame."""


@dataclass(frozen=True, slots=True)
class _Trouble:
    """A service that is not as it should be, or a server that does not serve the environment."""

    node: Node
    finding: Finding
    scene: Scene | None = None
    """None for a server that is healthy itself."""

    @property
    def is_waiting(self) -> bool:
        """It has not been created, or is still starting."""
        return self.finding.signature in _WAITING

    @property
    def is_certain(self) -> bool:
        """It was recognised, or says itself what is wrong."""
        return self.finding.is_recognised or self.finding.explanation.is_own

    @property
    def may_come_up(self) -> bool:
        """It has not had its time, and nothing is known against it."""
        return self.scene is not None and self.scene.witness.is_waiting and not self.is_certain

    @property
    def is_final(self) -> bool:
        """Waiting longer would not have helped."""
        return self.scene is None or self.scene.witness.health.verdict.is_final


def diagnose(evidence: Evidence) -> Diagnosis:
    """Return what is wrong, the first cause first; a diagnosis without a first cause when nothing is."""
    graph = graph_of(evidence)
    troubles = tuple(one for one in _troubles(evidence) if _concerns(evidence, graph, one.node))
    failing = frozenset(one.node for one in troubles)
    followers = [one for one in troubles if _follows(one, graph, failing)]
    causes = [one for one in troubles if one not in followers]
    acting = [one for one in causes if not one.is_waiting]
    # What merely waits explains nothing as long as anything else does.
    faults = [_fault(evidence, one) for one in sorted(acting or causes, key=lambda one: _urgency(one, graph))]
    if _is_down(evidence, troubles):
        return Diagnosis(evidence.stack.target, first=_down(evidence))
    return Diagnosis(
        evidence.stack.target,
        evidence.service,
        faults[0] if faults else None,
        tuple(faults[1:]),
        tuple(Consequence(*node) for node in graph.sorted(frozenset(one.node for one in followers))),
    )


def _troubles(evidence: Evidence) -> Iterator[_Trouble]:
    for node, finding in unserved(evidence):
        yield _Trouble(node, finding)
    for stack in evidence.stacks:
        for service in stack.services:
            witness = evidence.witness((stack.target, service.name))
            if witness is not None:
                scene = Scene(evidence, stack, service, witness)
                yield _Trouble(witness.node, explain(scene), scene)


def _concerns(evidence: Evidence, graph: Graph, node: Node) -> bool:
    """Tell whether a service is the one that was asked about, or below it; below the environment, when all were."""
    if evidence.find(node) is None:
        return True  # A managed server: nothing is known of who uses it.
    stack = evidence.stack
    asked = [(stack.target, s.name) for s in stack.services if evidence.service in ("", s.name)]
    return node in asked or any(node in graph.below(one) for one in asked)


def _follows(trouble: _Trouble, graph: Graph, failing: frozenset[Node]) -> bool:
    """Tell whether something else explains a failure: what its own words point at, or anything below it."""
    explanation = trouble.finding.explanation
    if explanation.points_at is not None:
        return explanation.points_at != trouble.node and explanation.points_at in failing
    return not explanation.is_own and bool(graph.below(trouble.node) & failing)


def _urgency(trouble: _Trouble, graph: Graph) -> tuple[bool, int, bool, bool, Node]:
    """Sort causes: what others stand on first, but what may yet come up last; then what is certain, and has ended."""
    is_open = not (trouble.is_certain or trouble.is_final)
    return trouble.may_come_up, graph.order.get(trouble.node, -1), not trouble.is_certain, is_open, trouble.node


def _fault(evidence: Evidence, trouble: _Trouble) -> Fault:
    explanation = trouble.finding.explanation
    return Fault(
        trouble.finding.signature,
        *trouble.node,
        mask(explanation.sentence, evidence.secrets),
        proof(evidence, trouble.finding, trouble.scene),
        explanation.command,
    )


def _is_down(evidence: Evidence, troubles: tuple[_Trouble, ...]) -> bool:
    """Tell whether nothing is wrong but that nothing was started."""
    lasting = {(evidence.stack.target, one.name) for one in evidence.stack.services if not one.is_job}
    absent = {one.node for one in troubles if one.finding.signature == "missing"}
    return not evidence.service and bool(lasting) and lasting <= absent and len(absent) == len(troubles)


def _down(evidence: Evidence) -> Fault:
    target = evidence.stack.target
    return Fault("down", target, "", f"{target} is down: no service of it has a container", (), f"envmgr up {target}")
