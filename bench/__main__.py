"""Measure envmgr against what one would use without it, side by side in one run: `make bench`."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from bench import files, stacks
from bench.measure import Row

HEADER = ("WHAT", "SECONDS", "AGAINST", "SECONDS", "RATIO", "AIM", "", "CPU", "PEAK MB", "RUNS")


def main() -> None:
    """Measure and print; the exit code says whether it ran, not whether aims are met."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--runs", type=int, default=5, help="repeats of each side, at least 5 (default: 5)")
    parser.add_argument("--only", choices=["files", "engine"], help="leave the other half out")
    options = parser.parse_args()
    if options.runs < 5:
        parser.error("--runs: fewer than 5 tell nothing on a busy machine")
    with tempfile.TemporaryDirectory(prefix="envmgr-bench-") as folder:
        found = []
        for row in measured(Path(folder), options):
            print(f"{row.what}: {row.ratio:.2f}", file=sys.stderr)
            found.append(row)
    if options.json:
        print(json.dumps({"format": 1, "machine": machine(), "rows": [fields(row) for row in found]}))
    else:
        print(f"medians of runs in turn on {machine()}")
        table([HEADER, *(line(row) for row in found)])


def measured(folder: Path, options: argparse.Namespace) -> Iterator[Row]:
    """Yield each line as it is known."""
    if options.only != "engine":
        yield from files.rows(folder / "files", options.runs)
    if options.only != "files":
        if shutil.which("docker") is None:
            raise SystemExit("no docker command: python -m bench --only files")
        yield from stacks.rows(folder / "engine", options.runs)


def machine() -> str:
    """Describe where this was measured, and how busy it was."""
    load = os.getloadavg()[0]
    return f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}, load {load:.1f}"


def fields(row: Row) -> dict[str, object]:
    """Return a row for machines."""
    return {**asdict(row), "verdict": row.verdict}


def line(row: Row) -> tuple[str, ...]:
    """Return a row for people."""
    return (
        row.what,
        f"{row.ours:.3f}",
        row.against,
        f"{row.theirs:.3f}",
        f"{row.ratio:.2f}",
        "" if row.aim is None else f"{row.aim:.1f}",
        row.verdict,
        " / ".join(f"{one:.2f}" for one in row.cpu),
        " / ".join(f"{one:.0f}" for one in row.megabytes),
        str(row.runs),
    )


def table(rows: list[tuple[str, ...]]) -> None:
    """Print aligned columns."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


main()
