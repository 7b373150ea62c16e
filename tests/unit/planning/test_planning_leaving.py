"""What goes with a target that is taken down, and what with one that is destroyed."""

from __future__ import annotations

from dataclasses import replace

from envmgr import naming
from envmgr.model.observed import State
from envmgr.model.plan import Action, Interruption, Loss, Plan, Remark, Risk, Step, Subject
from envmgr.model.stack import System
from envmgr.planning.leaving import plan_destroy, plan_down
from tests.making import container
from tests.unit.planning.asking import app, base, changed, environment, question, running, system

ONE = system(dev=False, prod=True)
APP = Step(
    "dev",
    Subject.SERVICE,
    "app",
    Action.REMOVE,
    containers=("play-dev-app-1",),
    loss=Loss(Interruption.REQUESTS, ("dev",), None),
)
NETWORK = Step("dev", Subject.NETWORK, "play-dev-data", Action.REMOVE)


def only(*targets: str, seen=None, of: System = ONE):
    return question(of, seen, selected=dict.fromkeys(targets, ()))


def test_a_stack_goes_with_its_networks():
    assert plan_down(only("dev")) == Plan(("dev",), (APP, NETWORK))


def test_the_base_keeps_its_data_and_names_who_is_cut():
    plan = plan_down(only("infra"))
    (redis, network) = plan.steps
    assert (redis.loss, redis.disturbs) == (Loss(Interruption.REQUESTS, ("dev", "prod"), None), ("prod",))
    assert network.name == "play-infra-data"
    assert plan.remarks == (Remark("infra", "volume play-infra-redis-data stays with its data"),)
    assert plan.risks == ()


def test_some_services_leave_the_network():
    many = System("play", base(), (environment("dev", 1, app(), app("web")),), {})
    assert plan_down(only("dev", of=many), ("app",)) == Plan(("dev",), (APP,))


def test_what_has_stopped_is_missed_by_nobody():
    seen = changed(running(ONE), "play-dev-app-1", state=State.EXITED)
    assert plan_down(only("dev", seen=seen)).steps == (replace(APP, loss=None), NETWORK)


def test_what_the_spec_no_longer_has_goes_too():
    old = container("mailer", labels={naming.LABEL_PROJECT: "play"})
    seen = replace(running(ONE), containers=(*running(ONE).containers, old))
    found = plan_down(only("dev", seen=seen)).steps[1]
    assert (found.name, found.reason, found.loss) == (
        "mailer",
        "the spec no longer has mailer",
        Loss(Interruption.REQUESTS, ("dev",), None),
    )


def test_a_target_that_is_destroyed_takes_what_it_owns_elsewhere_and_its_volumes():
    plan = plan_destroy(only("dev"), {"database dev_play": "12 MB"})
    risk = Risk("database dev_play", "12 MB")
    assert plan == Plan(("dev",), (APP, NETWORK, Step("dev", Subject.GRANT, risk.what, Action.REMOVE, risks=(risk,))))
    assert plan_destroy(only("infra"), {}).risks == (Risk("volume play-infra-redis-data", "all its data"),)


def test_nothing_goes_of_what_never_was():
    empty = replace(running(ONE), containers=(), networks=(), volumes=())
    assert plan_destroy(only("dev", "infra", seen=empty), {}) == Plan(("dev", "infra"))
