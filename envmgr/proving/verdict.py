"""What an answer proves: a refusal is the server's own, or it is none."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from envmgr import naming
from envmgr.model.observed import ExecResult
from envmgr.model.proof import Attempt, Finding, Outcome, Trial

_RANKS = (Outcome.OPEN, Outcome.EXPOSED, Outcome.NOT_TRIED, Outcome.REFUSED, Outcome.SHARED)
"""What counts where several attempts make one row."""


def judge(attempt: Attempt, control: ExecResult | None, answer: ExecResult | None) -> tuple[Outcome, str]:
    """Return what came of an attempt, and the line that says so.

    Only words that the server has for a refusal are one: a program that is missing, a server that is silent and a slip
    in the attempt itself prove nothing, and neither does an attempt that does not even work on what is one's own.
    """
    if answer is None:
        return Outcome.NOT_TRIED, "it did not come to an end in time"
    if answer.exit_code == 0:
        return Outcome.OPEN, attempt.thing
    if attempt.reached and (said := _line(attempt.reached, answer.output)):
        return Outcome.OPEN, f"{attempt.thing}: {said}"
    if control is None or control.exit_code != 0:
        return Outcome.NOT_TRIED, f"it does not work on what is its own: {_first(control)}"
    said = _line(attempt.refusal, answer.output)
    return (Outcome.REFUSED, said) if said else (Outcome.NOT_TRIED, f"no refusal: {_first(answer)}")


def findings(trial: Trial, answers: Mapping[str, ExecResult], place: str) -> tuple[Finding, ...]:
    """Return what a trial has shown, one for each row."""
    found = (_finding(trial, one, answers, place) for one in trial.attempts)
    return (*merged(found), *shared(trial))


def untried(trial: Trial, why: str, others: Iterable[str]) -> tuple[Finding, ...]:
    """Return what a trial would have shown, had it been possible."""
    rows = {(one.other or naming.INFRA, one.what): one for one in trial.attempts}
    if not rows:
        keys: Iterable[tuple[str, str]] = ((other, "reach another's part") for other in others)
    else:
        keys = rows
    return tuple(Finding(trial.environment, other, trial.server, what, Outcome.NOT_TRIED, why) for other, what in keys)


def shared(trial: Trial) -> Iterator[Finding]:
    """Say what environments have in common in a server."""
    for what in trial.shared:
        yield Finding(trial.environment, naming.INFRA, trial.server, what, Outcome.SHARED, 'mode = "own" parts it')


def merged(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """Put findings of one row together: what is open counts, then what was not tried."""
    rows: dict[tuple[str, str, str, str], list[Finding]] = {}
    for one in found:
        rows.setdefault((one.environment, one.other, one.area, one.what), []).append(one)
    return tuple(_together(row) for row in rows.values())


def _together(row: list[Finding]) -> Finding:
    outcome = min((one.outcome for one in row), key=_RANKS.index)
    telling = [one for one in row if one.outcome is outcome]
    return replace(
        telling[0],
        detail="; ".join(dict.fromkeys(one.detail for one in telling if one.detail)),
        place=", ".join(dict.fromkeys(one.place for one in telling if one.place)),
        closes="; ".join(dict.fromkeys(one.closes for one in telling if one.closes)),
        tries=sum(one.tries for one in row),
    )


def _finding(trial: Trial, attempt: Attempt, answers: Mapping[str, ExecResult], place: str) -> Finding:
    outcome, said = judge(attempt, answers.get(attempt.control), answers.get(attempt.script))
    return Finding(
        environment=trial.environment,
        other=attempt.other or naming.INFRA,
        area=trial.server,
        what=attempt.what,
        outcome=outcome,
        detail=said,
        place=place,
        closes=_closing(trial, attempt) if outcome is Outcome.OPEN else "",
    )


def _closing(trial: Trial, attempt: Attempt) -> str:
    names = dict.fromkeys((trial.environment, *((attempt.other,) if attempt.other else ())))
    return attempt.closes or f"envmgr up {' '.join(names)}"


def _line(pattern: str, output: str) -> str:
    return next((line.strip()[:200] for line in output.splitlines() if re.search(pattern, line.strip())), "")


def _first(answer: ExecResult | None) -> str:
    if answer is None:
        return "it did not come to an end in time"
    lines = [line.strip() for line in answer.output.splitlines() if line.strip()]
    return lines[0][:200] if lines else f"exit code {answer.exit_code} without a word"
