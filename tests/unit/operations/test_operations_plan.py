"""`plan` changes nothing; `up` carries out exactly what it has shown, and asks before it cuts what matters."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from envmgr import naming
from envmgr.errors import EngineError, PreflightError, SpecError, UsageError
from envmgr.model.observed import EngineHealth, State
from envmgr.model.plan import Action, Cause, Interruption, Loss, Plan, Remark, Step, Subject
from envmgr.model.progress import Note
from envmgr.operations import up as module
from envmgr.operations.down import down
from tests.house import SPEC, WEB, House, fail

BUILT = """\
[builds.web]
context = "src"
"""


def with_build(house: House) -> Path:
    source = house.folder / "src"
    source.mkdir()
    (source / "Dockerfile").write_text("FROM registry.example/play:1\n")
    text = WEB.replace('image = "registry.example/play:1"', 'build = "web"')
    house.write(text.replace("[services.web]", f"{BUILT}\n[services.web]"))
    return source


def actions(plan: Plan) -> list[tuple[str, str, Action]]:
    return [(step.target, step.name, step.action) for step in plan.steps]


# ---- plan


def test_to_look_changes_nothing(house: House):
    house.up("dev")
    house.edit("[environments.dev]", "[environments.dev]\nworkers = 3")
    files = {path: path.read_bytes() for path in house.folder.rglob("*") if path.is_file()}
    with house.session().locks.acquire_all(("dev", "stage"), base_wait=1):
        plan = house.plan()
    assert not plan.is_empty
    changing = {call[0] for call in house.engine.calls}
    assert changing == set()
    assert {path: path.read_bytes() for path in house.folder.rglob("*") if path.is_file()} == files


def test_before_the_first_time_nothing_is_written_either(house: House):
    plan = house.plan("dev")
    assert [step.action for step in plan.of("dev", Subject.SERVICE)] == [Action.CREATE] * 3
    assert [path.name for path in house.folder.iterdir()] == ["envmgr.toml"]


def test_one_snapshot_and_each_image_once(house: House, monkeypatch: pytest.MonkeyPatch):
    house.up("dev", "stage", "prod")
    asked: list[str] = []
    for method in ("snapshot", "exec", "host"):
        original = getattr(house.engine, method)
        monkeypatch.setattr(house.engine, method, lambda *a, _o=original, _m=method: (asked.append(_m), _o(*a))[1])
    assert house.plan().is_empty
    assert asked == ["snapshot"]


def test_a_plan_of_one_environment_is_what_up_shows(house: House):
    house.up("dev", "stage")
    house.edit("[environments.dev]", '[environments.dev]\nservices.app.memory = "80M"')
    house.edit('[infra.redis]\nmemory = "64M"', '[infra.redis]\nmemory = "96M"')
    plan = house.plan("dev")
    assert actions(plan) == [("dev", "app", Action.RECREATE)]
    assert [step.name for step in plan.kept] == ["redis"]
    house.up("dev")
    assert house.plans[-1] == plan
    assert house.plan("dev") == replace(plan, steps=())
    assert actions(house.plan()) != []


def test_one_service_is_planned_with_what_it_depends_on(house: House):
    assert {s.name for s in house.plan("dev", "app").of("dev", Subject.SERVICE)} == {"migrate", "app"}


def test_values_that_are_missing_are_no_plan(house: House):
    house.edit("[services.migrate]", "[variables.API_KEY]\nrequired = true\nsecret = true\n[services.migrate]")
    with pytest.raises(SpecError, match="values are missing"):
        house.plan("dev")


def test_a_service_that_is_not_there_has_no_plan(house: House):
    with pytest.raises(UsageError, match="dev has no service nobody"):
        house.plan("dev", "nobody")


def test_an_engine_that_does_not_answer_has_no_plan(house: House):
    house.engine.refusals["snapshot"] = fail("Docker is not running")
    with pytest.raises(EngineError, match="Docker is not running"):
        house.plan("dev")


# ---- images


def test_an_image_that_is_not_there_is_pulled_first(house: House):
    house.up("dev")
    house.edit('image = "registry.example/play:1"', 'image = "registry.example/play:2"')
    plan = house.plan("dev")
    assert plan.steps[0] == Step("", Subject.IMAGE, "registry.example/play:2", Action.PULL, reason="it is not there")
    assert actions(plan)[1:] == [("dev", "migrate", Action.RECREATE)]


def test_an_image_is_built_when_it_is_not_there_and_when_it_is_asked_for(house: House):
    source = with_build(house)
    plan = house.plan("dev")
    assert plan.steps[0] == Step("", Subject.IMAGE, "play-web:env-dev", Action.BUILD, reason="it is not there")
    house.up("dev")
    assert house.plan("dev", build=True).is_empty
    (source / "more").write_text("")
    old = Remark("", "play-web:env-dev was built from older source; --build makes a new one")
    assert house.plan("dev") == Plan(("dev",), remarks=(old,))
    plan = house.plan("dev", build=True)
    assert [(s.name, s.action, s.reason) for s in plan.steps] == [
        ("play-web:env-dev", Action.BUILD, "the source in src has changed"),
        ("web", Action.RECREATE, ""),
    ]
    house.engine.images["play-web:env-dev"] = replace(house.engine.images["play-web:env-dev"], id="sha256:old")
    house.up("dev", build=True)
    assert house.plan("dev", build=True).is_empty


def test_a_source_that_is_not_there_has_no_plan(house: House):
    (with_build(house) / "Dockerfile").unlink()
    with pytest.raises(EngineError, match="src/Dockerfile does not exist"):
        house.plan("dev")


# ---- up carries out what it has shown


DRIFTS = {
    "a limit": lambda one: {"settings": replace(one.settings, memory=1 << 30)},
    "a network lost": lambda _one: {"networks": {}},
    "a network joined": lambda one: {"networks": {**one.networks, "elsewhere": ("app",)}},
    "an alias": lambda one: {"networks": dict.fromkeys(one.networks, ("app",))},
    "a name": lambda _one: {"name": "somebody"},
}


@pytest.mark.parametrize("kind", DRIFTS)
def test_what_was_changed_by_hand_is_said_and_set_right(house: House, kind: str):
    house.up("dev")
    one = house.container("play-dev-app-1")
    house.engine.change(one.id, **DRIFTS[kind](one))
    (step,) = house.plan("dev").steps
    assert (step.name, step.action, step.is_drift) == ("app", Action.RECREATE, True)
    assert house.up("dev").changed == 1
    assert house.plan("dev").is_empty
    assert house.container("play-dev-app-1").id != one.id


def test_a_container_removed_by_hand_is_made_again_and_nothing_else(house: House):
    house.up("dev")
    before = house.ids()
    house.engine.discard(house.engine.get("play-dev-app-1"))
    assert actions(house.plan("dev")) == [
        ("dev", "PostgreSQL database dev_play", Action.PROVISION),
        ("dev", "Redis keys dev_*", Action.PROVISION),
        ("dev", "app", Action.CREATE),
    ]
    house.up("dev")
    after = house.ids()
    assert {name for name, one in after.items() if before[name] != one} == {"play-dev-app-1"}


def test_a_server_that_left_an_environments_network_is_connected_again(house: House):
    house.up("dev")
    redis = house.container("play-infra-redis-1")
    house.engine.disconnect("play-dev-data", redis.id)
    assert house.plan("dev").steps == (
        Step(
            "dev",
            Subject.NETWORK,
            "redis",
            Action.CONNECT,
            (Cause("networks", None, "play-dev-data"),),
            containers=("play-infra-redis-1",),
        ),
    )
    assert house.up("dev").changed == 0
    assert house.plan("dev").is_empty
    assert house.container("play-infra-redis-1").id == redis.id


def test_what_is_only_started_is_not_replaced_although_it_differs_to_compose(house: House):
    house.up("dev")
    one = house.engine.get("play-dev-app-1")
    house.engine.halt(one)
    one.fingerprint = "made in another folder"
    house.up("dev")
    assert house.container("play-dev-app-1").id == one.container.id
    assert house.container("play-dev-app-1").state is State.RUNNING


def test_an_unhealthy_container_is_restarted_in_place(house: House):
    house.up("dev")
    one = house.container("play-dev-app-1")
    house.engine.change(one.id, health=EngineHealth.UNHEALTHY)
    house.up("dev")
    assert house.calls("restart") == [("restart", one.id, 30)]
    assert house.ups() == []


def test_a_password_that_changes_is_set_in_its_server_alone(house: House):
    house.up("dev")
    path = house.folder / ".env.dev"
    path.write_text(path.read_text().replace(house.secrets("dev")["REDIS_PASSWORD"], "another"))
    plan = house.plan("dev")
    assert [(s.name, s.reason) for s in plan.of("dev", Subject.GRANT)] == [
        ("Redis keys dev_*", "its password has changed")
    ]
    fields = {cause.field for step in plan.of("dev", Subject.SERVICE) for cause in step.causes}
    assert fields == {"secrets.REDIS_URL"}
    assert "another" not in repr(plan)


def test_a_refusal_of_the_plan_starts_and_asks_nothing(house: House):
    house.up("dev")
    network = house.engine.networks["play-dev-data"]
    network.definition = {**network.definition, "Internal": False}
    shown = len(house.plans)
    with pytest.raises(PreflightError) as caught:
        house.up("dev")
    assert caught.value.state == "Nothing was started."
    assert "network play-dev-data exists with internal false instead of true" in caught.value.details[0]
    assert "envmgr down dev && envmgr up dev; data stays" in caught.value.details[0]
    assert len(house.plans) == shown
    down(house.session(), ("dev",))
    house.up("dev")
    assert house.plan("dev").is_empty


# ---- asking


def never(plan: Plan) -> None:
    raise UsageError(f"not agreed: {plan.disturbs}")


def attempt(house: House, *names: str) -> None:
    house.forget()
    module.up(house.session(), names, module.UpOptions(), module.refuse_to_disturb)


def test_a_first_start_asks_nobody(house: House):
    attempt(house, "prod")
    assert "play-prod-app-1" in house.names()


def test_a_protected_environment_that_runs_is_not_cut_without_a_word(house: House):
    house.up("dev", "prod")
    house.edit("[environments.prod]", '[environments.prod]\nservices.app.memory = "80M"')
    files = {path: path.read_bytes() for path in house.folder.rglob("*") if path.is_file()}
    before = house.ids()
    with pytest.raises(UsageError) as caught:
        attempt(house, "prod")
    assert caught.value.message == "this cuts prod, which is protected and runs, and nobody can be asked"
    assert caught.value.state == "Nothing was changed."
    assert (house.ids(), house.engine.calls) == (before, [])
    assert {path: path.read_bytes() for path in house.folder.rglob("*") if path.is_file()} == files
    house.up("prod")
    assert house.plan("prod").is_empty


def test_a_protected_environment_that_is_down_is_changed_freely(house: House):
    house.up("prod")
    down(house.session(), ("prod",))
    house.edit("[environments.prod]", '[environments.prod]\nservices.app.memory = "80M"')
    attempt(house, "prod")


def test_other_environments_are_changed_freely(house: House):
    house.up("dev", "prod")
    house.edit("[environments.dev]", '[environments.dev]\nservices.app.memory = "80M"')
    attempt(house, "dev")
    assert house.plan("dev").is_empty


def test_a_server_that_a_protected_environment_uses_is_not_cut_without_a_word(house: House):
    house.up("dev", "prod")
    house.edit('[infra.redis]\nmemory = "64M"', '[infra.redis]\nmemory = "96M"')
    before = house.ids()
    with pytest.raises(UsageError, match="this cuts prod"):
        attempt(house, "infra")
    assert house.ids() == before
    # What it leaves alone, it need not ask about.
    attempt(house, "dev")
    attempt(house, "prod")
    assert house.ids() == before
    down(house.session(), ("prod",))
    attempt(house, "infra")
    assert house.plan("infra").is_empty


def test_to_start_what_has_stopped_asks_nobody(house: House):
    house.up("prod")
    house.engine.halt(house.engine.get("play-prod-app-1"))
    attempt(house, "prod")


def test_who_does_not_agree_leaves_everything_as_it_was(house: House):
    house.up("dev")
    before = house.ids()
    house.edit("[environments.dev]", "[environments.dev]\nworkers = 3")
    with pytest.raises(UsageError, match="not agreed"):
        module.up(house.session(), ("dev",), module.UpOptions(), never)
    assert house.ids() == before
    house.session().locks.acquire("dev").release()


def test_what_a_plan_says_is_lost_of_the_base(house: House):
    house.up("dev", "prod")
    house.edit('[infra.redis]\nmemory = "64M"', '[infra.redis]\nmemory = "96M"')
    (step,) = house.plan("infra").steps
    assert (step.loss, step.disturbs) == (Loss(Interruption.REQUESTS, ("dev", "prod"), 60), ("prod",))


def test_a_service_that_left_the_spec_is_a_step_of_its_own(house: House):
    house.up("dev")
    house.write(SPEC.replace(SPEC[SPEC.index("[services.worker]") : SPEC.index("[environments.dev]")], ""))
    assert actions(house.plan("dev")) == [("dev", "worker", Action.REMOVE)]
    house.up("dev")
    assert house.texts(Note)[-1] == "dev: removing play-dev-worker-1: the spec no longer has worker"


def test_an_image_that_two_names_share_is_looked_up_as_one(house: House):
    house.up("dev")
    info = house.engine.images["redis:8.0"]
    house.engine.images["redis:8.1"] = info
    house.edit("[infra.redis]", '[infra.redis]\nimage = "redis:8.1"')
    (step,) = house.plan("infra").steps
    assert [(cause.field, cause.old, cause.new) for cause in step.causes] == [("image", "redis:8.0", "redis:8.1")]
    assert naming.LABEL_HASH in house.container("play-infra-redis-1").labels
