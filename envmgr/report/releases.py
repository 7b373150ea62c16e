"""How a deploy or rollback went, and which releases there are."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from envmgr.model.release import DeployResult, MaintenanceResult, ReleaseRow
from envmgr.report.machine import write_json
from envmgr.report.results import duration
from envmgr.report.screen import printable
from envmgr.report.table import Cell, Column, print_table, row

_COLUMNS = (
    Column("RELEASE"),
    Column("STATE"),
    Column("COLOUR", 1),
    Column("MADE", 2),
    Column("BY", 4, may_be_cut=True),
    Column("COMMIT", 3),
    Column("CHANGED", 1, may_be_cut=True),
)
_STYLES = {"live": "green", "warm": "yellow", "kept": "", "failed": "dim"}


def write_deployed(result: DeployResult, *, as_json: bool) -> None:
    """Print which release serves now."""
    if as_json:
        write_json(event="result", **asdict(result))
        return
    before = f", before it {result.before}" if result.before is not None else ""
    sys.stdout.write(
        f"{result.environment} serves release {result.release} ({result.colour}){before}: "
        f"switched in {result.switched_in:.2f} s, {duration(result.seconds)} in all\n"
    )
    for url in result.urls:
        sys.stdout.write(f"  {url}\n")


def _as_data(one: ReleaseRow) -> dict[str, Any]:
    data = asdict(one)
    release = data["release"]
    release["images"] = [{"service": name, **image} for name, image in release["images"].items()]
    release["values"] = [{"name": name, "digest": digest} for name, digest in release["values"].items()]
    return data


def write_releases(rows: Sequence[ReleaseRow], *, as_json: bool) -> None:
    """Print releases, newest first."""
    if as_json:
        write_json(releases=[_as_data(one) for one in rows])
        return
    if not rows:
        sys.stdout.write("nothing was released yet\n")
        return
    shown = [
        row(
            str(one.release.number),
            Cell(printable(one.state), _STYLES.get(one.state, "red")),
            one.colour,
            one.release.made.replace("T", " ")[:16],
            printable(one.release.by),
            one.release.commit,
            "; ".join(one.changes),
        )
        for one in rows
    ]
    print_table(_COLUMNS, shown)


def write_maintenance(result: MaintenanceResult, *, as_json: bool) -> None:
    """Print whether visitors get an answer."""
    if as_json:
        write_json(event="result", **asdict(result))
        return
    if not result.is_on:
        sys.stdout.write(f"{result.environment} answers everybody\n")
        return
    others = f"; served all the same: {', '.join(result.allowed)}" if result.allowed else ""
    sys.stdout.write(
        f"{result.environment} shows a page instead of answers{others}; envmgr maintenance off {result.environment}\n"
    )
