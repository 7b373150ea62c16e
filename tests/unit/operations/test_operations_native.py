"""Services move between their containers and the desk on the fake engine: what is done, said and refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from envmgr.errors import LockedError, SpecError, UsageError
from envmgr.model.observed import State
from envmgr.model.plan import Action, Cause, Subject
from envmgr.model.progress import Note
from envmgr.model.result import LogLine, SidesResult
from envmgr.native.running import take
from envmgr.native.sides import read_native
from envmgr.operations.down import down
from envmgr.operations.health import health
from envmgr.operations.logs import LogOptions, logs
from envmgr.operations.native import to_container, to_native
from envmgr.operations.rendering import check_rendered
from envmgr.operations.run import prepare, variables
from envmgr.operations.status import status
from envmgr.operations.up import UpOptions
from envmgr.operations.why import why
from tests.fakes.engine import Behaviour
from tests.house import House, house

__all__ = ["house"]

SPEC = """\
[project]
name = "play"

[infra.postgres]
port = 5433
memory = "64M"
cpus = 0.5

[infra.redis]
port = 6379
memory = "64M"
cpus = 0.5

[variables.SECRET_KEY]
secret = true
generate = true
services = ["app"]

[services.migrate]
kind = "job"
image = "registry.example/play:1"
command = ["migrate"]
uses = ["postgres"]
memory = "64M"
native = { command = ["true"] }

[services.app]
kind = "asgi"
image = "registry.example/play:1"
app = "play:app"
uses = ["postgres", "redis"]
after = ["migrate"]
memory = "64M"
native = { command = ["sh", "-c", "exit 3"], watch = [] }

[services.worker]
kind = "container"
healthcheck = ["true"]
image = "registry.example/play:1"
uses = ["redis"]
after = ["migrate"]
memory = "64M"
native = { command = ["absent-program"] }

[services.page]
kind = "asgi"
app = "page:app"
image = "registry.example/play:1"
after = ["app"]
memory = "64M"

[environments.dev]
ports = { app = 8000 }

