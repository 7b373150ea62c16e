"""What an import did, as tables for people and JSON for machines."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from textwrap import fill

from envmgr.model.imported import Difference, Fate, ImportResult
from envmgr.report.results import count, write_json, write_table

_SAYS_NOTHING = ("", "set", "true", "published", "mounted", "joined", "by name")
"""Values that are there so that there is one."""
_WIDTH = 110
_LONGEST = 80
_EVERYWHERE = 2
"""Services that must share an addition for it to be told once."""


def write_import(result: ImportResult, *, as_json: bool) -> None:
    """Print what became what, what was added, what changed, what was not carried over, and what is to be decided."""
    if as_json:
        write_json(
            event="result",
            file=result.file,
            environment=result.environment,
            services=[asdict(one) for one in result.services],
            **{fate.value: [_fields(one) for one in result.of(fate)] for fate in Fate},
            decisions=list(result.decisions),
            values=[{"name": name, "file": file} for name, file in result.values.items()],
            compared=result.is_compared,
        )
        return
    sys.stdout.write(f"{result.file}: {count(len(result.services), 'service')} imported\n\n")
    write_table(("SERVICE", "KIND", "IN THE SPEC", "RUNS", ""), _became(result))
    _write_added(result.of(Fate.ADDED))
    _write_differences("changed", result.of(Fate.CHANGED))
    _write_differences("not carried over", result.of(Fate.LOST))
    _write_lines("written", [f"{name} to {file}" for name, file in result.values.items()])
    _write_lines("to decide", result.decisions)
    _write_end(result)


def _fields(one: Difference) -> Mapping[str, str]:
    return {key: str(value) for key, value in asdict(one).items() if key != "fate"}


def _became(result: ImportResult) -> list[tuple[str, ...]]:
    return [
        (one.service, one.kind or "left out", one.table if one.kind else "", one.runs, one.why)
        for one in result.services
    ]


def _write_added(found: tuple[Difference, ...]) -> None:
    """Print additions: what every service gets once, then what is some services' own."""
    if not found:
        return
    sys.stdout.write("\nadded\n")
    services = dict.fromkeys(one.service for one in found)
    there = {(one.service, one.key) for one in found}
    users: dict[str, list[str]] = {}
    for one in (one for one in found if not _is_said(one, there)):
        sharing = users.setdefault(_addition(one), [])
        if one.service not in sharing:
            sharing.append(one.service)
    groups: dict[tuple[str, ...], list[str]] = {}
    for what, sharing in users.items():
        groups.setdefault(tuple(sharing), []).append(what)
    for names, added in sorted(groups.items(), key=lambda pair: -len(pair[0])):
        who = "every service" if len(names) == len(services) >= _EVERYWHERE else ", ".join(names)
        line = f"{who}: {', '.join(added)}"
        sys.stdout.write(
            fill(
                line,
                _WIDTH,
                initial_indent="  ",
                subsequent_indent="      ",
                break_long_words=False,
                break_on_hyphens=False,
            )
            + "\n"
        )


def _addition(one: Difference) -> str:
    if one.key.startswith("labels.envmgr."):
        return "labels envmgr.*"
    key = one.key.replace("environment.", "variable ").replace("limits.", "limit of ")
    if one.after in _SAYS_NOTHING:
        return key.replace(".", " ", 1)
    return f"{key} {_short(one.after)}"


def _write_differences(title: str, found: tuple[Difference, ...]) -> None:
    """Print differences with their reasons, those that several services share once."""
    gone = {(one.service, one.key) for one in found if not one.after}
    groups: dict[tuple[str, str, str, str], list[Difference]] = {}
    for one in found:
        if not _is_said(one, gone):
            groups.setdefault((one.key, one.before, one.after, one.why), []).append(one)
    if groups:
        sys.stdout.write(f"\n{title}\n")
    for (key, before, after, why), shared in groups.items():
        places = ", ".join(one.place for one in shared if one.place)
        services = ", ".join(one.service for one in shared if one.service)
        values = f": {_short(before) or '(nothing)'} → {_short(after)}" if after else _silent(before)
        head = " ".join(part for part in (places, services, key) if part)
        sys.stdout.write(f"  {head}{values}\n      {why}\n")


def _is_said(one: Difference, there: set[tuple[str, str]]) -> bool:
    """Tell whether what is above it in the document is told already."""
    return any((one.service, one.key[:at]) in there for at, sign in enumerate(one.key) if sign == ".")


def _silent(before: str) -> str:
    return f": {_short(before)}" if before not in _SAYS_NOTHING else ""


def _short(text: str) -> str:
    line = text.replace("\n", "\\n")
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def _write_lines(title: str, lines: Iterable[str]) -> None:
    lines = list(lines)
    if lines:
        sys.stdout.write(f"\n{title}\n" + "".join(f"  {line}\n" for line in lines))


def _write_end(result: ImportResult) -> None:
    if result.is_compared:
        sys.stdout.write("\nEverything else is the same, as docker compose config reads both.\n")
        sys.stdout.write(f"next: read {result.file}, then envmgr up {result.environment}\n")
    else:
        sys.stdout.write("\nIt could not be compared with the project yet: it waits for the decisions above.\n")
