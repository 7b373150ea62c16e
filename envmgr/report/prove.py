"""The matrix of attempts and environments, and every crossing in words."""

from __future__ import annotations

import sys
from dataclasses import asdict

from envmgr.model.proof import Finding, Outcome, Proof
from envmgr.report.machine import write_json
from envmgr.report.screen import paint, width, wrapped
from envmgr.report.table import Cell, Column, Row, print_table

_STYLES = {
    Outcome.REFUSED: "32",
    Outcome.OPEN: "31;1",
    Outcome.EXPOSED: "31;1",
    Outcome.SHARED: "36",
    Outcome.NOT_TRIED: "33",
}
_CROSSED = (Outcome.OPEN, Outcome.EXPOSED)
_WORST = (Outcome.OPEN, Outcome.EXPOSED, Outcome.NOT_TRIED, Outcome.REFUSED, Outcome.SHARED)


def write_proof(proof: Proof, *, as_json: bool) -> None:
    """Print what came of every attempt."""
    if as_json:
        write_json(
            event="result",
            environments=list(proof.environments),
            crossings=len(proof.crossings),
            findings=[asdict(one) for one in proof.findings],
            seconds=round(proof.seconds, 3),
        )
        return
    _matrix(proof)
    _crossings(proof)
    _reasons(proof, Outcome.NOT_TRIED, "not tried")
    _reasons(proof, Outcome.SHARED, "shared")
    _summary(proof)


def _columns(proof: Proof) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*proof.environments, *(one.environment for one in proof.findings))))


def _matrix(proof: Proof) -> None:
    names = _columns(proof)
    cells: dict[tuple[str, str], dict[str, list[Finding]]] = {}
    for one in proof.findings:
        if one.outcome is not Outcome.SHARED:
            cells.setdefault((one.area, one.what), {}).setdefault(one.environment, []).append(one)
    columns = (Column("WHERE"), Column("ATTEMPT", 1, may_be_cut=True), *(Column(f"FROM {name}") for name in names))
    rows = [
        Row((Cell(area), Cell(what), *(_cell(found.get(name, [])) for name in names)))
        for (area, what), found in sorted(cells.items(), key=lambda item: item[0][0])
    ]
    print_table(columns, rows)


def _cell(found: list[Finding]) -> Cell:
    if not found:
        return Cell("-")
    outcome = min((one.outcome for one in found), key=_WORST.index)
    text = outcome.value.upper() if outcome in _CROSSED else outcome.value
    return Cell(text, _STYLES[outcome])


def _crossings(proof: Proof) -> None:
    for one in proof.crossings:
        head = paint(one.outcome.value.upper(), _STYLES[one.outcome], sys.stdout)
        origin = f" (from {one.place})" if one.place else ""
        _say(f"\n{head}  {one.environment} → {one.other}, {one.area}: {one.what}{origin}")
        _say(f"    {one.detail}")
        if one.closes:
            _say(f"    close it: {one.closes}")


def _reasons(proof: Proof, outcome: Outcome, title: str) -> None:
    """Say why, each reason once, with the rows that it is for."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for one in proof.findings:
        if one.outcome is outcome:
            groups.setdefault((one.area, one.what if outcome is Outcome.SHARED else one.detail), []).append(one)
    if groups:
        _say(f"\n{paint(title, _STYLES[outcome], sys.stdout)}")
    for (area, text), found in groups.items():
        rows = "" if outcome is Outcome.SHARED else f" ({', '.join(dict.fromkeys(one.what for one in found))})"
        hint = f"; {found[0].detail}" if outcome is Outcome.SHARED and found[0].detail else ""
        _say(f"    {area}: {text}{rows}{hint}")


def _summary(proof: Proof) -> None:
    tries = sum(one.tries for one in proof.findings if one.outcome is not Outcome.SHARED)
    untried = sum(one.outcome is Outcome.NOT_TRIED for one in proof.findings)
    head = paint(_told(proof), "31;1" if proof.crossings else "32;1", sys.stdout)
    more = f", {untried} row{'s' if untried > 1 else ''} not tried" if untried else ""
    _say(f"\n{', '.join(proof.environments)}: {head}; {tries} attempts{more}, {proof.seconds:.1f} s")


def _told(proof: Proof) -> str:
    exposed = [one.environment for one in proof.crossings if one.outcome is Outcome.EXPOSED]
    number = len(proof.crossings) - len(exposed)
    told = "nothing crosses" if not number else f"{number} crossing{'s' if number > 1 else ''}"
    reach = "reaches" if len(exposed) == 1 else "reach"
    return told + (f", but {', '.join(exposed)} {reach} what the host itself listens with" if exposed else "")


def _say(text: str) -> None:
    for line in text.split("\n"):
        sys.stdout.write("\n".join(wrapped(line, width(sys.stdout), "      ") if line else [""]) + "\n")
