"""Results on stdout: tables for people, documented JSON for machines."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict

from envmgr.model.result import (
    Address,
    ContainerRow,
    DownResult,
    HealthResult,
    InitResult,
    LogLine,
    ProbeReport,
    StackRow,
    UpResult,
)
from envmgr.report.machine import write_json as write_json
from envmgr.report.progress import STYLES, health_fields
from envmgr.report.screen import paint
from envmgr.report.table import Cell, Column, Row, print_table, row

Texts = tuple[str, ...]

_PROBES = (
    Column("TARGET"),
    Column("SERVICE"),
    Column("WHAT", 2, may_be_cut=True),
    Column("VERDICT"),
    Column("LATENCY", 1),
)
_CONTAINERS = (
    Column("CONTAINER"),
    Column("STATE"),
    Column("UPTIME", 1),
    Column("RESTARTS", 3),
    Column("ADDRESS", 2),
    Column("IMAGE", 4, may_be_cut=True),
)


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
    head = paint(f"{', '.join(result.targets)} {verb}", "32;1", sys.stdout)
    sys.stdout.write(f"{head}: {what}, {changes}, {result.seconds:.1f} s\n")
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
    print_table(_PROBES, [_probe_row(probe) for probe in result.probes], note="REASON")
    good = sum(probe.is_good for probe in result.probes)
    sys.stdout.write(f"{good} of {len(result.probes)} healthy in {result.seconds:.2f} s\n")


def _probe_row(probe: ProbeReport) -> Row:
    verdict = Cell(probe.verdict, verdict_style(probe.verdict))
    reason = "" if probe.is_good else probe.reason
    return row(probe.target, probe.service, probe.what, verdict, _milliseconds(probe.latency), note=reason)


def count(number: int, what: str) -> str:
    """Return `1 container`, `2 containers`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _milliseconds(latency: float | None) -> str:
    return "" if latency is None else f"{latency * 1000:.0f} ms"


def write_ps(stacks: tuple[StackRow, ...], *, as_json: bool) -> None:
    """Print every container."""
    containers = [row for stack in stacks for row in stack.rows if row.container]
    if as_json:
        write_json(containers=[asdict(row) for row in containers])
        return
    print_table(_CONTAINERS, [_container_row(one) for one in containers])


def _container_row(one: ContainerRow) -> Row:
    state = Cell(one.verdict, verdict_style(one.verdict))
    return row(one.container, state, duration(one.uptime), str(one.restarts), one.address, one.image)


def write_log_line(line: LogLine) -> None:
    """Print one line of a log, for machines."""
    write_json(event="log", **asdict(line))


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


def duration(seconds: float | None) -> str:
    """Return a time in one unit: `27 min`."""
    if seconds is None:
        return ""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def write_table(header: Texts, rows: Sequence[Texts], verdict: int | None = None) -> None:
    """Print aligned columns; on a narrow terminal the later ones give way."""
    columns = [Column(title, rank, may_be_cut=rank > 0) for rank, title in enumerate(header)]
    print_table(columns, [row(*(_cell(one, i == verdict) for i, one in enumerate(texts))) for texts in rows])


def _cell(text: str, is_verdict: bool) -> Cell:
    return Cell(text, verdict_style(text) if is_verdict else "")


def verdict_style(text: str) -> str:
    """Return the SGR style of a verdict in words; what is none is in red."""
    return STYLES.get(text, "31")
