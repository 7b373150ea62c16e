"""Results: tables for people, one documented JSON object for machines."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from envmgr.model.health import ServiceHealth, Verdict
from envmgr.model.result import (
    Address,
    ContainerRow,
    DownResult,
    HealthResult,
    ProbeReport,
    SidesResult,
    StackRow,
    UpResult,
)
from envmgr.report import results
from envmgr.report.native import write_sides
from envmgr.report.status import write_status

UP = UpResult(
    ("infra", "dev"),
    (
        ServiceHealth("infra", "redis", Verdict.HEALTHY, "", 0.00123456, 1.23456),
        ServiceHealth("dev", "migrate", Verdict.COMPLETED, "exited with code 0"),
    ),
    (Address("dev", "app", "http://localhost:8000"), Address("infra", "redis", "localhost:6379")),
    12.3456,
    2,
)
DOWN = DownResult(("dev", "infra"), ("play-dev-app-1", "play-infra-redis-1"), ("play-infra-redis-data",))
HEALTH = HealthResult(
    (
        ProbeReport("dev", "app", "asgi", "healthy", True, "hidden when good", 0.0042),
        ProbeReport("dev", "postgres", "PostgreSQL database dev_play", "unhealthy", False, "refused", None),
    ),
    0.1239,
)
ROW = ContainerRow(
    "dev", "app", "play-dev-app-1", "healthy", "", "play-app:env-dev", 7200.0, 0, "http://localhost:8000"
)
GONE = ContainerRow("dev", "worker", "", "not created", "no container", "play-app:env-dev", None, 0, "")
STATUS = (StackRow("dev", "partly up", 1, 2, True, (ROW, GONE)), StackRow("stage", "down", 0, 2, False, ()))
CHANGES = [("a.yml", "stale", ("--- a.yml", "+++ a.yml", "-1", "+2")), ("b.yml", "new", ())]

ROW_FIELDS = {
    "target": "dev",
    "service": "app",
    "container": "play-dev-app-1",
    "verdict": "healthy",
    "reason": "",
    "image": "play-app:env-dev",
    "uptime": 7200.0,
    "restarts": 0,
    "address": "http://localhost:8000",
    "stand_in": "",
    "side": "container",
}
GONE_FIELDS = ROW_FIELDS | {
    "service": "worker",
    "container": "",
    "verdict": "not created",
    "reason": "no container",
    "uptime": None,
    "address": "",
}
JSON: list[tuple[Callable[[], None], dict]] = [
    (
        lambda: results.write_up(UP, as_json=True),
        {
            "event": "result",
            "targets": ["infra", "dev"],
            "services": [
                {
                    "target": "infra",
                    "service": "redis",
                    "verdict": "healthy",
                    "reason": "",
                    "latency": 0.0012,
                    "seconds": 1.2346,
                },
                {
                    "target": "dev",
                    "service": "migrate",
                    "verdict": "completed",
                    "reason": "exited with code 0",
                    "latency": None,
                    "seconds": None,
                },
            ],
            "addresses": [
                {"target": "dev", "service": "app", "url": "http://localhost:8000", "login": ""},
                {"target": "infra", "service": "redis", "url": "localhost:6379", "login": ""},
            ],
            "changed": 2,
            "seconds": 12.346,
        },
    ),
    (
        lambda: results.write_down(DOWN, as_json=True),
        {
            "targets": ["dev", "infra"],
            "removed": ["play-dev-app-1", "play-infra-redis-1"],
            "kept": ["play-infra-redis-data"],
        },
    ),
    (
        lambda: results.write_health(HEALTH, as_json=True),
        {
            "healthy": False,
            "probes": [
                {
                    "target": "dev",
                    "service": "app",
                    "what": "asgi",
                    "verdict": "healthy",
                    "is_good": True,
                    "reason": "hidden when good",
                    "latency": 0.0042,
                },
                {
                    "target": "dev",
                    "service": "postgres",
                    "what": "PostgreSQL database dev_play",
                    "verdict": "unhealthy",
                    "is_good": False,
                    "reason": "refused",
                    "latency": None,
                },
            ],
            "seconds": 0.124,
        },
    ),
    (
        lambda: results.write_health(HealthResult((), 0.0), as_json=True),
        {"healthy": False, "probes": [], "seconds": 0.0},
    ),
    (
        lambda: write_status(STATUS, as_json=True),
        {
            "stacks": [
                {
                    "target": "dev",
                    "state": "partly up",
                    "services_up": 1,
                    "services": 2,
                    "is_protected": True,
                    "rows": [ROW_FIELDS, GONE_FIELDS],
                    "oldest_secret": "",
                    "secret_age": None,
                    "release": "",
                },
                {
                    "target": "stage",
                    "state": "down",
                    "services_up": 0,
                    "services": 2,
                    "is_protected": False,
                    "rows": [],
                    "oldest_secret": "",
                    "secret_age": None,
                    "release": "",
                },
            ]
        },
    ),
    (lambda: results.write_ps(STATUS, as_json=True), {"containers": [ROW_FIELDS]}),
    (
        lambda: results.write_changes(CHANGES, as_json=True),
        {"changes": [{"path": "a.yml", "change": "stale"}, {"path": "b.yml", "change": "new"}]},
    ),
    (lambda: results.write_changes([], as_json=True), {"changes": []}),
]
TEXT: list[tuple[Callable[[], None], str]] = [
    (
        lambda: results.write_up(UP, as_json=False),
        """\
