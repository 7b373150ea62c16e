"""`health`: every service and every grant, at once, with the environment's own credentials."""

from __future__ import annotations

import pytest

from envmgr.errors import EngineError, UsageError
from envmgr.health import probe
from envmgr.model.observed import EngineHealth
from envmgr.model.result import HealthResult
from envmgr.operations.health import health
from tests.house import WEB, House, fail


def ask(house: House, *targets: str) -> HealthResult:
    house.forget()
    return health(house.session(), targets)


def verdicts(result: HealthResult) -> dict[tuple[str, str, str], str]:
    return {(p.target, p.service, p.what): p.verdict for p in result.probes}


def reasons(result: HealthResult) -> dict[tuple[str, str], str]:
    return {(p.service, p.what): p.reason for p in result.probes if not p.is_good}


DEV = {
    ("dev", "migrate", "job"): "completed",
    ("dev", "app", "asgi"): "healthy",
    ("dev", "worker", "job"): "completed",
    ("dev", "postgres", "PostgreSQL database dev_play"): "healthy",
    ("dev", "redis", "Redis keys dev_*"): "healthy",
}
INFRA = {("infra", "postgres", "postgres"): "healthy", ("infra", "redis", "redis"): "healthy"}


def test_everything_that_is_there_is_asked_when_nothing_is_named(house: House):
    house.up("dev")
    result = ask(house)
    assert (verdicts(result), result.is_good) == (INFRA | DEV, True)
    assert verdicts(ask(house, "dev")) == DEV
    assert house.calls("compose_up", "connect", "start", "restart") == []


def test_each_environment_is_asked_with_its_own_password(house: House):
    house.up("dev", "stage")
    house.servers.variables.clear()
    ask(house, "stage")
    passed = [value for variables in house.servers.variables for value in variables.values()]
    assert {house.secrets("stage")["POSTGRES_PASSWORD"], house.secrets("stage")["REDIS_PASSWORD"]} <= {*passed}
    assert not {*house.secrets("dev").values()} & {*passed}


def test_a_stopped_server_is_a_verdict_not_an_error(house: House):
    house.up("dev")
    house.engine.halt(house.engine.get("play-infra-redis-1"))
    result = ask(house)
    assert not result.is_good
    assert verdicts(result)["infra", "redis", "redis"] == "stopped"
    assert reasons(result) == {
        ("redis", "redis"): "stopped",
        ("redis", "Redis keys dev_*"): "redis of infra does not run",
    }


def test_a_password_that_is_refused_is_shown_with_the_servers_words(house: House):
    house.up("dev")
    house.servers.refuses.add("probe postgres dev")
    result = ask(house, "dev")
    assert reasons(result) == {("postgres", "PostgreSQL database dev_play"): "postgres says no"}


def test_a_page_that_does_not_answer_outweighs_the_healthcheck(house: House, monkeypatch: pytest.MonkeyPatch):
    house.write(WEB + "ports = { web = 8000 }\n")
    house.up("dev")
    monkeypatch.setattr(probe, "_get", lambda _probe: (False, "GET http://127.0.0.1:8000/health: 503"))
    assert reasons(ask(house)) == {("web", "asgi"): "GET http://127.0.0.1:8000/health: 503"}


def test_an_unhealthy_container_stays_so_whatever_its_probe_says(house: House):
    house.up("dev")
    house.engine.change(house.container("play-infra-redis-1").id, health=EngineHealth.UNHEALTHY)
    assert reasons(ask(house, "infra")) == {("redis", "redis"): "its healthcheck fails"}


def test_an_environment_that_is_down_asks_nothing_of_the_servers(house: House):
    house.up("infra")
    assert verdicts(ask(house)) == INFRA
    down = ask(house, "stage")
    assert {p.verdict for p in down.probes} == {"not created"}
    assert {p.service for p in down.probes} == {"migrate", "app", "worker"}
    assert not down.is_good


def test_nothing_at_all_is_not_healthy(house: House):
    assert (ask(house).probes, ask(house).is_good) == ((), False)


def test_an_engine_that_is_not_there_is_an_error(house: House):
    house.engine.refusals["snapshot"] = fail("Docker is not running")
    with pytest.raises(EngineError, match="Docker is not running"):
        ask(house)
    house.engine.refusals.clear()
    with pytest.raises(UsageError, match='did you mean "stage"'):
        ask(house, "stag")


def test_an_engine_that_fails_one_question_answers_the_others(house: House):
    house.up("dev")
    house.engine.refusals["exec"] = fail("Docker broke the connection")
    result = ask(house)
    assert set(reasons(result).values()) == {"Docker broke the connection"}
    assert verdicts(result)["dev", "app", "asgi"] == "healthy"
