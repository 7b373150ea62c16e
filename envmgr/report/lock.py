"""The answer of `envmgr lock`."""

from __future__ import annotations

import sys
from dataclasses import asdict

from envmgr.model.result import LockResult
from envmgr.report.results import write_json, write_table

_SHOWN = 19
"""`sha256:` and twelve digits."""


def write_lock(result: LockResult, *, as_json: bool) -> None:
    """Print what each image is held to, and what has changed."""
    if as_json:
        images = [asdict(row) for row in result.rows]
        write_json(path=result.path, changed=result.has_changed, images=images, notes=list(result.notes))
        return
    rows = [(r.reference, r.origin, r.held_to[:_SHOWN], ", ".join(r.platforms), r.change) for r in result.rows]
    write_table(("IMAGE", "FROM", "HELD TO", "PLATFORMS", "CHANGE"), rows)
    for note in result.notes:
        sys.stdout.write(f"{note}\n")
    sys.stdout.write(f"{result.path} written\n" if result.has_changed else f"{result.path} is up to date\n")
