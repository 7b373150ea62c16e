"""A diagnosis as text or JSON: the same for a start that failed and for `why`.

The JSON shape: `healthy`, `target`, `service` (empty when the whole target was asked about), `cause` (null when all is
well), `others` and `consequences`. A cause, and each of the others, has `signature`, `target`, `service`, `sentence`,
`evidence` (lines) and `next`; a consequence has `target` and `service`.
"""

from __future__ import annotations

from typing import Any

from envmgr.model.diagnosis import Consequence, Diagnosis, Fault


def detail_lines(diagnosis: Diagnosis) -> list[str]:
    """Return what stands between the first cause and the next command."""
    lines = [f"  {line}" for line in diagnosis.first.evidence] if diagnosis.first else []
    lines += [f"also:  {fault.sentence} (next: {fault.command})" for fault in diagnosis.others]
    if diagnosis.consequences:
        lines.append(f"so:    {_services(diagnosis.consequences)} cannot be healthy before that")
    return lines


def _services(consequences: tuple[Consequence, ...]) -> str:
    """Name services by target: `app, worker of dev`."""
    targets = dict.fromkeys(one.target for one in consequences)
    named = {target: [one.service for one in consequences if one.target == target] for target in targets}
    return "; ".join(f"{', '.join(services)} of {target}" for target, services in named.items())


def diagnosis_fields(diagnosis: Diagnosis) -> dict[str, Any]:
    """Return a diagnosis in its JSON shape."""
    return {
        "healthy": diagnosis.is_healthy,
        "target": diagnosis.target,
        "service": diagnosis.service,
        "cause": _fields(diagnosis.first) if diagnosis.first else None,
        "others": [_fields(fault) for fault in diagnosis.others],
        "consequences": [{"target": one.target, "service": one.service} for one in diagnosis.consequences],
    }


def _fields(fault: Fault) -> dict[str, Any]:
    return {
        "signature": fault.signature,
        "target": fault.target,
        "service": fault.service,
        "sentence": fault.sentence,
        "evidence": list(fault.evidence),
        "next": fault.command,
    }
