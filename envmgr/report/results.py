"""Results on stdout: tables for people, documented JSON for machines."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from envmgr.model.result import (
    Address,
    DownResult,
    HealthResult,
    InitResult,
    StackRow,
    UpResult,
)
from envmgr.report.errors import FORMAT
from envmgr.report.progress import health_fields

Row = tuple[str, ...]


def write_json(**fields: Any) -> None:
    """Print one JSON object on one line."""
    sys.stdout.write(json.dumps({"format": FORMAT, **fields}) + "\n")


def write_up(result: UpResult, *, as_json: bool, verb: str = "up") -> None:
    """Print what runs and where."""
    if as_json:
        write_json(
            event="result",
            targets=list(result.targets),
            services=[health_fields(health) for health in result.services],
            addresses=[asdict(address) for address in result.addresses],
            changed=result.changed,
            seconds=round(result.seconds, 3),
        )
        return
    what = count(len(result.services), "service") + " healthy"
    changes = "nothing to change" if result.changed == 0 else f"{result.changed} started"
    sys.stdout.write(f"{', '.join(result.targets)} {verb}: {what}, {changes}, {result.seconds:.1f} s\n")
    write_addresses(result.addresses)


def write_addresses(addresses: tuple[Address, ...]) -> None:
    """Print where services listen on the host."""
    rows = [(f"  {a.target}", a.service, a.url, f"login: {a.login}" if a.login else "") for a in addresses]
    write_table(("", "", "", ""), rows)


def write_down(result: DownResult, *, as_json: bool, verb: str = "down") -> None:
    """Print what was removed and what stays."""
    if as_json:
        write_json(targets=list(result.targets), removed=list(result.removed), kept=list(result.kept))
        return
    sys.stdout.write(f"{', '.join(result.targets)} {verb}: {count(len(result.removed), 'container')} removed\n")
    for name in result.kept:
        sys.stdout.write(f"  kept volume {name}\n")


def write_init(result: InitResult, *, as_json: bool) -> None:
    """Print what was written, what was left alone, and what to look at."""
    if as_json:
        write_json(**asdict(result))
        return
    for path in result.written:
        sys.stdout.write(f"wrote {path}\n")
    for path in result.kept:
        sys.stdout.write(f"kept  {path}: it was there already\n")
    for note in result.notes:
        sys.stdout.write(f"note: {note}\n")
    sys.stdout.write(f"next: look at {result.spec}, then: envmgr up {result.environments[0]}\n")


def write_health(result: HealthResult, *, as_json: bool) -> None:
    """Print every probe with its latency."""
    if as_json:
        probes = [asdict(probe) for probe in result.probes]
        write_json(healthy=result.is_good, probes=probes, seconds=round(result.seconds, 3))
        return
    if not result.probes:
        sys.stdout.write("nothing runs; start with: envmgr up dev\n")
        return
    rows = [
        (p.target, p.service, p.what, p.verdict, _milliseconds(p.latency), "" if p.is_good else p.reason)
        for p in result.probes
    ]
    write_table(("TARGET", "SERVICE", "WHAT", "VERDICT", "LATENCY", "REASON"), rows, verdict=3)
    good = sum(probe.is_good for probe in result.probes)
    sys.stdout.write(f"{good} of {len(result.probes)} healthy in {result.seconds:.2f} s\n")


def count(number: int, what: str) -> str:
    """Return `1 container`, `2 containers`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _milliseconds(latency: float | None) -> str:
    return "" if latency is None else f"{latency * 1000:.0f} ms"


def write_status(stacks: tuple[StackRow, ...], *, as_json: bool) -> None:
    """Print every stack with its services."""
    if as_json:
        write_json(stacks=[asdict(stack) for stack in stacks])
        return
    rows = []
    for stack in stacks:
        for row in stack.rows:
            is_plain = row.verdict in ("healthy", "completed") or not row.reason
            verdict = row.verdict if is_plain else f"{row.verdict} ({row.reason})"
            rows.append((row.target, row.service, verdict, _duration(row.uptime), row.address, row.image))
    write_table(("TARGET", "SERVICE", "STATE", "UPTIME", "ADDRESS", "IMAGE"), rows, verdict=2)
    summary = [f"{s.target} {s.state} ({s.services_up}/{s.services})" for s in stacks]
    sys.stdout.write(", ".join(summary) + "\n")
    for row in (row for stack in stacks for row in stack.rows if row.stand_in):
        sys.stdout.write(f"stand-in: {row.target} {row.service} is {row.stand_in}, not the real server\n")


def write_ps(stacks: tuple[StackRow, ...], *, as_json: bool) -> None:
    """Print every container."""
    containers = [row for stack in stacks for row in stack.rows if row.container]
    if as_json:
        write_json(containers=[asdict(row) for row in containers])
        return
    rows = [(r.container, r.verdict, _duration(r.uptime), str(r.restarts), r.address, r.image) for r in containers]
    write_table(("CONTAINER", "STATE", "UPTIME", "RESTARTS", "ADDRESS", "IMAGE"), rows, verdict=1)


def write_changes(changes: Iterable[tuple[str, str, tuple[str, ...]]], *, as_json: bool) -> None:
    """Print (path, change, difference) of rendered files."""
    changes = list(changes)
    if as_json:
        write_json(changes=[{"path": path, "change": change} for path, change, _ in changes])
        return
    for path, change, diff in changes:
        sys.stdout.write(f"{change}: {path}\n")
        for line in diff:
            sys.stdout.write(f"  {line}\n")
    if not changes:
        sys.stdout.write("up to date\n")


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def write_table(header: Row, rows: Sequence[Row], verdict: int | None = None) -> None:
    """Print aligned columns; on a terminal with colour, in a pipe as plain text."""
    if not rows:
        return
    if sys.stdout.isatty():
        _write_rich_table(header, rows, verdict)
        return
    shown = [header, *rows] if any(header) else rows
    widths = [max(len(row[i]) for row in shown) for i in range(len(header))]
    for row in shown:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        sys.stdout.write("  ".join(cells).rstrip() + "\n")


def _write_rich_table(header: Row, rows: Sequence[Row], verdict: int | None) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=any(header), header_style="bold", padding=(0, 2, 0, 0))
    for name in header:
        table.add_column(name, overflow="fold")
    for row in rows:
        cells = [Text(cell) for cell in row]
        if verdict is not None:
            cells[verdict].stylize("green" if row[verdict].startswith(("healthy", "completed")) else "red")
        table.add_row(*cells)
    Console(highlight=False).print(table)