[environments.prod]
protected = true
ports = { app = 8002 }
"""


@pytest.fixture
def desk(house: House) -> House:
    """dev runs, everything in containers."""
    house.write(SPEC)
    house.engine.behaviours["worker"] = Behaviour()
    house.engine.has_image("nginx:1.26")
    house.up("dev")
    house.forget()
    house.plans.clear()
    return house


def native(house: House, *names: str, target: str = "dev") -> SidesResult:
    house.forget()
    return to_native(house.session(), target, names, house.agree)


def container(house: House, *names: str) -> SidesResult:
    house.forget()
    return to_container(house.session(), "dev", names, UpOptions(), house.agree)


def test_one_service_goes_and_everything_else_runs_on(desk: House):
    before = desk.ids()
    result = native(desk, "app")
    after = desk.ids()
    assert (result.native, result.stopped) == (("app",), ("app",))
    assert result.container == ("migrate", "worker", "page")
    assert result.healthy > 0
    assert {name for name in before if before[name] != after.get(name)} == {"play-dev-app-1"}
    assert desk.container("play-dev-app-1").labels["envmgr.kind"] == "native"
    assert read_native(desk.folder, "dev") == ("app",)


def test_the_plan_says_the_one_cause(desk: House):
    native(desk, "app")
    (plan,) = desk.plans
    (step,) = plan.of("dev", Subject.SERVICE)
    assert (step.name, step.action, step.causes) == (
        "app",
        Action.RECREATE,
        (Cause("side", "container", "native"),),
    )


def test_one_without_a_port_leaves_no_container(desk: House):
    native(desk, "worker")
    assert "play-dev-worker-1" not in desk.names()
    assert "dev: removing play-dev-worker-1: worker goes to the desk" in desk.texts(Note)


def test_all_that_can_go_goes_when_none_is_named(desk: House):
    result = native(desk)
    assert result.native == ("migrate", "app", "worker")
    assert desk.names() == {"play-infra-postgres-1", "play-infra-redis-1", "play-dev-app-1", "play-dev-page-1"}


def test_from_nothing_only_the_base_starts_and_the_environment_owns_its_part(house: House):
    house.write(SPEC.replace('native = { command = ["absent-program"] }', 'native = { command = ["true"] }'))
    house.engine.has_image("nginx:1.26")
    native(house)
    assert house.names() == {"play-infra-postgres-1", "play-infra-redis-1", "play-dev-app-1"}
    assert ("ensure", "postgres dev") in house.servers.asked


def test_later_commands_leave_it_on_the_desk_and_have_nothing_to_do(desk: House):
    native(desk, "app", "worker")
    before = desk.ids()
    assert desk.plan("dev").is_empty
    desk.up("dev")
    assert desk.ids() == before


def test_committed_files_do_not_change(desk: House):
    files = {path: path.read_bytes() for path in (desk.folder / "compose").rglob("*") if path.is_file()}
    native(desk, "app")
    assert {path: path.read_bytes() for path in (desk.folder / "compose").rglob("*") if path.is_file()} == files
    assert check_rendered(desk.session().project)


def test_a_switch_asks_no_server_and_a_run_without_one_makes_sure_of_all(desk: House):
    native(desk, "app")
    assert desk.servers.asked == []
    desk.forget()
    prepare(desk.session(), "dev", "app", (), desk.agree)
    assert ("ensure", "postgres dev") in desk.servers.asked


def test_a_switch_makes_sure_of_the_base_when_it_is_not_healthy(desk: House):
    desk.engine.halt(desk.engine.get("play-infra-redis-1"))
    native(desk, "app")
    assert desk.container("play-infra-redis-1").state is State.RUNNING
    assert ("ensure", "redis dev") in desk.servers.asked


def test_a_new_value_is_made_known_to_the_servers_although_only_a_service_moves(desk: House):
    native(desk, "app")
    desk.edit("[variables.SECRET_KEY]", "[variables.TOKEN]\nsecret = true\ngenerate = true\n\n[variables.SECRET_KEY]")
    options = UpOptions(trusts_ground=True, new_secrets=True)
    desk.forget()
    to_container(desk.session(), "dev", ("app",), options, desk.agree)
    assert ("ensure", "postgres dev") in desk.servers.asked


def test_it_comes_back(desk: House):
    before = {name: desk.container(name).labels["envmgr.hash"] for name in desk.names()}
    native(desk, "app", "worker")
    result = container(desk, "app")
    assert result.native == ("worker",)
    container(desk)
    assert {name: desk.container(name).labels["envmgr.hash"] for name in desk.names()} == before
    assert read_native(desk.folder, "dev") == ()


def test_another_environment_stays_what_it_is(desk: House):
    desk.up("prod")
    before = {name: one for name, one in desk.ids().items() if "-prod-" in name}
    native(desk)
    assert {name: one for name, one in desk.ids().items() if "-prod-" in name} == before
    assert read_native(desk.folder, "prod") == ()


def test_down_takes_what_stands_for_it_too(desk: House):
    native(desk)
    down(desk.session(), ("dev",), desk.agree)
    assert desk.names() == {"play-infra-postgres-1", "play-infra-redis-1"}
    assert read_native(desk.folder, "dev") == ("migrate", "app", "worker")


# ---- health and why


def test_health_says_that_nothing_runs_it_and_why_says_what_to_type(desk: House):
    native(desk, "app", "worker")
    slot = take(desk.folder, "dev", "worker")
    result = health(desk.session(), ("dev",))
    told = {probe.service: probe for probe in result.probes if probe.what == "asgi on the desk"}
    assert set(told) == {"app"}
    assert (told["app"].verdict, told["app"].is_good) == ("stopped", False)
    found = why(desk.session(), "dev")
    assert found.first is not None
    assert (found.first.signature, found.first.command) == ("native-not-running", "envmgr run dev app")
    assert why(desk.session(), "dev", "app").first == found.first
    slot.close()


def test_one_that_runs_is_healthy(desk: House):
    native(desk, "app", "worker")
    slots = [take(desk.folder, "dev", name) for name in ("app", "worker")]
    for slot in slots:
        slot.tell(os.getpid())
    result = health(desk.session(), ("dev",))
    assert result.is_good, result.probes
    assert why(desk.session(), "dev").is_healthy
    for slot in slots:
        slot.close()


# ---- refusals


def test_what_runs_on_the_desk_is_not_brought_back_beside_itself(desk: House):
    native(desk, "app")
    slot = take(desk.folder, "dev", "app")
    slot.tell(4711)
    with pytest.raises(LockedError, match="app of dev runs on the desk, as process 4711") as caught:
        container(desk, "app")
    slot.close()
    assert (caught.value.state, read_native(desk.folder, "dev")) == ("Nothing was changed.", ("app",))


def test_a_service_that_is_only_an_image_stays(desk: House):
    with pytest.raises(UsageError, match="page of dev has no command outside its container") as caught:
        native(desk, "page")
    assert "[services.page.native]" in caught.value.help
    assert read_native(desk.folder, "dev") == ()


def test_a_server_that_publishes_no_port_is_named(desk: House):
    desk.edit("port = 6379\n", "")
    with pytest.raises(SpecError) as caught:
        native(desk, "worker")
    (problem,) = caught.value.problems
    assert problem.message == "REDIS_URL of worker leads to redis:6379, which publishes no port"
    assert "play-dev-worker-1" in desk.names()


def test_one_that_others_call_needs_a_port_to_be_found_at(desk: House):
    desk.edit("ports = { app = 8000 }", "")
    with pytest.raises(UsageError, match="app publishes no port in dev"):
        native(desk, "app")
    assert native(desk).native == ("migrate", "worker")


@pytest.mark.parametrize(
    ("target", "names", "message"),
    [
        ("infra", (), "infra is the base: its servers run in containers"),
        ("nowhere", (), "nowhere is neither an environment nor infra"),
        ("dev", ("ap",), "dev has no service ap (did you mean"),
    ],
)
def test_a_name_that_is_none(desk: House, target: str, names: tuple[str, ...], message: str):
    with pytest.raises(UsageError) as caught:
        native(desk, *names, target=target)
    assert message in caught.value.message


def test_commands_for_containers_say_that_it_has_none(desk: House):
    native(desk, "worker")
    with pytest.raises(UsageError, match="worker of dev has no container: it runs on the desk") as caught:
        desk.up("dev", "worker")
    assert caught.value.help == "envmgr run dev worker, or envmgr container dev worker"


def test_a_protected_environment_is_not_cut_unasked(desk: House):
    desk.up("prod")
    with pytest.raises(UsageError, match="prod"):
        to_native(desk.session(), "prod", ("app",))
    assert read_native(desk.folder, "prod") == ()
    assert desk.container("play-prod-app-1").labels["envmgr.kind"] == "asgi"


# ---- what is run


def test_what_is_prepared_has_its_variables_and_its_jobs_before_it(desk: House):
    native(desk, "migrate")
    job, app = prepare(desk.session(), "dev", "app", (), desk.agree)
    assert (job.service, job.program.argv[1:], job.program.watch) == ("migrate", (), ())
    assert (app.program.argv[1:], app.program.folder) == (("-c", "exit 3"), desk.folder)
    url = Path(app.program.variables["DATABASE_URL_FILE"])
    assert url == desk.folder / ".envmgr/dev/native/app/DATABASE_URL"
    assert url.read_text().endswith("@127.0.0.1:5433/dev_play")
    assert url.stat().st_mode & 0o777 == 0o600
    assert [port for _, port in app.program.relays] == [8000]
    assert read_native(desk.folder, "dev") == ("migrate", "app")


def test_another_command_in_its_place_is_not_restarted(desk: House):
    (app,) = prepare(desk.session(), "dev", "app", ("sh", "-c", "env"), desk.agree)
    assert (app.program.argv[1:], app.program.watch) == (("-c", "env"), ())


def test_the_users_own_variables_stay_but_for_those_that_contradict(desk: House, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://elsewhere")
    monkeypatch.setenv("EDITOR", "ed")
    (app,) = prepare(desk.session(), "dev", "app", (), desk.agree)
    assert "DATABASE_URL" not in app.program.variables
    assert app.program.variables["EDITOR"] == "ed"


def test_a_program_that_is_not_installed_is_named_with_where_it_was_looked_for(desk: House):
    with pytest.raises(UsageError, match="absent-program of worker is not installed") as caught:
        prepare(desk.session(), "dev", "worker", (), desk.agree)
    assert caught.value.state == "Nothing was started or stopped."
    assert "play-dev-worker-1" in desk.names()
    assert read_native(desk.folder, "dev") == ()


def test_a_virtual_environment_beside_the_source_is_used(desk: House, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    program = desk.folder / ".venv" / "bin" / "absent-program"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    (worker,) = prepare(desk.session(), "dev", "worker", (), desk.agree)
    assert worker.program.argv == (str(program),)


def test_what_runs_already_is_not_run_twice(desk: House):
    slot = take(desk.folder, "dev", "app")
    slot.tell(4711)
    with pytest.raises(LockedError, match="app of dev runs on the desk already, as process 4711"):
        prepare(desk.session(), "dev", "app", (), desk.agree)
    slot.close()
    assert read_native(desk.folder, "dev") == ()


def test_variables_are_printed_for_the_container_and_for_the_desk(desk: House):
    inside, place = variables(desk.session(), "dev", "app", on_desk=False)
    assert inside.files["REDIS_URL"].endswith("@redis:6379/0")
    assert inside.with_files(place)["REDIS_URL_FILE"] == "/run/secrets/REDIS_URL"
    outside, folder = variables(desk.session(), "dev", "app", on_desk=True)
    assert outside.files["REDIS_URL"].endswith("@127.0.0.1:6379/0")
    assert (folder / "REDIS_URL").read_text() == outside.files["REDIS_URL"]


def test_without_a_service_what_all_agree_on(desk: House):
    given, _ = variables(desk.session(), "dev", "", on_desk=True)
    assert {"ENVIRONMENT", "REDIS_KEY_PREFIX"} <= set(given.plain)
    assert {"DATABASE_URL", "REDIS_URL", "SECRET_KEY"} <= set(given.files)


def test_status_shows_each_side_in_the_services_place(desk: House):
    native(desk)
    slot = take(desk.folder, "dev", "app")
    slot.tell(os.getpid())
    (stack,) = status(desk.session(), ("dev",))
    slot.close()
    assert [(row.service, row.side, row.verdict, row.container, row.address) for row in stack.rows] == [
        ("app", "native", "healthy", "play-dev-app-1", "http://localhost:8000"),
        ("worker", "native", "stopped", "", ""),
        ("page", "container", "healthy", "play-dev-page-1", ""),
    ]
    assert (stack.state, stack.services_up, stack.services) == ("partly up", 2, 3)
    assert stack.rows[0].uptime is not None
    assert stack.rows[1].reason == "on the desk, and nothing runs it: envmgr run dev worker"
    (one,) = status(desk.session(), ("dev", "worker"))
    assert [row.service for row in one.rows] == ["worker"]
    with pytest.raises(UsageError, match="dev has no service nobody"):
        status(desk.session(), ("dev", "nobody"))


# ---- logs


def logged(desk: House, *names: str) -> list[LogLine]:
    lines: list[LogLine] = []
    assert logs(desk.session(), names, LogOptions(tail="2"), lines.append) == 0
    return lines


def test_lines_of_the_desk_stand_beside_those_of_containers(desk: House):
    native(desk, "app", "worker")
    place = desk.folder / ".envmgr/dev/native"
    (place / "app.log").write_text("1T first\n2T second\n3T third\n")
    desk.engine.terminal_lines = ("page-1  | 2026-11-24T10:59:12Z started",)
    assert logged(desk, "dev") == [
        LogLine("dev", "app", "2T", "second"),
        LogLine("dev", "app", "3T", "third"),
        LogLine("dev", "page", "2026-11-24T10:59:12Z", "started"),
    ]
    assert [line.text for line in logged(desk, "dev", "app")] == ["second", "third"]
    assert logged(desk, "dev", "worker") == []


def test_on_a_terminal_they_are_marked(desk: House, capsys: pytest.CaptureFixture[str]):
    native(desk, "app")
    (desk.folder / ".envmgr/dev/native/app.log").write_text("1T first\n")
    assert logs(desk.session(), ("dev", "app"), LogOptions()) == 0
    assert capsys.readouterr().out == "app (native)  | first\n"
