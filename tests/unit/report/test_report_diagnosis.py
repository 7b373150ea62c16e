"""A diagnosis as text and as JSON; the same from `why` and from a start that failed."""

from __future__ import annotations

import json

import pytest

from envmgr.model.diagnosis import Consequence, DiagnosedError, Diagnosis, Fault
from envmgr.report.errors import report_error
from envmgr.report.why import write_diagnosis

FIRST = Fault("stopped", "infra", "redis", "redis of infra was stopped", ("engine: exited",), "envmgr up infra redis")
OTHER = Fault("crash", "dev", "app", "app of dev: crash loop", ("log: no",), "envmgr logs dev app")
DOWN = (Consequence("dev", "worker"), Consequence("dev", "page"), Consequence("infra", "exporter"))
WHOLE = Diagnosis("dev", "", FIRST, (OTHER,), DOWN)
LINES = """\
  engine: exited
also:  app of dev: crash loop (next: envmgr logs dev app)
so:    worker, page of dev; exporter of infra cannot be healthy before that
"""
FIELDS = {
    "healthy": False,
    "target": "dev",
    "service": "",
    "cause": {
        "signature": "stopped",
        "target": "infra",
        "service": "redis",
        "sentence": "redis of infra was stopped",
        "evidence": ["engine: exited"],
        "next": "envmgr up infra redis",
    },
    "others": [
        {
            "signature": "crash",
            "target": "dev",
            "service": "app",
            "sentence": "app of dev: crash loop",
            "evidence": ["log: no"],
            "next": "envmgr logs dev app",
        }
    ],
    "consequences": [
        {"target": "dev", "service": "worker"},
        {"target": "dev", "service": "page"},
        {"target": "infra", "service": "exporter"},
    ],
}


def test_a_diagnosis_as_text(capsys: pytest.CaptureFixture[str]):
    write_diagnosis(WHOLE, as_json=False)
    out, err = capsys.readouterr()
    assert (out, err) == (f"cause: redis of infra was stopped\n{LINES}next:  envmgr up infra redis\n", "")


def test_a_diagnosis_as_json(capsys: pytest.CaptureFixture[str]):
    write_diagnosis(WHOLE, as_json=True)
    assert json.loads(capsys.readouterr().out) == {"format": 1, **FIELDS}


def test_nothing_wrong(capsys: pytest.CaptureFixture[str]):
    write_diagnosis(Diagnosis("dev", "app"), as_json=False)
    write_diagnosis(Diagnosis("dev"), as_json=False)
    assert capsys.readouterr().out == "app of dev is healthy\ndev is healthy\n"
    write_diagnosis(Diagnosis("dev"), as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert (found["healthy"], found["cause"], found["others"], found["consequences"]) == (True, None, [], [])


def test_a_start_that_failed_says_the_same(capsys: pytest.CaptureFixture[str]):
    error = DiagnosedError(WHOLE, FIRST, state="Running in dev: nothing.")
    report_error(error, as_json=False)
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        f"error: redis of infra was stopped\n{LINES}state: Running in dev: nothing.\nnext:  envmgr up infra redis\n"
    )
    report_error(error, as_json=True)
    told = json.loads(capsys.readouterr().out)["error"]
    assert told["diagnosis"] == FIELDS
    assert (told["code"], told["message"], told["details"]) == (5, "redis of infra was stopped", ["engine: exited"])
    assert (told["state"], told["next"]) == ("Running in dev: nothing.", "envmgr up infra redis")
