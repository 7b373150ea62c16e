"""Where services run after some have moved between their containers and the desk."""

from __future__ import annotations

import sys
from dataclasses import asdict

from envmgr.model.result import SidesResult
from envmgr.report.results import count, write_addresses, write_json


def write_sides(result: SidesResult, *, as_json: bool) -> None:
    """Print who is where, and what starts those that nothing runs."""
    if as_json:
        write_json(event="result", **asdict(result) | {"seconds": round(result.seconds, 3)})
        return
    sides = (("on the desk", result.native), ("in Docker", result.container))
    told = "; ".join(f"{', '.join(names)} {side}" for side, names in sides if names)
    proven = f"{count(result.healthy, 'service')} healthy"
    sys.stdout.write(f"{result.target}: {told}; {proven}, {result.seconds:.1f} s\n")
    write_addresses(result.addresses)
    for name in result.stopped:
        sys.stdout.write(f"next:  envmgr run {result.target} {name}\n")
