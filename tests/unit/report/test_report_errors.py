"""Errors as text on stderr, or as one JSON object on stdout."""

from __future__ import annotations

import json

import pytest

from envmgr.errors import (
    EngineError,
    EnvmgrError,
    ExitCode,
    InterruptedByUser,
    LockedError,
    NotDeployedError,
    NotHealthyError,
    PreflightError,
    Problem,
    SpecError,
    StaleError,
    UsageError,
)
from envmgr.report.errors import report_error

WHOLE = NotHealthyError(
    "app of dev: unhealthy: not healthy within 60 s",
    state="Running in dev: flower.",
    help="envmgr logs dev app",
    details=("log: no module named chatbot", "log: [exit 1]"),
)


def test_an_error_as_text(capsys: pytest.CaptureFixture[str]):
    report_error(WHOLE, as_json=False)
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        "error: app of dev: unhealthy: not healthy within 60 s\n"
        "  log: no module named chatbot\n"
        "  log: [exit 1]\n"
        "state: Running in dev: flower.\n"
        "next:  envmgr logs dev app\n"
    )


def test_an_error_with_a_message_alone(capsys: pytest.CaptureFixture[str]):
    report_error(EnvmgrError("no"), as_json=False)
    assert capsys.readouterr() == ("", "error: no\n")


def test_an_error_as_json(capsys: pytest.CaptureFixture[str]):
    report_error(WHOLE, as_json=True)
    out, err = capsys.readouterr()
    assert (err, out.count("\n")) == ("", 1)
    assert json.loads(out) == {
        "format": 1,
        "event": "error",
        "error": {
            "code": 5,
            "message": "app of dev: unhealthy: not healthy within 60 s",
            "details": ["log: no module named chatbot", "log: [exit 1]"],
            "state": "Running in dev: flower.",
            "next": "envmgr logs dev app",
        },
    }


def test_every_problem_of_a_spec_has_a_line(capsys: pytest.CaptureFixture[str]):
    problems = (
        Problem("unknown key", "services.app.imag", "envmgr.toml", 12, 1, 'did you mean "image"?'),
        Problem("is not UTF-8", file="envmgr.toml"),
        Problem("too many"),
    )
    report_error(SpecError("envmgr.toml has 3 problems", problems), as_json=False)
    assert capsys.readouterr().err == (
        "error: envmgr.toml has 3 problems\n"
        '  envmgr.toml:12:1 services.app.imag: unknown key (did you mean "image"?)\n'
        "  envmgr.toml: is not UTF-8\n"
        "  too many\n"
    )


def test_on_a_terminal_the_heads_are_coloured(on_terminal):
    lines = on_terminal(lambda: report_error(WHOLE, as_json=False)).splitlines()
    assert lines[0] == "\x1b[31;1merror: \x1b[0mapp of dev: unhealthy: not healthy within 60 s"
    assert lines[-1] == "\x1b[1mnext:  \x1b[0menvmgr logs dev app"


@pytest.mark.parametrize(("value", "is_coloured"), [("1", False), ("0", False), ("", True)])
def test_no_color_is_heeded_when_it_is_not_empty(on_terminal, monkeypatch, value: str, is_coloured: bool):
    monkeypatch.setenv("NO_COLOR", value)
    assert ("\x1b" in on_terminal(lambda: report_error(WHOLE, as_json=False))) is is_coloured


def test_each_error_has_the_exit_code_that_is_documented():
    codes = {
        EnvmgrError: 1,
        UsageError: 2,
        SpecError: 3,
        EngineError: 4,
        PreflightError: 4,
        NotHealthyError: 5,
        NotDeployedError: 6,
        StaleError: 7,
        LockedError: 8,
        InterruptedByUser: 130,
    }
    assert {kind: int(kind.exit_code) for kind in codes} == codes
    assert [code.value for code in ExitCode] == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 130]
