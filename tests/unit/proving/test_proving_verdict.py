"""What an answer proves."""

from __future__ import annotations

import pytest

from envmgr.model.observed import ExecResult
from envmgr.model.proof import Attempt, Finding, Outcome, Trial
from envmgr.proving import script, verdict

ATTEMPT = Attempt("read", "prod", "keys prod_*", "theirs", "own", "NOPERM", "no such thing")
GOOD = ExecResult(0, "1\n")
MARK = "mark-0"


@pytest.mark.parametrize(
    ("control", "answer", "outcome", "said"),
    [
        (GOOD, ExecResult(1, "NOPERM no permissions\n"), Outcome.REFUSED, "NOPERM no permissions"),
        (GOOD, ExecResult(0, "value\n"), Outcome.OPEN, "keys prod_*"),
        (GOOD, ExecResult(1, "ERR no such thing\n"), Outcome.OPEN, "keys prod_*: ERR no such thing"),
        (GOOD, ExecResult(127, "redis-cli: not found\n"), Outcome.NOT_TRIED, "no refusal: redis-cli: not found"),
        (
            GOOD,
            ExecResult(1, "Could not connect: timed out\n"),
            Outcome.NOT_TRIED,
            "no refusal: Could not connect: timed out",
        ),
        (GOOD, ExecResult(2, ""), Outcome.NOT_TRIED, "no refusal: exit code 2 without a word"),
        (GOOD, None, Outcome.NOT_TRIED, "it did not come to an end in time"),
        (
            ExecResult(1, "WRONGPASS\n"),
            ExecResult(1, "NOPERM\n"),
            Outcome.NOT_TRIED,
            "it does not work on what is its own: WRONGPASS",
        ),
        (
            None,
            ExecResult(1, "NOPERM\n"),
            Outcome.NOT_TRIED,
            "it does not work on what is its own: it did not come to an end in time",
        ),
        # What crosses has crossed, whatever else does not work.
        (ExecResult(1, "WRONGPASS\n"), ExecResult(0, "value\n"), Outcome.OPEN, "keys prod_*"),
    ],
)
def test_only_the_servers_own_refusal_is_one(
    control: ExecResult | None, answer: ExecResult | None, outcome: Outcome, said: str
):
    assert verdict.judge(ATTEMPT, control, answer) == (outcome, said)


def trial(*attempts: Attempt) -> Trial:
    return Trial(
        "dev", "redis", "Redis", attempts, files={"KEY": "API_KEY"}, prelude="ask() { :; }\n", shared=("its CPU",)
    )


def other(what: str, attempt: str) -> Attempt:
    return Attempt(what, "", what, attempt, "own", "NOPERM")


def test_a_script_runs_each_control_once_and_reads_what_the_container_was_given():
    text = script.script(trial(ATTEMPT, other("scan", "all")), MARK)
    assert text.startswith(
        'if [ -r "/run/secrets/API_KEY" ]; then KEY=$(cat "/run/secrets/API_KEY"); export KEY; fi\nask()'
    )
    assert [line for line in text.splitlines() if line in ("own", "theirs", "all")] == ["own", "theirs", "all"]


def test_answers_are_told_apart_and_a_cut_one_is_none():
    both = trial(ATTEMPT, other("scan", "all"))
    output = f"\n{MARK} 0\n1\n\n{MARK} 0: 0\n\n{MARK} 1\nNOPERM a\nNOPERM b\n\n{MARK} 1: 1\n\n{MARK} 2\nhalf an ans"
    assert script.answers(both, MARK, output) == {
        "own": ExecResult(0, "1"),
        "theirs": ExecResult(1, "NOPERM a\nNOPERM b"),
    }
    assert script.answers(both, "another-mark", output) == {}


def test_a_row_is_open_when_one_of_its_attempts_is():
    both = trial(other("default", "a"), other("default", "b"))
    found = verdict.findings(both, {"own": GOOD, "a": ExecResult(1, "NOPERM"), "b": GOOD}, "dev app")
    assert found == (
        Finding("dev", "infra", "redis", "default", Outcome.OPEN, "default", "dev app", "envmgr up dev", tries=2),
        Finding("dev", "infra", "redis", "its CPU", Outcome.SHARED, 'mode = "own" parts it'),
    )


def test_a_row_is_not_refused_as_long_as_one_of_its_attempts_was_not_made():
    both = trial(other("default", "a"), other("default", "b"))
    found = verdict.findings(both, {"own": GOOD, "a": ExecResult(1, "NOPERM")}, "dev app")
    assert (found[0].outcome, found[0].detail) == (Outcome.NOT_TRIED, "it did not come to an end in time")


def test_what_crosses_names_the_command_that_closes_it():
    (found, _) = verdict.findings(trial(ATTEMPT), {"own": GOOD, "theirs": GOOD}, "dev app")
    assert (found.other, found.closes) == ("prod", "envmgr up dev prod")


def test_a_trial_that_cannot_be_made_says_so_for_each_of_its_rows():
    found = verdict.untried(trial(ATTEMPT, other("scan", "all")), "it is down", ("prod",))
    assert [(one.other, one.what, one.outcome, one.detail) for one in found] == [
        ("prod", "read", Outcome.NOT_TRIED, "it is down"),
        ("infra", "scan", Outcome.NOT_TRIED, "it is down"),
    ]
    (bare,) = verdict.untried(Trial("dev", "cache", "memcached", why_not="why"), "why", ("prod",))
    assert (bare.other, bare.what) == ("prod", "reach another's part")
