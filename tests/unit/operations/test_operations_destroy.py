"""`destroy`: shows, asks, deletes in an order that a kill cannot spoil, and refuses when it cannot know."""

from __future__ import annotations

from typing import Any

import pytest

from envmgr.errors import EngineError, InterruptedByUser, UsageError
from envmgr.model.plan import Action, Plan, Risk, Step, Subject
from envmgr.model.result import DownResult
from envmgr.operations.destroy import destroy
from envmgr.operations.rendering import render
from tests.house import House, fail

Shown = list[tuple[str, Plan]]


def delete(house: House, *targets: str, protected: bool = False, shown: Shown | None = None) -> list[DownResult]:
    house.forget()
    seen: Shown = [] if shown is None else shown
    return list(destroy(house.session(), targets, lambda t, plan: seen.append((t, plan)), protected=protected))


def nothing_deleted(house: House) -> bool:
    changing = ("compose_down", "remove_volume", "remove_network", "remove_container", "stop")
    return house.calls(*changing) == [] and "revoke" not in {verb for verb, _ in house.servers.asked}


def test_an_environment_goes_with_everything_that_it_owns(house: House):
    house.up("dev", "stage")
    shown: Shown = []
    (result,) = delete(house, "dev", shown=shown)
    ((target, plan),) = shown
    assert (target, plan.targets) == ("dev", ("dev",))
    assert [(s.subject, s.name, s.action, s.containers) for s in plan.steps if not s.risks] == [
        (Subject.SERVICE, "app", Action.REMOVE, ("play-dev-app-1",)),
        (Subject.SERVICE, "migrate", Action.REMOVE, ("play-dev-migrate-1",)),
        (Subject.SERVICE, "worker", Action.REMOVE, ("play-dev-worker-1",)),
        (Subject.NETWORK, "play-dev-data", Action.REMOVE, ()),
    ]
    assert plan.risks == (
        Risk("PostgreSQL database dev_play", "12 MB"),
        Risk("Redis keys dev_*", "12 MB"),
    )
    assert (result.targets, result.kept) == (("dev",), ())
    assert house.servers.owned == {"postgres stage", "redis stage"}
    assert not (house.folder / ".envmgr" / "dev").exists()
    assert (house.folder / ".env.dev").exists()
    assert {name for name in house.names() if "-dev-" in name} == set()


def test_containers_go_before_what_they_use_and_volumes_last(house: House, monkeypatch: pytest.MonkeyPatch):
    house.up("dev")
    order: list[str] = []
    for method in ("compose_down", "exec", "remove_volume"):
        original = getattr(house.engine, method)
        monkeypatch.setattr(
            house.engine, method, lambda *a, _m=method, _o=original, **k: (order.append(_m), _o(*a, **k))[1]
        )
    list(destroy(house.session(), ("dev",), lambda *_: order.append("confirmed"), protected=False))
    confirmed = order.index("confirmed")
    assert set(order[:confirmed]) == {"exec"}
    assert order[confirmed + 1 :] == ["compose_down", "exec", "exec"]
    assert [verb for verb, _ in house.servers.asked[-2:]] == ["revoke", "revoke"]


def test_the_base_goes_last_with_its_volumes(house: House):
    house.up("dev")
    shown: Shown = []
    results = delete(house, "infra", "dev", shown=shown, protected=True)
    assert [result.targets for result in results] == [("dev",), ("infra",)]
    assert shown[1][1].risks == (
        Risk("volume play-infra-postgres-data", "all its data"),
        Risk("volume play-infra-redis-data", "all its data"),
    )
    assert (house.engine.volumes, house.names(), house.engine.networks) == ({}, set(), {})
    assert [call[0] for call in house.calls("compose_down", "remove_volume")] == [
        *("compose_down", "compose_down"),
        *("remove_volume", "remove_volume"),
    ]


