"""What happens to containers: each difference and each state, with its cause, its loss, and whom it cuts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from envmgr import naming
from envmgr.model.needed import Needed, Origin
from envmgr.model.observed import EngineHealth, ImageInfo, Settings, State
from envmgr.model.plan import Action, Cause, Interruption, Loss, Plan, Remark, Step, Subject
from envmgr.model.secret import SecretRef
from envmgr.model.stack import (
    Condition,
    Dependency,
    Image,
    Publication,
    Resources,
    SecretMount,
    Service,
    System,
    Volume,
)
from envmgr.planning.plan import make_plan
from tests.making import GIGABYTE, MEGABYTE, container
from tests.unit.planning.asking import (
    IMAGE,
    app,
    base,
    changed,
    environment,
    place,
    question,
    running,
    server,
    system,
    volume_of,
    wanted_of,
    without,
)

DEV = system(dev=False)
PROD = system(dev=False, prod=True)


def step(target: str, name: str, action: Action, **fields: object) -> Step:
    return Step(target, Subject.SERVICE, name, action, **fields)


def of(*services: Service) -> System:
    return System("play", base(), (environment("dev", 1, *services),), {})


def settings(one: System, name: str, **fields: object) -> Settings:
    (found,) = (c for c in running(one).containers if c.name == name)
    return replace(found.settings, **fields)


def test_what_runs_as_it_should_needs_nothing():
    assert make_plan(question(PROD)) == Plan(("infra", "dev", "prod"))


def test_nothing_runs_yet():
    empty = replace(running(DEV), containers=(), networks=(), volumes=())
    plan = make_plan(question(DEV, empty))
    assert plan.steps == (
        Step("infra", Subject.NETWORK, "play-infra-data", Action.CREATE),
        Step("infra", Subject.VOLUME, "play-infra-redis-data", Action.CREATE),
        step("infra", "redis", Action.CREATE),
        Step("dev", Subject.NETWORK, "play-dev-data", Action.CREATE),
        step("dev", "app", Action.CREATE),
    )
    assert (plan.disturbs, plan.risks) == ((), ())


# ---- differences


def test_a_changed_limit_names_its_line_and_whose_requests_fail():
    one = of(app(resources=Resources(cpus=1.0, memory=GIGABYTE, pids=64)))
    seen = changed(running(one), "play-dev-app-1", settings=settings(one, "play-dev-app-1", memory=512 * MEGABYTE))
    seen = changed(seen, "play-dev-app-1", labels={naming.LABEL_KIND: "asgi", naming.LABEL_HASH: "old"})
    assert make_plan(question(one, seen)).steps == (
        step(
            "dev",
            "app",
            Action.RECREATE,
            causes=(Cause("memory", "512M", "1G", place("environments.dev.services.app.memory")),),
            containers=("play-dev-app-1",),
            loss=Loss(Interruption.REQUESTS, ("dev",), 70),
        ),
    )


@pytest.mark.parametrize(
    ("fields", "causes"),
    [
        ({"cpus": 2.0}, {("cpus", "2", "1")}),
        ({"pids": 0}, {("pids", "0", "64")}),
        ({"gpus": "2"}, {("gpus", "2", None)}),
        ({"user": "0:0"}, {("user", "0:0", "10001:10001")}),
        ({"command": ("sleep", "a b")}, {("command", "sleep 'a b'", "serve")}),
        ({"restart": "no"}, {("restart", "no", "unless-stopped")}),
        ({"stop_seconds": None, "stop_signal": "SIGINT"}, {("stop_signal", "SIGINT", "SIGTERM")}),
        ({"shm": 1 << 20}, {("shm", "1M", "64M")}),
        ({"is_read_only": False}, {("read_only", None, "true")}),
        ({"has_init": False}, {("init", None, "true")}),
        ({"dropped": (), "added": ("SYS_ADMIN",)}, {("cap_drop", None, "ALL"), ("cap_add", "SYS_ADMIN", None)}),
        ({"security": ()}, {("security_opt", None, "no-new-privileges:true")}),
        ({"memory_reserved": 32 << 20}, {("memory_reserved", "32M", None)}),
        ({"variables": {"DEBUG": "1"}}, {("variables.DEBUG", "1", None)}),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_what_was_changed_by_hand_is_drift_and_no_line_of_the_spec_is_its_cause(fields: dict, causes: set):
    seen = changed(running(DEV), "play-dev-app-1", settings=settings(DEV, "play-dev-app-1", **fields))
    (found,) = make_plan(question(DEV, seen)).steps
    assert (found.action, found.is_drift) == (Action.RECREATE, True)
    assert set(found.causes) == {Cause(*cause) for cause in causes}


def test_a_port_below_1024_drops_one_capability_by_name_and_that_is_no_drift():
    one = of(app(ports=(Publication(8000, 80),)))
    assert settings(one, "play-dev-app-1").dropped == ("ALL", "NET_BIND_SERVICE")
    assert make_plan(question(one)).steps == ()
    seen = changed(running(one), "play-dev-app-1", settings=settings(one, "play-dev-app-1", dropped=("ALL",)))
    (found,) = make_plan(question(one, seen)).steps
    assert found.causes == (Cause("cap_drop", "ALL", "ALL, NET_BIND_SERVICE"),)


def test_a_definition_that_differs_in_nothing_that_has_a_field():
    one = of(app(compose={"ulimits": {"nofile": 1}}, places={"": "services.app", "compose.ulimits": "c.ulimits"}))
    seen = changed(running(one), "play-dev-app-1", labels={naming.LABEL_KIND: "asgi", naming.LABEL_HASH: "old"})
    (found,) = make_plan(question(one, seen)).steps
    assert found.causes == (Cause("definition", "old", "hash of app", place("c.ulimits")),)
    assert not found.is_drift


@pytest.mark.parametrize(
    ("raw", "fields"),
    [
        ({"read_only": False}, {"is_read_only": False}),
        ({"cap_add": ["SYS_NICE"]}, {"added": ("SYS_NICE",)}),
        ({"entrypoint": ["x"]}, {"command": ()}),
        ({"environment": {"RAW": "$$1"}}, {"variables": {"RAW": "$1"}}),
        ({"environment": ["RAW=1"]}, {"variables": {"RAW": "1"}}),
        ({"healthcheck": {"interval": "1m"}}, {"healthcheck": None}),
    ],
)
def test_what_raw_compose_keys_rule_is_no_drift(raw: dict, fields: dict):
    one = of(app(compose=raw))
    seen = changed(running(one), "play-dev-app-1", settings=settings(one, "play-dev-app-1", **fields))
    assert make_plan(question(one, seen)).is_empty


def test_another_image_under_the_same_name():
    seen = changed(running(DEV), "play-dev-app-1", image_id="sha256:0123456789abcdef")
    (found,) = make_plan(question(DEV, seen)).steps
    old, new = "registry.example/app:1.0 (0123456789ab)", "registry.example/app:1.0 (1)"
    assert found.causes == (Cause("image", old, new, place("services.app")),)
    assert not found.is_drift


def test_an_image_that_is_about_to_be_made():
    wanted = {"infra": {"redis": wanted_of(server())}, "dev": {"app": replace(wanted_of(app()), image_id="")}}
    asked = question(DEV, wanted=wanted)
    (found,) = make_plan(asked).steps
    assert found.causes[0].new == "registry.example/app:1.0 (made anew)"


def test_what_the_image_alone_says_is_compared_once_it_is_there():
    one = of(app(command=()))
    image = ImageInfo(IMAGE, command=("serve",), stop_signal="SIGQUIT", variables={"PATH": "/bin"})
    given = settings(one, "play-dev-app-1", command=("serve",), stop_signal="SIGQUIT", variables={"PATH": "/bin"})
    seen = changed(running(one), "play-dev-app-1", settings=given)
    redis = settings(one, "play-infra-redis-1", stop_signal="SIGQUIT")
    seen = changed(seen, "play-infra-redis-1", settings=redis)
    assert make_plan(question(one, seen, images={IMAGE: image})).is_empty
    other = replace(image, command=("other",))
    (found,) = make_plan(question(one, seen, images={IMAGE: other})).steps
    assert found.causes == (Cause("command", "serve", "other"),)


# ---- secrets


def test_a_changed_secret_is_told_by_name_with_the_place_that_declares_it():
    url = SecretMount("DATABASE_URL", ("db://", SecretRef("PASSWORD", "dev")))
    one = of(app(secrets=(url,)))
    need = Needed("PASSWORD", "dev", True, Origin.GENERATED, place="infra.postgres")
    one = replace(one, environments=(replace(one.environments[0], needed=(need,)),))
    wanted = {
        "infra": {"redis": wanted_of(server())},
        "dev": {"app": replace(wanted_of(app()), revision="DATABASE_URL:2")},
    }
    seen = changed(running(one), "play-dev-app-1", revision="DATABASE_URL:1")
    (found,) = make_plan(question(one, seen, wanted=wanted)).steps
    assert Cause("secrets.DATABASE_URL", None, None, place("infra.postgres")) in found.causes


def test_a_value_that_was_a_secret_once_is_not_shown_when_the_spec_says_it_now():
    one = of(app(variables={"KEY": "plain"}))
    given = settings(one, "play-dev-app-1", variables={})
    seen = changed(running(one), "play-dev-app-1", settings=given, revision="KEY:1")
    (found,) = make_plan(question(one, seen)).steps
    assert {(cause.field, cause.old, cause.new) for cause in found.causes} == {
        ("variables.KEY", None, None),
        ("variables.TOKEN", None, None),
    }


# ---- states


@pytest.mark.parametrize(
    ("fields", "action", "cause"),
    [
        ({"state": State.EXITED}, Action.START, Cause("state", "exited", "running")),
        ({"state": State.EXITED, "exit_code": 3}, Action.START, Cause("state", "exited with code 3", "running")),
        ({"state": State.CREATED}, Action.START, Cause("state", "created", "running")),
        ({"state": State.DEAD}, Action.START, Cause("state", "dead", "running")),
        ({"state": State.PAUSED}, Action.RESTART, Cause("state", "paused", "running")),
        ({"health": EngineHealth.UNHEALTHY}, Action.RESTART, Cause("health", "unhealthy", "healthy")),
        (
            {"state": State.RESTARTING, "exit_code": 1},
            Action.RESTART,
            Cause("state", "restarting with code 1", "running"),
        ),
    ],
)
def test_a_container_that_does_not_work_is_started_or_restarted(fields: dict, action: Action, cause: Cause):
    (found,) = make_plan(question(DEV, changed(running(DEV), "play-dev-app-1", **fields))).steps
    assert (found.action, found.causes, found.containers) == (action, (cause,), ("play-dev-app-1",))
    # What has stopped already is missed by nobody more than before.
    assert (found.loss is None) is (action is Action.START)


@pytest.mark.parametrize("health", [EngineHealth.STARTING, EngineHealth.HEALTHY, EngineHealth.NONE])
def test_a_container_that_runs_is_left_alone(health: EngineHealth):
    assert make_plan(question(DEV, changed(running(DEV), "play-dev-app-1", health=health))).is_empty


def test_a_container_that_is_gone_is_made_again():
    assert make_plan(question(DEV, without(running(DEV), "play-dev-app-1"))).steps == (
        step("dev", "app", Action.CREATE),
    )


def test_a_job_that_succeeded_is_over_whatever_was_done_to_its_container():
    one = of(app(is_job=True, aliases=()))
    done = {"state": State.EXITED, "exit_code": 0}
    seen = changed(running(one), "play-dev-app-1", networks={}, **done)
    assert make_plan(question(one, seen)).is_empty
    assert make_plan(question(one, changed(seen, "play-dev-app-1", state=State.RUNNING))).is_empty
    (again,) = make_plan(question(one, changed(seen, "play-dev-app-1", exit_code=1))).steps
    assert again.action is Action.START


def test_more_and_fewer_containers():
    many = of(app(replicas=3, places={"": "services.app", "replicas": "services.app.replicas"}))
    one = without(running(many), "play-dev-app-2", "play-dev-app-3")
    cause = Cause("replicas", "1", "3", place("services.app.replicas"))
    assert make_plan(question(many, one)).steps == (step("dev", "app", Action.SCALE, causes=(cause,)),)
    fewer = of(app())
    (found,) = make_plan(question(fewer, running(many))).steps
    assert (found.action, found.containers) == (Action.SCALE, ("play-dev-app-2", "play-dev-app-3"))
    assert found.loss == Loss(Interruption.IN_HAND, ("dev",), 10)


def test_more_containers_of_what_is_paused_are_two_steps():
    many = of(app(replicas=2))
    seen = changed(without(running(many), "play-dev-app-2"), "play-dev-app-1", state=State.PAUSED)
    assert [s.action for s in make_plan(question(many, seen)).steps] == [Action.RESTART, Action.SCALE]


# ---- what is lost, and who is cut


def test_a_worker_finishes_what_it_holds():
    worker = app("worker", aliases=(), stop_seconds=60)
    one = of(worker)
    seen = changed(running(one), "play-dev-worker-1", image_id="sha256:2")
    (found,) = make_plan(question(one, seen)).steps
    assert found.loss == Loss(Interruption.IN_HAND, ("dev",), 60)


def test_a_server_of_the_base_cuts_every_environment_that_uses_it_and_runs():
    seen = changed(running(PROD), "play-infra-redis-1", image_id="sha256:2")
    (found,) = make_plan(question(PROD, seen)).steps
    assert (found.loss.whose, found.disturbs) == (("dev", "prod"), ("prod",))
    (found,) = make_plan(question(PROD, without(seen, "play-prod-app-1"))).of("infra")
    assert (found.loss.whose, found.disturbs) == (("dev",), ())
    (found,) = make_plan(question(PROD, without(seen, "play-prod-app-1", "play-dev-app-1"))).of("infra")
    assert found.loss is None


def test_a_server_behind_another_cuts_who_uses_that_one():
    behind = server("store")
    front = server("redis", depends_on=(Dependency("store", Condition.HEALTHY),))
    one = System("play", base(behind, front), PROD.environments, {})
    seen = changed(running(one), "play-infra-store-1", image_id="sha256:2")
    (found,) = make_plan(question(one, seen)).steps
    assert (found.name, found.loss.whose, found.disturbs) == ("store", ("dev", "prod"), ("prod",))


def test_a_door_cuts_everybody_who_runs():
    one = System("play", base(server(), server("nginx", faces_environments=True)), PROD.environments, {})
    seen = changed(running(one), "play-infra-nginx-1", image_id="sha256:2")
    (found,) = make_plan(question(one, seen)).steps
    assert found.disturbs == ("prod",)


def test_what_does_not_run_of_a_protected_environment_is_cut_by_nothing():
    for state in (State.EXITED, State.CREATED):
        seen = changed(running(PROD), "play-prod-app-1", image_id="sha256:2", state=state)
        plan = make_plan(question(PROD, seen))
        assert (plan.disturbs, plan.steps[0].loss) == ((), None)


# ---- what is left over, left alone, and told


def test_a_service_that_left_the_spec_goes_with_those_who_used_it():
    old = container("mailer", labels={naming.LABEL_PROJECT: "play"})
    seen = replace(running(DEV), containers=(*running(DEV).containers, old))
    assert make_plan(question(DEV, seen)).steps == (
        step(
            "dev",
            "mailer",
            Action.REMOVE,
            reason="the spec no longer has mailer",
            containers=("play-dev-mailer-1",),
            loss=Loss(Interruption.REQUESTS, ("dev",), None),
        ),
    )


def test_what_runs_of_the_base_is_kept_when_only_an_environment_is_asked_for():
    old = container("mailer", "infra", labels={naming.LABEL_PROJECT: "play"})
    half = container("redis", "infra", name="0123456789ab_play-infra-redis-1", state=State.CREATED)
    seen = changed(running(PROD), "play-infra-redis-1", image_id="sha256:2")
    seen = replace(seen, containers=(*seen.containers, old, half))
    plan = make_plan(question(PROD, seen, keeps_base=True))
    assert [(s.name, s.action) for s in plan.kept] == [("mailer", Action.REMOVE), ("redis", Action.RECREATE)]
    assert [(s.containers, s.reason) for s in plan.steps] == [
        (("0123456789ab_play-infra-redis-1",), "left by a command that was cut short")
    ]
    assert plan.disturbs == ()


def test_a_server_that_has_left_an_environments_network_is_connected():
    seen = changed(running(DEV), "play-infra-redis-1", networks={"play-infra-data": ("redis",)})
    assert make_plan(question(DEV, seen)).steps == (
        Step(
            "dev",
            Subject.NETWORK,
            "redis",
            Action.CONNECT,
            (Cause("networks", None, "play-dev-data"),),
            containers=("play-infra-redis-1",),
        ),
    )


def test_a_volume_that_nobody_uses_any_longer_is_told():
    old = volume_of(DEV.base, Volume("mysql-data", "play-infra-mysql-data", "mysql"))
    seen = replace(running(DEV), volumes=(*running(DEV).volumes, old))
    plan = make_plan(question(DEV, seen))
    text = "volume play-infra-mysql-data is used by no service of the spec; its data stays"
    assert (plan.steps, plan.remarks) == ((), (Remark("infra", text),))


def test_only_what_is_selected_is_planned():
    empty = replace(running(PROD), containers=())
    selected = {"dev": (PROD.environments[0].services,)}
    plan = make_plan(question(PROD, empty, selected=selected))
    assert (plan.targets, [s.target for s in plan.steps]) == (("dev",), ["dev"])


def test_the_same_question_has_the_same_answer():
    seen = changed(running(PROD), "play-infra-redis-1", image_id="sha256:2", networks={})
    assert make_plan(question(PROD, seen)) == make_plan(question(PROD, seen))


def test_the_base_may_visit_environments_and_nobody_else():
    seen = changed(
        running(DEV),
        "play-infra-redis-1",
        networks={"play-infra-data": ("redis",), "play-dev-data": ("redis",), "somewhere": ("redis",)},
    )
    (found,) = make_plan(question(DEV, seen)).steps
    assert found.causes == (Cause("networks.somewhere", "redis", None),)


def test_an_image_of_its_own_is_no_version():
    one = of(app(image=Image("registry.example/app:1.0")))
    assert make_plan(question(one)).is_empty