infra, dev up: 2 services healthy, 2 started, 12.3 s
  dev    app    http://localhost:8000
  infra  redis  localhost:6379
""",
    ),
    (
        lambda: results.write_up(UpResult(("dev",), (), (), 0.04, 0), as_json=False, verb="restarted"),
        "dev restarted: 0 services healthy, nothing to change, 0.0 s\n",
    ),
    (
        lambda: write_sides(SidesResult("dev", ("app",), ("worker",), ("app",), 2, UP.addresses, 1.24), as_json=False),
        """\
dev: app on the desk; worker in Docker; 2 services healthy, 1.2 s
  dev    app    http://localhost:8000
  infra  redis  localhost:6379
next:  envmgr run dev app
""",
    ),
    (
        lambda: results.write_down(DOWN, as_json=False),
        "dev, infra down: 2 containers removed\n  kept volume play-infra-redis-data\n",
    ),
    (
        lambda: results.write_down(DownResult(("dev",), (), ()), as_json=False, verb="destroyed"),
        "dev destroyed: 0 containers removed\n",
    ),
    (
        lambda: results.write_health(HEALTH, as_json=False),
        """\
TARGET  SERVICE   WHAT                          VERDICT    LATENCY  REASON
dev     app       asgi                          healthy    4 ms
dev     postgres  PostgreSQL database dev_play  unhealthy           refused
1 of 2 healthy in 0.12 s
""",
    ),
    (
        lambda: results.write_health(HealthResult((), 0.0), as_json=False),
        "nothing runs; start with: envmgr up dev\n",
    ),
    (
        lambda: write_status(STATUS, as_json=False),
        """\
✗ worker of dev: not created (no container)
  next: envmgr why dev worker

        dev                                   stage
        1/2 up                                down
app     ✓ healthy 2 h  http://localhost:8000         play-app:env-dev
worker  ✗ not created                                play-app:env-dev
""",
    ),
    (
        lambda: results.write_ps(STATUS, as_json=False),
        """\
CONTAINER       STATE    UPTIME  RESTARTS  ADDRESS                IMAGE
play-dev-app-1  healthy  2 h     0         http://localhost:8000  play-app:env-dev
""",
    ),
    (lambda: results.write_ps((), as_json=False), ""),
    (
        lambda: results.write_changes(CHANGES, as_json=False),
        "stale: a.yml\n  --- a.yml\n  +++ a.yml\n  -1\n  +2\nnew: b.yml\n",
    ),
    (lambda: results.write_changes(iter([]), as_json=False), "up to date\n"),
]


@pytest.mark.parametrize(("write", "expected"), JSON)
def test_the_shape_for_machines(capsys: pytest.CaptureFixture[str], write: Callable[[], None], expected: dict):
    write()
    out, err = capsys.readouterr()
    assert (err, out.count("\n")) == ("", 1)
    assert json.loads(out) == {"format": 1} | expected


@pytest.mark.parametrize(("write", "expected"), TEXT)
def test_the_text_in_a_pipe(capsys: pytest.CaptureFixture[str], write: Callable[[], None], expected: str):
    write()
    assert capsys.readouterr() == (expected, "")


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (None, ""),
        (0.0, "0 s"),
        (59.4, "59 s"),
        (60.0, "1 min"),
        (3599.0, "60 min"),
        (3600.0, "1 h"),
        (90_000.0, "1 d"),
        (864_000.0, "10 d"),
    ],
)
def test_a_duration_in_one_unit(capsys: pytest.CaptureFixture[str], seconds: float | None, expected: str):
    row = ContainerRow("dev", "app", "c", "healthy", "", "i", seconds, 0, "")
    results.write_ps((StackRow("dev", "up", 1, 1, False, (row,)),), as_json=False)
    header, line = capsys.readouterr().out.splitlines()
    start, end = header.index("UPTIME"), header.index("RESTARTS")
    assert line[start:end].strip() == expected


# ---- on a terminal


def test_on_a_terminal_verdicts_have_a_colour(on_terminal):
    written = on_terminal(lambda: results.write_health(HEALTH, as_json=False))
    assert "\x1b[32mhealthy" in written
    assert "\x1b[31munhealthy" in written


def test_on_a_narrow_terminal_a_reason_stands_below(on_terminal, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("NO_COLOR", "1")
    probe = ProbeReport("dev", "app", "asgi", "unhealthy", False, "answered with status 503 to GET /health", 0.1)
    written = on_terminal(lambda: results.write_health(HealthResult((probe,), 0.0), as_json=False))
    assert written.splitlines()[:4] == [
        "TARGET  SERVICE  VERDICT    LATENCY",
        "dev     app      unhealthy  100 ms",
        "    answered with status 503 to GET",
        "    /health",
    ]


def test_markup_in_a_reason_is_text(on_terminal):
    probe = ProbeReport("dev", "app", "asgi", "unhealthy", False, "[red]x[/] [/nothing]", None)
    written = on_terminal(lambda: results.write_health(HealthResult((probe,), 0.0), as_json=False))
    assert "[red]x[/] [/nothing]" in written


def test_json_is_json_on_a_terminal_too(on_terminal):
    assert json.loads(on_terminal(lambda: write_status(STATUS, as_json=True)))["format"] == 1
