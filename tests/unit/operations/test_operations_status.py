"""`status`: one row a stack, one row a container, from one snapshot."""

from __future__ import annotations

import pytest

from envmgr.errors import EngineError, UsageError
from envmgr.model.observed import EngineHealth, State
from envmgr.model.result import StackRow
from envmgr.operations.status import status
from tests.house import WEB, House, fail


def rows(house: House, *targets: str) -> dict[str, StackRow]:
    return {row.target: row for row in status(house.session(), targets)}


def test_every_stack_is_shown_whether_it_runs_or_not(house: House):
    house.up("dev")
    found = rows(house)
    assert [(r.target, r.state, r.services_up, r.services, r.is_protected) for r in found.values()] == [
        ("infra", "up", 2, 2, True),
        ("dev", "up", 1, 1, False),
        ("stage", "down", 0, 1, False),
        ("prod", "down", 0, 1, True),
    ]
    assert [(r.service, r.container, r.verdict) for r in found["dev"].rows] == [
        ("migrate", "play-dev-migrate-1", "completed"),
        ("app", "play-dev-app-1", "healthy"),
        ("worker", "play-dev-worker-1", "completed"),
    ]
    assert [(r.container, r.verdict, r.uptime) for r in found["stage"].rows] == [("", "not created", None)] * 3


def test_some_services_of_one_target(house: House):
    house.up("dev")
    found = rows(house, "dev", "app")
    assert [(r.target, r.services_up, [row.service for row in r.rows]) for r in found.values()] == [("dev", 1, ["app"])]
    with pytest.raises(UsageError, match="dev has no service ap"):
        rows(house, "dev", "ap")


def test_a_container_that_runs_shows_since_when_and_where(house: House):
    house.write(WEB + "ports = { web = 8000 }\n")
    house.up("dev")
    house.engine.change(house.container("play-dev-web-1").id, restart_count=1)
    (row,) = rows(house, "dev")["dev"].rows
    assert (row.address, row.image, row.restarts) == ("http://localhost:8000", "registry.example/play:1", 1)
    assert row.uptime is not None
    assert row.uptime > 0


@pytest.mark.parametrize(
    ("fields", "state", "verdict", "reason"),
    [
        ({"health": EngineHealth.UNHEALTHY}, "partly up", "unhealthy", "its healthcheck fails"),
        ({"state": State.EXITED, "exit_code": 3}, "partly up", "failed", "last exit code 3"),
        ({"state": State.EXITED, "exit_code": 143}, "partly up", "stopped", "stopped"),
        ({"state": State.PAUSED}, "partly up", "stopped", "paused"),
        (
            {"state": State.RESTARTING, "restart_count": 4, "exit_code": 1},
            "partly up",
            "crash loop",
            "restarted 4 times, last exit code 1",
        ),
        ({"state": State.CREATED, "error": "port taken"}, "partly up", "failed", "port taken"),
    ],
)
def test_what_is_wrong_is_said(house: House, fields: dict[str, object], state: str, verdict: str, reason: str):
    house.up("infra")
    house.engine.change(house.container("play-infra-redis-1").id, **fields)
    found = rows(house, "infra")["infra"]
    assert (found.state, found.services_up) == (state, 1)
    row = found.rows[1]
    assert (row.service, row.verdict, row.reason) == ("redis", verdict, reason)


def test_a_stack_whose_replicas_are_not_all_there_is_partly_up(house: House):
    house.edit('kind = "asgi"', 'kind = "asgi"\nreplicas = 2')
    house.edit('[services.worker]\nkind = "job"', '[services.worker]\nkind = "asgi"\napp = "play:app"')
    house.edit('command = ["worker"]\n', "")
    house.engine.behaviours.pop("worker")
    house.up("dev")
    assert rows(house, "dev")["dev"].state == "up"
    house.engine.discard(house.engine.get("play-dev-app-2"))
    found = rows(house, "dev")["dev"]
    assert (found.state, found.services_up, found.services) == ("partly up", 1, 2)
    assert [(r.container, r.verdict) for r in found.rows if r.service == "app"] == [("play-dev-app-1", "healthy")]


def test_looking_changes_nothing_and_takes_one_snapshot(house: House):
    house.up("dev")
    house.forget()
    rows(house)
    assert house.engine.calls == []


def test_what_cannot_be_asked_is_an_error(house: House):
    with pytest.raises(UsageError, match='did you mean "prod"'):
        rows(house, "prd")
    house.engine.refusals["snapshot"] = fail("Docker is not running")
    with pytest.raises(EngineError, match="Docker is not running"):
        rows(house)
