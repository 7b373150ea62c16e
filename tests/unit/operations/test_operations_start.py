"""Starting: waves, what counts as it should be, leftovers, and what the error says when a service does not come up."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from envmgr.errors import EngineError, ExitCode, NotHealthyError
from envmgr.health import wait
from envmgr.model.observed import Container, EngineHealth, ExecResult, HealthRun, State
from envmgr.model.progress import Note, Progress
from tests.fakes.engine import Behaviour
from tests.house import WEB, House, fail
from tests.making import container

FAILED = Behaviour(state=State.EXITED, exit_code=3, logs="playing\nthe table is not there\n")


def failed(house: House, *names: str) -> NotHealthyError:
    with pytest.raises(NotHealthyError) as caught:
        house.up(*names)
    assert caught.value.exit_code == ExitCode.NOT_HEALTHY
    return caught.value


# ---- what is started


def test_a_job_that_failed_is_the_cause_and_runs_again(house: House):
    house.engine.behaviours["migrate"] = FAILED
    error = failed(house)
    assert error.message == "migrate of dev: failed: last exit code 3: the table is not there"
    assert error.state == "Running in dev: nothing; not running: app."
    assert error.help == "envmgr logs dev migrate"
    assert error.details == ("engine: exited, exit code 3", "log: playing", "log: the table is not there")
    assert house.ups()[-1] == ("play-dev", ("migrate",))
    del house.engine.behaviours["migrate"]
    house.engine.behaviours["migrate"] = Behaviour(state=State.EXITED)
    house.up()
    assert house.ups() == [("play-dev", ("migrate",)), ("play-dev", ("app", "worker"))]
    house.up()
    assert house.ups() == []


WATCHED = """\
[infra.postgres-exporter]
uses = ["postgres"]

