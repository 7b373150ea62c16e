"""`down`: what goes, what stays, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from envmgr.errors import EngineError, InterruptedByUser, LockedError, StaleError, UsageError
from envmgr.model.observed import State
from envmgr.model.result import DownResult
from envmgr.operations.down import down
from tests.house import WEB, House
from tests.making import container

VOLUMES = ("play-infra-postgres-data", "play-infra-redis-data")


def take(house: House, *names: str) -> DownResult:
    house.forget()
    return down(house.session(), names)


def test_an_environment_goes_with_its_networks_and_nothing_else(house: House):
    house.up("dev", "stage")
    before = house.ids()
    result = take(house, "dev")
    assert result == DownResult(("dev",), ("play-dev-app-1", "play-dev-migrate-1", "play-dev-worker-1"), ())
    assert house.ids() == {name: one for name, one in before.items() if "-dev-" not in name}
    assert "play-dev-data" not in house.engine.networks
    assert "play-stage-data" in house.engine.networks
    assert house.container("play-infra-redis-1").networks.keys() == {"play-infra-data", "play-stage-data"}
    assert "play-dev-data" not in house.container("play-infra-postgres-1").networks


def test_the_base_goes_last_and_keeps_its_volumes(house: House):
    house.up("dev")
    result = take(house, "infra", "dev")
    assert (result.targets, result.kept) == (("infra", "dev"), VOLUMES)
    assert [project for _, project, *_ in house.calls("compose_down")] == ["play-dev", "play-infra"]
    assert (house.names(), tuple(house.engine.volumes)) == (set(), VOLUMES)
    assert house.engine.networks == {}
    assert [call[-1] for call in house.calls("compose_down")] == [False, False]


def test_again_and_for_a_stack_that_never_was(house: House):
    house.up("dev")
    take(house, "dev")
    assert take(house, "dev", "stage", "prod") == DownResult(("dev", "stage", "prod"), (), ())


def test_without_the_rendered_file_nothing_is_changed(house: House):
    house.up("dev")
    (house.folder / "compose" / "docker-compose.app.dev.yml").unlink()
    before = house.ids()
    with pytest.raises(StaleError) as caught:
        take(house, "dev")
    assert (caught.value.state, caught.value.help) == ("Nothing was changed.", "envmgr render")
    assert house.ids() == before


def test_an_environment_without_services_has_no_file_and_needs_none(house: House):
    house.write('[project]\nname = "play"\n[environments.dev]\n')
    assert house.up("dev").changed == 0
    assert take(house, "dev", "infra") == DownResult(("infra", "dev"), (), ())


def test_a_system_without_servers(house: House):
    house.write(WEB)
    house.up("dev")
    assert take(house, "dev", "infra").removed == ("play-dev-web-1",)


def test_a_service_that_left_the_spec_goes_with_the_rest(house: House):
    house.up("dev")
    networks = house.container("play-dev-app-1").networks
    old = container("mailer", labels=house.container("play-dev-app-1").labels, networks=networks)
    house.engine.add(old)
    assert "play-dev-mailer-1" in take(house, "dev").removed
    assert "play-dev-mailer-1" not in house.names()
    assert "play-dev-data" not in house.engine.networks


def test_single_services_are_stopped_in_their_own_time(house: House):
    house.up("dev")
    one = house.container("play-dev-app-1")
    seconds = house.session().project.system.stack("dev").service("app").stop_seconds
    assert take(house, "dev", "app").removed == ("play-dev-app-1",)
    assert house.calls("stop", "remove_container", "compose_down") == [
        ("stop", one.id, seconds),
        ("remove_container", one.id),
    ]
    assert "play-dev-data" in house.engine.networks
    assert take(house, "dev", "app").removed == ()
    with pytest.raises(UsageError, match="dev has no service ap "):
        take(house, "dev", "ap")


@pytest.mark.parametrize("state", [State.RUNNING, State.RESTARTING, State.PAUSED])
@pytest.mark.parametrize("names", [("infra",), ("infra", "redis"), ("infra", "stage")])
def test_the_base_is_not_taken_from_under_an_environment(house: House, names: tuple[str, ...], state: State):
    house.up("dev", "stage")
    house.engine.change(house.container("play-dev-app-1").id, state=state)
    before = house.ids()
    with pytest.raises(UsageError) as caught:
        take(house, *names)
    running = "dev" if "stage" in names else "dev, stage"
    assert caught.value.message == f"infra carries {running}, which still run"
    assert caught.value.state == "Nothing was stopped."
    assert caught.value.help == f"envmgr down {running.replace(',', '')} infra"
    assert house.ids() == before


def test_nobody_may_bring_an_environment_up_meanwhile(house: House):
    with house.session().locks.acquire("prod"), pytest.raises(LockedError, match="prod is locked"):
        take(house, "infra")


def test_a_network_that_a_stranger_uses_is_an_error(house: House):
    house.up("dev")
    house.engine.add(container("psql", "else", networks={"play-dev-data": ()}))
    with pytest.raises(EngineError, match="play-else-psql-1 still use it"):
        take(house, "dev")


def test_ctrl_c_says_what_runs_and_what_goes_on(house: House, monkeypatch: pytest.MonkeyPatch):
    house.up("dev")

    def interrupted(*_args: Any, **_options: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(house.engine, "compose_down", interrupted)
        with pytest.raises(InterruptedByUser) as caught:
            take(house, "dev")
    assert caught.value.state == "Running in dev: app."
    assert caught.value.help == "envmgr down dev goes on from here"
    assert len(take(house, "dev").removed) == 3
