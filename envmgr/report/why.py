"""The answer of `envmgr why`."""

from __future__ import annotations

import sys

from envmgr.model.diagnosis import Diagnosis
from envmgr.report.diagnosis import detail_lines, diagnosis_fields
from envmgr.report.results import write_json


def write_diagnosis(diagnosis: Diagnosis, *, as_json: bool) -> None:
    """Print what is wrong and what to type next, or that nothing is."""
    if as_json:
        write_json(**diagnosis_fields(diagnosis))
        return
    if diagnosis.first is None:
        what = f"{diagnosis.service} of {diagnosis.target}" if diagnosis.service else diagnosis.target
        sys.stdout.write(f"{what} is healthy\n")
        return
    lines = [f"cause: {diagnosis.first.sentence}", *detail_lines(diagnosis), f"next:  {diagnosis.first.command}"]
    sys.stdout.write("\n".join(lines) + "\n")
