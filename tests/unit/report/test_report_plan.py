"""A plan as a person reads it, and as a machine does."""

from __future__ import annotations

import io
import json

import pytest

from envmgr.errors import Problem
from envmgr.model.plan import Action, Cause, Interruption, Loss, Place, Plan, Remark, Risk, Step, Subject
from envmgr.report.plan import plan_fields, plan_lines, write_plan, write_plan_or_json

WORKERS = Place("environments.stage.workers", "envmgr.toml", 41)
COMMAND = "uvicorn chat.main:app --host 0.0.0.0 --port 8000 --workers {} --log-level info --no-server-header"
RECREATE = Step(
    "stage",
    Subject.SERVICE,
    "app",
    Action.RECREATE,
    (
        Cause("command", COMMAND.format(2), COMMAND.format(4), WORKERS),
        Cause("variables.WEB_CONCURRENCY", "2", "4", WORKERS),
        Cause("secrets.SECRET_KEY", None, None, Place("variables.SECRET_KEY", "envmgr.toml", 12)),
        Cause("files.config/app.conf", "0123", "4567"),
        Cause("gpus", "2", None),
        Cause("shm", None, "64M"),
    ),
    containers=("play-stage-app-1",),
    loss=Loss(Interruption.REQUESTS, ("stage",), 90),
    disturbs=("stage",),
)
WHOLE = Plan(
    ("infra", "stage"),
    (
        Step("", Subject.IMAGE, "play-app:env-stage", Action.BUILD, reason="the source in app has changed"),
        Step("infra", Subject.VOLUME, "play-infra-redis-data", Action.CREATE),
        Step("infra", Subject.SERVICE, "redis", Action.CREATE),
        Step("stage", Subject.NETWORK, "play-stage-data", Action.CREATE),
        Step("stage", Subject.NETWORK, "redis", Action.CONNECT, (Cause("networks", None, "play-stage-data"),)),
        Step("stage", Subject.GRANT, "database stage_play", Action.PROVISION, reason="its password has changed"),
        RECREATE,
        Step(
            "stage",
            Subject.SERVICE,
            "worker",
            Action.RESTART,
            (Cause("health", "unhealthy", "healthy"),),
            containers=("play-stage-worker-1", "play-stage-worker-2"),
            loss=Loss(Interruption.IN_HAND, ("stage",), 60),
            is_drift=True,
        ),
        Step(
            "stage",
            Subject.SERVICE,
            "mailer",
            Action.REMOVE,
            reason="the spec no longer has mailer",
            containers=("play-stage-mailer-1",),
            loss=Loss(Interruption.REQUESTS, ("stage",), None),
        ),
    ),
)
TEXT = """\
images
  + build     play-app:env-stage: the source in app has changed
infra
  + create    volume play-infra-redis-data
  + create    redis
stage
  + create    network play-stage-data
  + connect   redis
      networks  none → play-stage-data
  + provision database stage_play: its password has changed
  ± recreate  app
      command                    … --workers 2 … → … --workers 4 …  (envmgr.toml:41 environments.stage.workers)
      variables.WEB_CONCURRENCY  2 → 4  (envmgr.toml:41 environments.stage.workers)
      secrets.SECRET_KEY         changed  (envmgr.toml:12 variables.SECRET_KEY)
      files.config/app.conf      changed
      gpus                       2 → none
      shm                        none → 64M
      lost: requests of stage to app, for 90 s at most
  ~ restart   worker (2 containers): changed by hand
      health  unhealthy → healthy
      lost: nothing that waits; what it has in hand has 60 s to finish
  - remove    mailer (play-stage-mailer-1): the spec no longer has mailer
      lost: what stage asks of mailer, for good
1 to build, 3 to create, 1 to recreate, 1 to restart, 1 to remove, 1 to provision, 1 to connect; no data at risk
"""


def test_the_text_of_a_whole_plan():
    assert "\n".join(plan_lines(WHOLE)) + "\n" == TEXT


def test_nothing_to_do_is_one_line():
    assert plan_lines(Plan(("dev",))) == ("nothing to do",)


