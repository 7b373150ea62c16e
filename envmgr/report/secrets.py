"""Secrets by name, and what is wrong with them; a value only where `secrets show` was asked for it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from envmgr.model.result import Rotated, RotateResult
from envmgr.model.secrets import SecretFinding, SecretRow, SecretShown, SecretsKept
from envmgr.report.machine import write_json
from envmgr.report.results import duration
from envmgr.report.screen import paint, printable
from envmgr.report.table import Cell, Column, print_table, row

_COLUMNS = (
    Column("TARGET"),
    Column("SECRET"),
    Column("STRENGTH", 1),
    Column("AGE", 2),
    Column("SOURCE", 3, may_be_cut=True),
    Column("USED BY", 4, may_be_cut=True),
)


def write_kept(kept: Sequence[SecretsKept], *, as_json: bool) -> None:
    """Print what was made or set, by name."""
    if as_json:
        write_json(event="result", kept=[asdict(one) for one in kept])
        return
    done = [one for one in kept if one.names]
    for one in done:
        sys.stdout.write(
            f"{one.target}: {', '.join(one.names)} kept in {one.source}; envmgr up {one.target} applies it\n"
        )
    if not done:
        sys.stdout.write("nothing was missing that can be made\n")


def write_list(rows: Sequence[SecretRow], *, as_json: bool) -> None:
    """Print every secret with its source, its age and how strong it is."""
    now = datetime.now(UTC)
    if as_json:
        write_json(secrets=[{**asdict(one), "since": _text(one.since), "age": _age(one, now)} for one in rows])
        return
    shown = [
        row(
            one.target,
            one.name,
            Cell(one.strength or "not set", _style(one)),
            duration(_age(one, now)),
            one.source,
            ", ".join(one.used_by),
        )
        for one in rows
    ]
    print_table(_COLUMNS, shown)


def write_shown(shown: SecretShown, *, as_json: bool) -> None:
    """Print one value, and on stderr that it is there to be seen."""
    if as_json:
        write_json(target=shown.target, name=shown.name, value=shown.value.reveal(), source=shown.source)
        return
    sys.stderr.write(f"{shown.name} of {shown.target}, from {shown.source}, is shown in clear:\n")
    sys.stdout.write(shown.value.reveal().removesuffix("\n") + "\n")


def write_check(findings: Sequence[SecretFinding], *, as_json: bool) -> None:
    """Print everything that was found."""
    if as_json:
        write_json(good=not any(one.severity == "error" for one in findings), findings=[asdict(f) for f in findings])
        return
    for one in findings:
        mark = paint("✗", "31", sys.stdout) if one.severity == "error" else paint("!", "33", sys.stdout)
        head = ": ".join(part for part in (one.target, one.message) if part)
        place = f" ({one.place})" if one.place and one.place not in one.message else ""
        sys.stdout.write(printable(f"{head}{place}").join((f"{mark} ", "\n")))
        if one.next:
            sys.stdout.write(f"    {printable(one.next)}\n")
    sys.stdout.write(_summary(findings) + "\n")


def write_rotated(result: RotateResult, *, as_json: bool) -> None:
    """Print what was exchanged and who got it."""
    if as_json:
        write_json(
            target=result.target, rotated=[_rotated(one) for one in result.rotated], seconds=round(result.seconds, 3)
        )
        return
    for one in result.rotated:
        sys.stdout.write(f"{result.target} {one.subject}: {_told(one)} ({one.seconds:.1f} s)\n")


def _rotated(one: Rotated) -> dict[str, object]:
    return {**asdict(one), "seconds": round(one.seconds, 3)}


def _told(one: Rotated) -> str:
    users = f"in use by {', '.join(one.consumers)}" if one.consumers else "used by nothing that runs"
    return f"new one {users}" + ("; old one refused" if one.is_proven else "")


def _summary(findings: Sequence[SecretFinding]) -> str:
    errors = sum(one.severity == "error" for one in findings)
    warnings = len(findings) - errors
    if not findings:
        return "nothing is wrong"
    counted = ((errors, "error"), (warnings, "warning"))
    return ", ".join(f"{number} {word}{'' if number == 1 else 's'}" for number, word in counted if number)


def _style(one: SecretRow) -> str:
    return {"good": "32", "": "2"}.get(one.strength, "31")


def _text(since: datetime | None) -> str | None:
    return since.isoformat() if since else None


def _age(one: SecretRow, now: datetime) -> float | None:
    return max(0.0, (now - one.since).total_seconds()) if one.since else None
