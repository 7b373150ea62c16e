"""Why a start failed: the first cause, the server behind it, and the last words of what is in trouble."""

from __future__ import annotations

import pytest

from envmgr.errors import NotHealthyError
from envmgr.model.health import ServiceHealth, Verdict
from envmgr.model.observed import EngineHealth, State
from envmgr.operations.diagnosis import not_healthy, running_state
from tests.fakes.engine import Behaviour
from tests.house import House, fail
from tests.making import container, observed, service, stack


def error_of(house: House, *bad: tuple[str, Verdict]) -> NotHealthyError:
    session = house.session()
    healths = tuple(ServiceHealth("dev", name, verdict, "because") for name, verdict in bad)
    return not_healthy(session, session.project.system.stack("dev"), healths)


@pytest.mark.parametrize(
    ("bad", "first"),
    [
        ((("app", Verdict.FAILED), ("migrate", Verdict.FAILED)), "migrate of dev: failed"),
        ((("app", Verdict.STARTING), ("worker", Verdict.CRASHING)), "worker of dev: crash loop"),
        ((("migrate", Verdict.STARTING), ("app", Verdict.FAILED)), "app of dev: failed"),
        ((("migrate", Verdict.UNHEALTHY), ("app", Verdict.FAILED)), "app of dev: failed"),
        ((("migrate", Verdict.COMPLETED), ("app", Verdict.STOPPED)), "app of dev: stopped"),
    ],
)
def test_the_first_cause_is_named(house: House, bad: tuple[tuple[str, Verdict], ...], first: str):
    house.up()
    assert error_of(house, *bad).message == f"{first}: because"


def test_a_broken_server_of_the_base_is_named_before_what_suffers_from_it(house: House):
    house.up()
    house.engine.get("play-infra-redis-1").logs = "OOM\n"
    house.servers.refuses.add("probe redis dev")
    house.servers.refuses.add("probe redis")
    house.engine.behaviours["app"] = Behaviour(state=State.EXITED, exit_code=1, logs="cannot reach redis\n")
    error = error_of(house, ("app", Verdict.FAILED))
    assert error.message == "redis of infra: unhealthy: redis says no"
    assert error.help == "envmgr logs infra redis"
    assert error.details == ("engine: running", "probe: redis says no", "log: OOM")


def test_a_server_that_does_not_run_is_named(house: House):
    house.up()
    house.engine.halt(house.engine.get("play-infra-postgres-1"))
    assert error_of(house, ("app", Verdict.FAILED)).message == ("postgres of infra was stopped (exit code 143)")


def test_a_server_that_is_gone_leaves_no_words(house: House):
    house.up()
    house.engine.discard(house.engine.get("play-infra-postgres-1"))
    error = error_of(house, ("app", Verdict.FAILED))
    assert (error.details, error.state) == ((), "Running in dev: app.")


def test_of_several_replicas_the_one_in_trouble_speaks(house: House):
    house.edit('kind = "asgi"', 'kind = "asgi"\nreplicas = 2')
    house.up()
    house.engine.get("play-dev-app-1").logs = "all is well\n"
    house.engine.get("play-dev-app-2").logs = "no memory\n"
    house.engine.change(house.container("play-dev-app-2").id, health=EngineHealth.UNHEALTHY)
    assert error_of(house, ("app", Verdict.UNHEALTHY)).details == ("engine: running", "log: no memory")


def test_a_log_that_cannot_be_read_hides_no_cause(house: House):
    house.up()
    house.engine.refusals |= {"logs": fail("Docker is busy"), "health_log": fail()}
    error = error_of(house, ("app", Verdict.FAILED))
    assert error.message == "app of dev: failed: because"
    assert error.details == ("engine: running", "log: it cannot be read: Docker is busy")


def test_the_state_in_words():
    dev = stack(service("web"), service("job", is_job=True), service("worker"))
    assert running_state(dev, observed()) == "Running in dev: nothing; not running: web, worker."
    assert running_state(dev, observed(container("web"))) == "Running in dev: web; not running: worker."
    assert running_state(dev, observed(container("web"), container("worker"))) == "Running in dev: web, worker."