def test_what_is_left_alone_remarked_and_refused_is_told():
    redis = Step("infra", Subject.SERVICE, "redis", Action.RECREATE, (Cause("memory", "64M", "96M"),))
    problem = Problem("volume x was written by version 7", "infra.redis.version", "envmgr.toml", 8, hint="go back")
    plan = Plan(("dev",), (), (redis,), (Remark("dev", "volume y stays"), Remark("", "an image is old")), (problem,))
    assert plan_lines(plan) == (
        "infra (left as it is; to apply: envmgr up infra)",
        "  = recreate  redis",
        "      memory  64M → 96M",
        "note: dev: volume y stays",
        "note: an image is old",
        "refused: envmgr.toml:8 infra.redis.version: volume x was written by version 7 (go back)",
        "refused: up would change nothing",
    )


def test_data_that_is_deleted_stands_out():
    risk = Risk("volume play-dev-data", "all its data")
    plan = Plan(("dev",), (Step("dev", Subject.VOLUME, "play-dev-data", Action.REMOVE, risks=(risk,)),))
    assert plan_lines(plan) == (
        "dev",
        "  - remove    volume play-dev-data",
        "      deletes volume play-dev-data (all its data)",
        "1 to remove; deletes volume play-dev-data",
    )


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("a b", "a c", "a b → a c"),
        ("x" * 200, "y", f"{'x' * 60} … {'x' * 60} → y"),
        (f"run {'same ' * 20}--old 1", f"run {'same ' * 20}--new 1", "… same --old … → … same --new …"),
        (f"{'same ' * 20}end", f"{'same ' * 20}more end", "… same … → … same more …"),
    ],
)
def test_a_long_value_shows_where_it_differs(old: str, new: str, expected: str):
    step = Step("dev", Subject.SERVICE, "app", Action.RECREATE, (Cause("command", old, new),))
    assert plan_lines(Plan(("dev",), (step,)))[2] == f"      command  {expected}"


def test_the_shape_for_machines(capsys: pytest.CaptureFixture[str]):
    plan = Plan(("stage",), (RECREATE,), remarks=(Remark("stage", "note"),), refusals=(Problem("no", "a.b"),))
    write_plan_or_json(plan, as_json=True)
    found = json.loads(capsys.readouterr().out)
    (step,) = found.pop("steps")
    assert found == {
        "format": 1,
        "event": "plan",
        "targets": ["stage"],
        "changes": 1,
        "kept": [],
        "remarks": [{"target": "stage", "text": "note"}],
        "refusals": [{"message": "no", "path": "a.b", "file": "", "line": None, "column": None, "hint": ""}],
        "disturbs": ["stage"],
    }
    assert step["causes"][1] == {
        "field": "variables.WEB_CONCURRENCY",
        "old": "2",
        "new": "4",
        "place": {"path": "environments.stage.workers", "file": "envmgr.toml", "line": 41},
    }
    assert step["loss"] == {"what": "requests", "whose": ["stage"], "seconds": 90}
    shape = {"target", "subject", "name", "action", "causes", "reason", "containers", "loss", "risks", "is_drift"}
    assert set(step) == shape | {"disturbs"}
    assert json.loads(json.dumps(plan_fields(WHOLE)))["changes"] == 9


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_colour_is_for_terminals_alone(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    for name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE"):
        monkeypatch.delenv(name, raising=False)
    pipe, terminal = io.StringIO(), Terminal()
    write_plan(WHOLE, pipe)
    write_plan(WHOLE, terminal)
    assert pipe.getvalue() == TEXT
    assert "\x1b[33m  ± recreate  app\x1b[0m" in terminal.getvalue()
    monkeypatch.setenv("NO_COLOR", "1")
    write_plan(WHOLE, plain := Terminal())
    assert plain.getvalue() == TEXT


def test_a_narrow_terminal_gets_lines_broken_between_words(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("NO_COLOR", "1")
    write_plan(WHOLE, terminal := Terminal())
    lines = terminal.getvalue().splitlines()
    assert max(map(len, lines)) <= 60
    assert "        environments.stage.workers)" in lines
