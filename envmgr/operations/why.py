"""Say why a target, or one service of it, is not healthy now."""

from __future__ import annotations

from envmgr.model.diagnosis import Diagnosis
from envmgr.operations.diagnosis import Known, examine
from envmgr.operations.session import Session


def why(session: Session, target: str, service: str = "") -> Diagnosis:
    """Diagnose what runs, or does not, at this moment; nothing is changed.

    Raises: `UsageError` for a target or service that the spec does not have, `EngineError` when Docker does not answer.
    """
    (stack,) = session.project.stacks((target,))
    if service:
        session.project.services(stack, (service,))
    return examine(session, stack, session.observe(), Known(), service)
