"""Errors as text or JSON."""

from __future__ import annotations

import json
import sys
from typing import Any

from envmgr.errors import EnvmgrError
from envmgr.model.diagnosis import DiagnosedError
from envmgr.report.diagnosis import detail_lines, diagnosis_fields

FORMAT = 1
"""Version of every JSON shape that a command prints."""


def report_error(error: EnvmgrError, *, as_json: bool) -> None:
    """Say what failed, why, what state things are in, and what to type next."""
    if as_json:
        body: dict[str, Any] = {
            "code": int(error.exit_code),
            "message": error.message,
            "details": list(error.details),
            "state": error.state,
            "next": error.help,
        }
        if isinstance(error, DiagnosedError):
            body["diagnosis"] = diagnosis_fields(error.diagnosis)
        print(json.dumps({"format": FORMAT, "event": "error", "error": body}))  # noqa: T201 - the result
        return
    lines = [_styled("error: ", "31;1") + error.message]
    if isinstance(error, DiagnosedError):
        lines += detail_lines(error.diagnosis)
    else:
        lines += [f"  {line}" for line in error.details]
    lines += [_styled("state: ", "1") + error.state] if error.state else []
    lines += [_styled("next:  ", "1") + error.help] if error.help else []
    sys.stderr.write("\n".join(lines) + "\n")


def _styled(text: str, code: str) -> str:
    import os

    if sys.stderr.isatty() and not os.environ.get("NO_COLOR"):
        return f"\x1b[{code}m{text}\x1b[0m"
    return text
