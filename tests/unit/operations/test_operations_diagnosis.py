"""Why a start failed: the first cause, the server behind it, and the last words of what is in trouble."""

from __future__ import annotations

import pytest

from envmgr.diagnosis.evidence import Listener
from envmgr.errors import EngineError, NotHealthyError
from envmgr.model.diagnosis import DiagnosedError
from envmgr.model.health import ServiceHealth, Verdict
from envmgr.model.observed import EngineHealth, ExecResult, HealthRun, State
from envmgr.operations.diagnosis import Known, collect, not_healthy, running_state
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


def test_the_last_words_are_those_since_the_last_start(house: House):
    house.engine.behaviours["app"] = Behaviour(logs="fatal: the map is missing\n")
    house.up()
    house.engine.behaviours["app"] = Behaviour(state=State.EXITED, exit_code=3)
    house.engine.restart(house.container("play-dev-app-1").id, 1)
    error = error_of(house, ("app", Verdict.FAILED))
    assert error.details == ("engine: exited, exit code 3", "log: it wrote nothing")


def test_a_crash_loop_said_why_before_its_last_end(house: House):
    house.engine.behaviours["app"] = Behaviour(logs="fatal: the map is missing\n")
    house.up()
    app = house.container("play-dev-app-1")
    house.engine.behaviours["app"] = Behaviour(logs="starting\nall is well so far\n")
    house.engine.dies(app.id)
    ended = house.container("play-dev-app-1").finished_at
    house.engine.start(app.id)
    house.engine.change(app.id, restart_count=3, finished_at=ended)
    error = error_of(house, ("app", Verdict.CRASHING))
    assert error.message.endswith(": fatal: the map is missing")
    assert error.details == ("engine: running, restarted 3 times", "log: fatal: the map is missing")


def test_what_came_up_after_all_is_no_cause(house: House):
    house.up()
    error = error_of(house, ("app", Verdict.UNHEALTHY))
    assert not isinstance(error, DiagnosedError)
    assert (error.message, error.help) == ("app of dev: unhealthy: because", "envmgr up dev")


def test_the_collected_evidence(house: House):
    house.up()
    app = house.container("play-dev-app-1")
    house.engine.get(app.id).logs = "first\n\nsecond\n"
    house.engine.get(app.id).health_runs = (HealthRun(1, "503\n"),)
    house.engine.change(app.id, health=EngineHealth.UNHEALTHY)
    (house.folder / ".envmgr/dev/secrets/app/REDIS_URL").unlink()
    (house.folder / ".env.dev").write_text(
        (house.folder / ".env.dev").read_text().replace("SECRET_KEY=", "SECRET_KEY=x")
    )
    session = house.session()
    found = collect(session, session.project.system.stack("dev"), session.observe(), Known())
    (witness,) = found.witnesses
    assert witness.log == ("first", "second")
    assert witness.checks == (HealthRun(1, "503\n"),)
    assert [one.action for one in witness.history] == ["start"]
    assert witness.missing_files == (".envmgr/dev/secrets/app/REDIS_URL",)
    assert set(witness.secret_files) == {"DATABASE_URL", "SECRET_KEY"}
    assert witness.is_outdated
    assert (found.grants, found.free_disk) == ((), 50 << 30)
    assert len(found.secrets) >= 3


def test_nothing_is_asked_of_what_is_well(house: House):
    house.up()
    house.engine.refusals |= {"logs": fail(), "health_log": fail(), "history": fail(), "host": fail()}
    session = house.session()
    found = collect(session, session.project.system.stack("dev"), session.observe(), Known())
    assert (found.witnesses, found.grants) == ((), ())


def test_a_server_of_its_own_is_asked_for_its_part_only_while_the_environment_is_up(house: House):
    house.up()
    house.servers.refuses.add("probe redis dev")
    session = house.session()
    stack_of = session.project.system.stack
    assert [one.grant.server for one in collect(session, stack_of("dev"), session.observe(), Known()).grants] == [
        "redis"
    ]
    assert collect(session, stack_of("stage"), session.observe(), Known()).grants == ()


def test_what_the_servers_stand_on_is_looked_at_too(house: House):
    house.edit('uses = ["postgres"]\nmemory', 'uses = ["redis"]\nmemory')
    house.edit('uses = ["postgres", "redis"]', 'uses = ["redis"]')
    house.edit("[infra.redis]\n", '[infra.redis]\nuses = ["postgres"]\n')
    house.up()
    house.engine.halt(house.engine.get("play-infra-postgres-1"))
    session = house.session()
    found = collect(session, session.project.system.stack("dev"), session.observe(), Known())
    assert [witness.node for witness in found.witnesses] == [("infra", "postgres")]


def test_where_a_program_listens_is_read_inside_its_container(house: House):
    house.up()
    app = house.container("play-dev-app-1")
    house.engine.change(app.id, health=EngineHealth.UNHEALTHY)
    line = "   0: 00000000:2328 00000000:0000 0A 00000000:00000000 00:00000000 00000000 10001        0 3 1 0\n"
    house.engine.exec_handler = lambda container, argv, variables: (
        ExecResult(0, line) if argv[0] == "cat" else house.servers(container, argv, variables)
    )
    session = house.session()
    (witness,) = collect(session, session.project.system.stack("dev"), session.observe(), Known()).witnesses
    assert witness.listeners == (Listener("0.0.0.0", 9000),)


def test_a_start_that_the_engine_refuses_is_explained(house: House):
    words = 'unable to start container process: exec: "play": executable file not found in $PATH'
    house.engine.behaviours["app"] = Behaviour(error=words)
    with pytest.raises(DiagnosedError) as caught:
        house.up()
    error = caught.value
    assert error.exit_code == 5
    assert error.message.startswith("app of dev cannot run play: the image registry.example/play:1 has no such program")
    assert error.details == (f"engine: {words}", "engine: created", "log: it wrote nothing")
    assert error.state == "Running in dev: nothing; not running: app."


def test_a_start_that_is_refused_for_an_unknown_reason_keeps_the_engine_s_words(house: House):
    house.engine.refusals["compose_up"] = EngineError("docker compose up failed", details=("the moon is full",))
    with pytest.raises(EngineError) as caught:
        house.up()
    assert caught.value.exit_code == 4
    assert caught.value.details == ("the moon is full",)


def test_the_state_in_words():
    dev = stack(service("web"), service("job", is_job=True), service("worker"))
    assert running_state(dev, observed()) == "Running in dev: nothing; not running: web, worker."
    assert running_state(dev, observed(container("web"))) == "Running in dev: web; not running: worker."
    assert running_state(dev, observed(container("web"), container("worker"))) == "Running in dev: web, worker."
