"""Errors as text or JSON."""

from __future__ import annotations

import sys
from typing import Any

from envmgr.errors import EnvmgrError
from envmgr.model.diagnosis import DiagnosedError
from envmgr.report.diagnosis import detail_lines, diagnosis_fields
from envmgr.report.machine import write_json
from envmgr.report.screen import paint, width, wrapped

_INDENT = " " * 7


def report_error(error: EnvmgrError, *, as_json: bool) -> None:
    """Say what failed, why, what state things are in, and what to type next."""
    if as_json:
        write_json(event="error", error=_fields(error))
        return
    sys.stderr.write("\n".join(_lines(error)) + "\n")


def _fields(error: EnvmgrError) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "code": int(error.exit_code),
        "message": error.message,
        "details": list(error.details),
        "state": error.state,
        "next": error.help,
    }
    if isinstance(error, DiagnosedError):
        fields["diagnosis"] = diagnosis_fields(error.diagnosis)
    return fields


def _lines(error: EnvmgrError) -> list[str]:
    details = detail_lines(error.diagnosis) if isinstance(error, DiagnosedError) else [f"  {d}" for d in error.details]
    return [
        *_headed("error: ", "31;1", error.message),
        *(line for detail in details for line in wrapped(detail, width(sys.stderr), _INDENT)),
        *_headed("state: ", "1", error.state),
        # Not broken, so that it can be copied as it stands.
        *([paint("next:  ", "1", sys.stderr) + error.help] if error.help else []),
    ]


def _headed(head: str, style: str, text: str) -> list[str]:
    if not text:
        return []
    first, *others = wrapped(head + text, width(sys.stderr), _INDENT)
    return [paint(head, style, sys.stderr) + first.removeprefix(head), *others]
