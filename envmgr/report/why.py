"""The answer of `envmgr why`."""

from __future__ import annotations

import sys

from envmgr.model.diagnosis import Diagnosis
from envmgr.report.diagnosis import detail_lines, diagnosis_fields
from envmgr.report.machine import write_json
from envmgr.report.screen import paint, width, wrapped


def write_diagnosis(diagnosis: Diagnosis, *, as_json: bool) -> None:
    """Print what is wrong and what to type next, or that nothing is."""
    if as_json:
        write_json(**diagnosis_fields(diagnosis))
        return
    if diagnosis.first is None:
        what = f"{diagnosis.service} of {diagnosis.target}" if diagnosis.service else diagnosis.target
        sys.stdout.write(f"{what} is healthy\n")
        return
    first = diagnosis.first
    text = [("cause: ", "31;1", first.sentence), *(("", "", line) for line in detail_lines(diagnosis))]
    for head, style, line in text:
        for index, part in enumerate(wrapped(head + line, width(sys.stdout), " " * 7)):
            sys.stdout.write((part if index else paint(head, style, sys.stdout) + part.removeprefix(head)) + "\n")
    # Not broken, so that it can be copied as it stands.
    sys.stdout.write(f"{paint('next:  ', '1', sys.stdout)}{first.command}\n")