def test_what_never_was_is_destroyed_without_a_word(house: House):
    render(house.session().project, force=False)
    shown: Shown = []
    assert delete(house, "dev", shown=shown) == [DownResult(("dev",), (), ())]
    assert shown == [("dev", Plan(("dev",)))]


@pytest.mark.parametrize("targets", [("prod",), ("dev", "prod"), ("infra",), ("dev", "dve")])
def test_all_that_can_be_refused_is_refused_before_the_first_goes(house: House, targets: tuple[str, ...]):
    house.up("dev")
    shown: Shown = []
    with pytest.raises(UsageError) as caught:
        delete(house, *targets, shown=shown)
    if "dve" not in targets:
        guarded = targets[-1]
        assert caught.value.message == f"{guarded} is protected"
        assert caught.value.state == "Nothing was deleted."
        assert caught.value.help == f"envmgr destroy {' '.join(targets)} --protected"
    assert shown == []
    assert nothing_deleted(house)


def test_the_base_is_not_deleted_under_an_environment_that_runs(house: House):
    house.up("dev", "stage")
    with pytest.raises(UsageError, match="infra carries stage, which still run"):
        delete(house, "dev", "infra", protected=True)
    assert nothing_deleted(house)


def test_a_server_that_does_not_run_may_hold_data(house: House):
    house.up("dev")
    house.engine.halt(house.engine.get("play-infra-postgres-1"))
    shown: Shown = []
    with pytest.raises(EngineError) as caught:
        delete(house, "dev", shown=shown)
    assert caught.value.message == "postgres of infra does not run, and it may hold data of dev"
    assert caught.value.state == "Nothing of dev was deleted."
    assert caught.value.help == "envmgr up infra"
    assert shown == []
    assert nothing_deleted(house)


def test_a_server_that_does_not_answer_is_not_guessed_about(house: House):
    house.up("dev")
    house.servers.refuses.add("exists redis dev")
    with pytest.raises(EngineError, match="cannot look for the Redis keys dev_"):
        delete(house, "dev")
    assert nothing_deleted(house)


def test_an_operator_who_does_not_agree_keeps_everything(house: House):
    house.up("dev")

    def refuse(_target: str, _plan: Plan) -> None:
        raise UsageError("no")

    with pytest.raises(UsageError, match="no"):
        list(destroy(house.session(), ("dev",), refuse, protected=False))
    assert nothing_deleted(house)
    house.session().locks.acquire("dev").release()


def test_a_destroy_that_was_cut_short_goes_on(house: House):
    house.up("dev")
    house.servers.refuses.add("revoke redis dev")
    with pytest.raises(EngineError, match="cannot delete the Redis keys dev_"):
        delete(house, "dev")
    assert house.servers.owned == {"redis dev"}
    assert (house.folder / ".envmgr" / "dev").exists()
    house.servers.refuses.clear()
    shown: Shown = []
    delete(house, "dev", shown=shown)
    risk = Risk("Redis keys dev_*", "12 MB")
    assert shown[0][1].steps == (Step("dev", Subject.GRANT, risk.what, Action.REMOVE, risks=(risk,)),)
    assert house.servers.owned == set()


def test_ctrl_c_says_how_to_go_on(house: House):
    house.up("prod")
    house.servers.raises["revoke"] = KeyboardInterrupt()
    with pytest.raises(InterruptedByUser) as caught:
        delete(house, "prod", protected=True)
    assert caught.value.state == "Running in prod: nothing; not running: app."
    assert caught.value.help == "envmgr destroy prod --protected goes on from here"


def test_what_was_deleted_before_an_error_is_given_back(house: House):
    house.up("dev", "stage")
    done: list[Any] = []
    original = house.engine.compose_down

    def refused(files: Any, project: str, **options: Any) -> None:
        if project == "play-stage":
            raise fail()
        original(files, project, **options)

    house.engine.compose_down = refused
    with pytest.raises(EngineError, match="Docker refused"):
        done.extend(destroy(house.session(), ("dev", "stage"), lambda *_: None, protected=False))
    assert [result.targets for result in done] == [("dev",)]
