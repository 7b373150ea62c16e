"""What was done to secrets, as text or JSON; never a value."""

from __future__ import annotations

import sys
from dataclasses import asdict

from envmgr.model.result import Rotated, RotateResult
from envmgr.report.machine import write_json


def write_rotated(result: RotateResult, *, as_json: bool) -> None:
    """Print what was exchanged and who got it."""
    if as_json:
        write_json(
            target=result.target, rotated=[_fields(one) for one in result.rotated], seconds=round(result.seconds, 3)
        )
        return
    for one in result.rotated:
        sys.stdout.write(f"{result.target} {one.subject}: {_told(one)} ({one.seconds:.1f} s)\n")


def _fields(one: Rotated) -> dict[str, object]:
    return {**asdict(one), "seconds": round(one.seconds, 3)}


def _told(one: Rotated) -> str:
    users = f"in use by {', '.join(one.consumers)}" if one.consumers else "used by nothing that runs"
    return f"new one {users}" + ("; old one refused" if one.is_proven else "")
