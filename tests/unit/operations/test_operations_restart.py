"""`restart`: in place, in order, proven again."""

from __future__ import annotations

from typing import Any

import pytest

from envmgr.errors import InterruptedByUser, LockedError, NotHealthyError, UsageError
from envmgr.model.observed import State
from envmgr.model.result import UpResult
from envmgr.operations.restart import restart
from tests.fakes.engine import Behaviour
from tests.house import House


def again(house: House, *names: str) -> UpResult:
    house.forget()
    return restart(house.session(), names)


def restarted(house: House) -> list[str]:
    return [house.engine.get(call[1]).container.name for call in house.calls("restart")]


@pytest.fixture
def chain(house: House) -> House:
    """Two programs more, one after the other."""
    for name, after in (("api", "app"), ("proxy", "api")):
        house.edit(
            "[environments.dev]",
            f'[services.{name}]\nkind = "asgi"\nimage = "registry.example/play:1"\napp = "play:app"\n'
            f'after = ["{after}"]\nmemory = "64M"\n\n[environments.dev]',
        )
    house.up()
    return house


def test_services_restart_in_the_order_of_their_dependencies_and_jobs_do_not(chain: House):
    ids = chain.ids()
    result = again(chain, "dev")
    assert restarted(chain) == ["play-dev-app-1", "play-dev-api-1", "play-dev-proxy-1"]
    assert (result.targets, result.changed) == (("dev",), 3)
    assert chain.ids() == ids
    seconds = chain.session().project.system.stack("dev").service("app").stop_seconds
    assert chain.calls("restart")[0][2] == seconds
    assert chain.calls("compose_up", "stop", "remove_container") == []


def test_one_service_restarts_alone(chain: House):
    assert again(chain, "dev", "api").changed == 1
    assert restarted(chain) == ["play-dev-api-1"]


def test_the_base_keeps_its_place_in_the_environments_networks(chain: House):
    chain.engine.disconnect("play-dev-data", chain.container("play-infra-redis-1").id)
    again(chain, "infra")
    assert restarted(chain) == ["play-infra-postgres-1", "play-infra-redis-1"]
    assert chain.container("play-infra-redis-1").networks["play-dev-data"] == ("redis",)


def test_one_that_stops_ends_it_before_those_that_need_it(chain: House):
    chain.engine.behaviours["api"] = Behaviour(state=State.EXITED, exit_code=1, logs="no\n")
    with pytest.raises(NotHealthyError) as caught:
        again(chain, "dev")
    assert caught.value.message == "api of dev: failed: last exit code 1: no"
    assert caught.value.details == ("engine: exited, exit code 1", "log: no")
    assert restarted(chain) == ["play-dev-app-1", "play-dev-api-1"]


def test_a_stopped_container_is_started(chain: House):
    chain.engine.halt(chain.engine.get("play-dev-api-1"))
    again(chain, "dev", "api")
    assert chain.container("play-dev-api-1").state is State.RUNNING


def test_a_service_without_a_container_is_refused_before_the_first(chain: House):
    chain.engine.discard(chain.engine.get("play-dev-proxy-1"))
    with pytest.raises(UsageError) as caught:
        again(chain, "dev")
    assert caught.value.message == "proxy of dev has no container to restart"
    assert (caught.value.state, caught.value.help) == ("Nothing was restarted.", "envmgr up dev")
    assert restarted(chain) == []


def test_a_job_is_not_restarted(chain: House):
    with pytest.raises(UsageError) as caught:
        again(chain, "dev", "app", "migrate")
    assert caught.value.message == "migrate of dev is a job: it runs once, and there is nothing to restart"
    assert caught.value.help == "envmgr up dev migrate runs it when it has changed or failed"
    assert restarted(chain) == []


def test_somebody_elses_work_is_not_disturbed(chain: House):
    with chain.session().locks.acquire("dev"), pytest.raises(LockedError, match="dev is locked"):
        again(chain, "dev")


def test_ctrl_c_says_what_runs(chain: House, monkeypatch: pytest.MonkeyPatch):
    def interrupted(*_args: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(chain.engine, "restart", interrupted)
    with pytest.raises(InterruptedByUser) as caught:
        again(chain, "dev", "app")
    assert caught.value.help == "envmgr restart dev app goes on from here"
    assert caught.value.state.startswith("Running in dev: api, app, proxy")