[services.app]"""


def test_what_a_server_of_the_base_holds_is_made_before_what_depends_on_it_starts(house: House):
    house.engine.has_image("prometheuscommunity/postgres-exporter:v0.17.1")
    house.edit("[services.app]", WATCHED)
    house.up("infra")
    steps = []
    for call in house.calls("compose_up", "exec"):
        if call[0] == "compose_up":
            steps.append(f"up {' '.join(call[2])}")
        elif any("infra_postgres_exporter" in text for one in house.servers.variables for text in one.values()):
            steps.append("login")
    assert steps[0].startswith("up ")
    assert "postgres-exporter" not in steps[0]
    assert "login" in steps[: steps.index("up postgres-exporter")]
    assert "login" in steps


def test_a_server_that_refuses_ends_it_before_what_depends_on_it(house: House):
    house.engine.has_image("prometheuscommunity/postgres-exporter:v0.17.1")
    house.edit("[services.app]", WATCHED)
    serve = house.engine.exec_handler

    def refuse(container: Container, argv: tuple[str, ...], variables: Mapping[str, str]) -> ExecResult:
        refused = "infra_postgres_exporter" in variables.get("SQL", "")
        return ExecResult(1, "no such role\n") if refused else serve(container, argv, variables)

    house.engine.exec_handler = refuse
    with pytest.raises(EngineError) as caught:
        house.up("infra")
    assert caught.value.details == ("no such role",)
    assert "play-infra-postgres-exporter-1" not in house.names()


@pytest.mark.parametrize("state", [State.EXITED, State.PAUSED, State.DEAD, State.CREATED])
def test_a_container_that_does_not_run_is_started(house: House, state: State):
    house.up()
    house.engine.change(house.container("play-dev-app-1").id, state=state)
    assert house.up().changed == 1
    assert house.container("play-dev-app-1").state is State.RUNNING
    # Compose leaves a paused container alone.
    assert [call[0] for call in house.calls("compose_up", "restart")] == [
        "restart" if state is State.PAUSED else "compose_up"
    ]


def test_a_number_of_replicas_is_reached_and_left(house: House):
    house.edit('kind = "asgi"', 'kind = "asgi"\nreplicas = 3')
    house.up()
    assert {f"play-dev-app-{n}" for n in (1, 2, 3)} <= house.names()
    house.edit("replicas = 3", "replicas = 1")
    assert house.up().changed == 1
    assert "play-dev-app-2" not in house.names()


def test_restarts_of_earlier_days_are_no_crash_loop(house: House):
    house.up()
    house.engine.change(house.container("play-dev-app-1").id, restart_count=7)
    assert house.up().changed == 0
    house.engine.change(house.container("play-dev-app-1").id, state=State.EXITED)
    assert house.up().changed == 1


# ---- what is removed


def left(house: House, name: str, service: str, **fields: object) -> Container:
    like = house.container("play-dev-app-1")
    one = container(service, id=f"{name}-id", name=name, labels=like.labels, **fields)
    return house.engine.add(one)


def test_what_a_killed_replacement_left_is_removed(house: House):
    house.up()
    left(house, "0123456789ab_play-dev-app-1", "app", number=1, state=State.CREATED)
    assert house.up().changed == 0
    assert "0123456789ab_play-dev-app-1" not in house.names()
    said = "dev: removing 0123456789ab_play-dev-app-1: left by a command that was cut short"
    assert said in house.texts(Note)


@pytest.mark.parametrize("name", ["0123456789a_play-dev-app-1", "0123456789AB_play-dev-app-1", "play-dev-app-2"])
def test_no_other_name_is_taken_for_a_leftover(house: House, name: str):
    house.up()
    left(house, name, "app", number=1)
    house.up()
    assert not [text for text in house.texts(Note) if "cut short" in text]


def test_a_service_that_left_the_spec_has_its_time_to_stop(house: House):
    house.up()
    old = left(house, "play-dev-mailer-1", "mailer")
    house.up()
    assert house.calls("stop", "remove_container") == [("stop", old.id, 60), ("remove_container", old.id)]
    assert house.texts(Note) == ["dev: removing play-dev-mailer-1: the spec no longer has mailer"]


def test_a_container_made_by_compose_run_is_no_leftover(house: House):
    house.up()
    one = left(house, "play-dev-mailer-run-1", "mailer")
    house.engine.change(one.id, labels={**one.labels, "com.docker.compose.oneoff": "True"})
    house.up()
    assert "play-dev-mailer-run-1" in house.names()


def test_what_a_killed_replacement_left_of_the_base_is_removed_for_an_environment_too(house: House):
    house.up()
    name = "0123456789ab_play-infra-redis-1"
    labels = house.container("play-infra-redis-1").labels
    house.engine.add(container("redis", "infra", name=name, state=State.CREATED, labels=labels))
    assert house.up("dev").changed == 0
    assert name not in house.names()


# ---- what does not come up


def test_a_crash_loop_is_an_error_with_its_last_words(house: House):
    house.engine.behaviours["app"] = Behaviour(
        state=State.RESTARTING, exit_code=1, restart_count=2, logs="".join(f"line {n}\n" for n in range(30))
    )
    error = failed(house)
    assert error.message == "app of dev: crash loop: restarted 2 times, last exit code 1: line 29"
    assert error.details[0] == "engine: restarting, exit code 1, restarted 2 times"
    assert error.details[-1] == "log: line 29"
    assert len(error.details) <= 12
    assert error.help == "envmgr logs dev app"


def test_a_container_killed_for_its_memory_says_so(house: House):
    house.engine.behaviours["app"] = Behaviour(state=State.EXITED, exit_code=137, is_oom_killed=True)
    error = failed(house)
    assert error.message == "app of dev was killed for using more than its 64M of memory"
    assert error.details == ("engine: exited, exit code 137, out of memory", "log: it wrote nothing")


def test_a_service_that_stays_unhealthy_shows_its_healthcheck(house: House):
    house.write(WEB + "services.web.start_seconds = 1\n")
    runs = (HealthRun(1, "old\n"), HealthRun(0, "fine\n"), HealthRun(1, "a\nb\nconnection refused\n503\n"))
    house.engine.behaviours["web"] = Behaviour(health=EngineHealth.UNHEALTHY, health_runs=runs, logs="listening\n")
    error = failed(house)
    assert error.message == "web of dev: unhealthy: not healthy within 1 s: its healthcheck fails: connection refused"
    assert error.details == (
        "engine: running",
        *("healthcheck: b", "healthcheck: connection refused", "healthcheck: 503"),
        "log: listening",
    )
    assert error.state == "Running in dev: web."
    shown = [one.health.verdict.value for one in house.said if isinstance(one, Progress)]
    assert shown[-1] == "unhealthy"


def test_a_slow_starter_is_waited_for(house: House):
    house.write(WEB)
    house.engine.behaviours["web"] = Behaviour(health=EngineHealth.STARTING)
    house.engine.planned.append(lambda: None)
    house.engine.planned.append(
        lambda: house.engine.becomes(house.container("play-dev-web-1").id, EngineHealth.HEALTHY)
    )
    assert [health.verdict.value for health in house.up().services] == ["healthy"]


def test_a_server_that_restarts_once_while_it_starts_is_found_by_its_probe(house: House):
    """A probe that looked for its container only once would never find one that was between two runs."""
    house.engine.behaviours["redis"] = Behaviour(state=State.RESTARTING, exit_code=1, restart_count=1)

    def recover() -> None:
        one = house.container("play-infra-redis-1").id
        house.engine.change(one, "start", state=State.RUNNING, health=EngineHealth.HEALTHY)

    house.engine.planned += [lambda: None, recover]
    house.edit("[infra.redis]", "[infra.redis]\nstart_seconds = 2")
    house.up("infra")
    assert house.container("play-infra-redis-1").state is State.RUNNING


def test_the_engine_refusing_to_start_says_what_runs(house: House):
    house.up()
    house.edit("[services.app]", "[services.app]\ncpus = 0.3")
    house.engine.refusals["compose_up"] = EngineError("docker compose up failed", details=("no space left",))
    with pytest.raises(EngineError) as caught:
        house.up()
    assert caught.value.message == "dev: docker compose up failed"
    assert caught.value.details == ("no space left",)
    assert caught.value.state == "Running in dev: app."
    assert caught.value.help == "envmgr up dev"


def test_the_engines_own_advice_comes_first(house: House):
    house.engine.refusals["compose_up"] = fail()
    with pytest.raises(EngineError) as caught:
        house.up()
    assert (caught.value.message, caught.value.help) == ("infra: Docker refused", "look at Docker")
    assert caught.value.state == "Running in infra: nothing; not running: postgres, redis."


def test_an_engine_that_goes_away_while_waiting_ends_it(house: House, monkeypatch: pytest.MonkeyPatch):
    house.engine.behaviours["app"] = Behaviour(health=EngineHealth.STARTING)
    house.engine.planned.append(lambda: house.engine.refusals.update(snapshot=fail("Docker is not running")))
    monkeypatch.setattr(wait, "_LOOK", 0.01)
    with pytest.raises(EngineError, match="Docker is not running"):
        house.up()
