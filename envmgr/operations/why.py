"""Say why a target, or one service of it, is not healthy now."""

from __future__ import annotations

from dataclasses import replace

from envmgr.model.diagnosis import Diagnosis, Fault
from envmgr.operations.desk import desk_faults
from envmgr.operations.diagnosis import Known, examine
from envmgr.operations.serving import UNKNOWN, as_expected, states
from envmgr.operations.session import Session


def why(session: Session, target: str, service: str = "") -> Diagnosis:
    """Diagnose what runs, or does not, at this moment; nothing is changed.

    Raises: `UsageError` for a target or service that the spec does not have, `EngineError` when Docker does not answer.
    """
    (stack,) = session.project.stacks((target,), takes_colours=True)
    if service and service not in {one.name for one in stack.native}:
        session.project.services(stack, (service,))
    observed = session.observe()
    if stack.part_of and not service:
        stack = as_expected(stack, states(session, observed).get(target, UNKNOWN))
    found = examine(session, stack, observed, Known(), service)
    return _with_desk(found, desk_faults(session.project.folder, stack, service))


def _with_desk(found: Diagnosis, faults: tuple[Fault, ...]) -> Diagnosis:
    """Add what is wrong on the desk; what is wrong in Docker comes first, as the desk stands on it."""
    if found.first is not None:
        return replace(found, others=(*found.others, *faults))
    return replace(found, first=faults[0], others=faults[1:]) if faults else found
