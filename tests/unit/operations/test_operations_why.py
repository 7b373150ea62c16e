"""Why a target, or a service of it, is not healthy now."""

from __future__ import annotations

import pytest

from envmgr.errors import EngineError, UsageError
from envmgr.model.diagnosis import Consequence, Diagnosis
from envmgr.model.observed import State
from envmgr.operations.why import why
from tests.fakes.engine import Behaviour
from tests.hints import runnable
from tests.house import House, fail


def ask(house: House, *names: str) -> Diagnosis:
    house.forget()
    found = why(house.session(), *names)
    assert house.calls("compose_up", "connect", "start", "restart", "stop") == [], "it only looks"
    if found.first is not None:
        runnable(found.first.command)
    return found


def test_all_is_well(house: House):
    house.up()
    assert ask(house, "dev") == Diagnosis("dev")
    assert ask(house, "dev", "app") == Diagnosis("dev", "app")
    assert ask(house, "infra") == Diagnosis("infra")


def test_nothing_was_started(house: House):
    first = ask(house, "dev").first
    assert first is not None
    assert (first.signature, first.command) == ("down", "envmgr up dev")
    house.up("stage")
    assert ask(house, "stage").is_healthy
    down = ask(house, "dev").first
    assert down is not None
    assert down.sentence == "dev is down: no service of it has a container"


def test_a_server_that_was_stopped_and_a_service_that_needs_it(house: House):
    house.up()
    house.engine.halt(house.engine.get("play-infra-redis-1"))
    house.engine.get("play-dev-app-1").logs = "Error 111 connecting to redis:6379. Connection refused.\n"
    house.engine.change(house.container("play-dev-app-1").id, state=State.RESTARTING, restart_count=4, exit_code=1)
    found = ask(house, "dev")
    assert found.first is not None
    assert (found.first.target, found.first.service, found.first.signature) == ("infra", "redis", "stopped")
    assert found.consequences == (Consequence("dev", "app"),)


def test_a_server_that_lost_an_environment(house: House):
    house.up()
    redis = house.container("play-infra-redis-1")
    house.engine.disconnect("play-dev-data", redis.id)
    found = ask(house, "dev").first
    assert found is not None
    assert (found.signature, found.service, found.command) == ("not-connected", "redis", "envmgr up dev")
    house.up()
    assert ask(house, "dev").is_healthy


def test_a_job_that_failed(house: House):
    house.up()
    migrate = house.engine.get("play-dev-migrate-1")
    house.engine.behaviours["migrate"] = Behaviour(state=State.EXITED, exit_code=2, logs="no such table: users\n")
    house.engine.start(migrate.container.id)
    found = ask(house, "dev").first
    assert found is not None
    assert (found.service, found.signature) == ("migrate", "missing-table")


def test_an_image_that_is_gone(house: House):
    house.up()
    house.engine.discard(house.engine.get("play-dev-app-1"))
    del house.engine.images["registry.example/play:1"]
    found = ask(house, "dev").first
    assert found is not None
    assert (found.service, found.signature) == ("app", "image-missing")


def test_secrets_of_every_environment_are_masked(house: House):
    house.up("dev")
    house.up("stage")
    foreign = house.secrets("stage")["REDIS_PASSWORD"]
    house.engine.get("play-dev-app-1").logs = f"fatal: {foreign} is not mine\n"
    house.engine.change(house.container("play-dev-app-1").id, state=State.EXITED, exit_code=1, restart_count=0)
    found = ask(house, "dev")
    assert foreign not in str(found)
    assert "fatal: ******** is not mine" in str(found)


def test_names_that_do_not_exist(house: House):
    with pytest.raises(UsageError, match="dve"):
        ask(house, "dve")
    with pytest.raises(UsageError, match="has no service ap"):
        ask(house, "dev", "ap")


def test_an_engine_that_does_not_answer(house: House):
    house.engine.refusals["snapshot"] = fail("Docker is not running")
    with pytest.raises(EngineError, match="Docker is not running"):
        ask(house, "dev")
