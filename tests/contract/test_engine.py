"""What holds for the fake engine and the real one alike; so what is tested against the fake holds for Docker."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from envmgr import naming
from envmgr.engine.docker import DockerEngine
from envmgr.engine.protocol import TIMED_OUT, BuildRequest, Opening
from envmgr.errors import EngineError
from envmgr.model.observed import EngineHealth, ExecResult, HealthRun, HostPort, State
from tests.contract.busybox import IMAGE, ensure_image
from tests.contract.engine_lab import FAILS, ILL, LINES, LOOPS, SLEEPS, SUCCEEDS, TALKS, WELL, Lab, answer, until
from tests.fakes.engine import FakeEngine, StillRunning


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.docker)])
def lab(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lab]:
    if request.param == "fake":
        engine = FakeEngine(exec_handler=answer)
        engine.has_image(IMAGE)
        yield Lab(engine, tmp_path)
        return
    docker = DockerEngine()
    ensure_image(docker, tmp_path)
    made = Lab(docker, tmp_path)
    try:
        yield made
    finally:
        made.clean()
        docker.close()


# ---- programs in containers of their own


def alone(image: str, argv: tuple[str, ...], variables: Mapping[str, str]) -> ExecResult | StillRunning:
    return answer(None, argv, variables)


def test_a_program_runs_in_a_container_of_its_own_and_nothing_is_left(lab: Lab):
    if isinstance(lab.engine, FakeEngine):
        lab.engine.run_alone_handler = alone
    before = {it.name for it in lab.snapshot().foreign}
    script = ("sh", "-c", 'printf "%s|%s" "$A" "$B"')
    assert lab.engine.run_alone(IMAGE, script, {"A": "x y", "B": "$z"}, 20) == ExecResult(0, "x y|$z")
    assert lab.engine.run_alone(IMAGE, ("sh", "-c", "echo out; echo err >&2; exit 3"), {}, 20).exit_code == 3
    assert lab.engine.run_alone(IMAGE, ("sh", "-c", "echo before; sleep 100"), {}, 0.5).exit_code == TIMED_OUT
    assert {it.name for it in lab.snapshot().foreign} == before


def test_an_image_that_is_not_there_makes_no_container(lab: Lab):
    with pytest.raises(EngineError, match=r"no container can be made from envmgr\.invalid/nope:1"):
        lab.engine.run_alone("envmgr.invalid/nope:1", ("true",), {}, 5)


# ---- networks


def test_a_network_is_made_once_and_seen(lab: Lab):
    network = lab.network()
    lab.engine.create_network(network, lab.labels)
    lab.engine.create_network(network, lab.labels)
    (found,) = (it for it in lab.snapshot().networks if it.name == network.name)
    assert found.subnets == (network.subnet,)
    assert found.labels == lab.labels


def test_a_network_that_is_there_with_another_definition_is_refused(lab: Lab):
    network = lab.network()
    lab.engine.create_network(network, lab.labels)
    with pytest.raises(EngineError, match=network.name) as caught:
        lab.engine.create_network(replace(network, subnet=lab.subnet()), lab.labels)
    assert network.subnet in caught.value.message
    with pytest.raises(EngineError, match=network.name):
        lab.engine.create_network(replace(network, is_internal=False), lab.labels)


def test_a_subnet_that_is_taken_is_refused_with_the_name_of_the_holder(lab: Lab):
    first = lab.network("first")
    lab.engine.create_network(first, lab.labels)
    with pytest.raises(EngineError, match=f"overlaps with {first.name}"):
        lab.engine.create_network(lab.network("second", subnet=first.subnet), lab.labels)


def test_a_container_joins_under_a_name_and_stays(lab: Lab):
    network = lab.network()
    lab.engine.create_network(network, lab.labels)
    lab.has("db", networks=["own"])
    lab.networks["own"] = {"name": f"{lab.compose_project}-own", "ipam": {"config": [{"subnet": lab.subnet()}]}}
    lab.up()
    before = lab.get("db")
    for _ in range(2):
        lab.engine.connect(network.name, before.id, ("postgres",))
    lab.up()
    lab.engine.restart(before.id, 1)
    after = lab.get("db", state=State.RUNNING)
    assert after.id == before.id
    assert after.networks[network.name] == ("postgres",)
    lab.engine.connect(network.name, before.id, ("postgres", "db"))
    assert set(lab.get("db").networks[network.name]) == {"postgres", "db"}


def test_a_stopped_container_joins_under_the_last_names_too(lab: Lab):
    network = lab.network()
    lab.engine.create_network(network, lab.labels)
    lab.has("job", SUCCEEDS, networks=["data"])
    lab.has_network(network)
    lab.up()
    job = lab.get("job", state=State.EXITED)
    lab.engine.connect(network.name, job.id, ("other",))
    assert "other" in lab.get("job").networks[network.name]


def test_joining_needs_both(lab: Lab):
    lab.has("app")
    lab.up()
    with pytest.raises(EngineError, match="not found"):
        lab.engine.connect(f"{lab.project}-nope", lab.get("app").id, ("x",))
    network = lab.network()
    lab.engine.create_network(network, lab.labels)
    with pytest.raises(EngineError, match="No such container"):
        lab.engine.connect(network.name, f"{lab.project}-nope", ("x",))


def test_leaving_is_fine_when_it_is_out_already(lab: Lab):
    network = lab.network()
    lab.engine.create_network(network, lab.labels)
    lab.has("app", networks=["data"])
    lab.has_network(network)
    lab.up()
    app = lab.get("app")
    lab.engine.disconnect(network.name, app.id)
    lab.engine.disconnect(network.name, app.id)
    lab.engine.disconnect(f"{lab.project}-nope", app.id)
    lab.engine.disconnect(network.name, f"{lab.project}-nope")
    assert network.name not in lab.get("app").networks


def test_a_network_in_use_stays(lab: Lab):
    network = lab.network()
    lab.engine.create_network(network, lab.labels)
    lab.has("app", networks=["data"])
    lab.has_network(network)
    lab.up()
    app = lab.get("app")
    with pytest.raises(EngineError, match=f"{app.name} still use it"):
        lab.engine.remove_network(network.name)
    lab.engine.stop(app.id, 1)
    lab.engine.remove_network(network.name)
    lab.engine.remove_network(network.name)
    assert network.name not in [it.name for it in lab.snapshot().networks]


# ---- exec


@pytest.fixture
def app(lab: Lab) -> str:
    lab.has("app")
    lab.up()
    return lab.get("app", state=State.RUNNING).id


def test_a_command_that_fails_is_a_result(lab: Lab, app: str):
    argv = ("sh", "-c", "echo out; echo err >&2; exit 3")
    found = lab.engine.exec(app, argv, {}, 20)
    # Two pipes: the engine reads them in either order.
    assert (found.exit_code, sorted(found.output.splitlines())) == (3, ["err", "out"])
    assert lab.engine.exec(app, ("true",), {}, 20) == ExecResult(0, "")


def test_variables_reach_a_command_byte_for_byte(lab: Lab, app: str):
    variables = {"A": "$HOME 'x' \"y\" `z` \\ #=é", "B": "two\nlines"}
    found = lab.engine.exec(app, ("sh", "-c", 'printf "%s|%s" "$A" "$B"'), variables, 20)
    assert found == ExecResult(0, "|".join(variables.values()))


def test_a_command_that_does_not_end(lab: Lab, app: str):
    found = lab.engine.exec(app, ("sh", "-c", "echo before; sleep 100"), {}, 0.5)
    assert found == ExecResult(124, "before\ntimed out after 0.5 s")


def test_a_command_that_does_not_exist(lab: Lab, app: str):
    found = lab.engine.exec(app, ("nope",), {}, 20)
    assert found.exit_code == 127
    assert "executable file not found" in found.output


def test_output_that_is_no_text(lab: Lab, app: str):
    assert lab.engine.exec(app, ("printf", "a\\377b"), {}, 20).output == "a\ufffdb"


def test_a_command_in_a_container_that_does_not_run(lab: Lab, app: str):
    lab.engine.stop(app, 1)
    with pytest.raises(EngineError, match="is not running"):
        lab.engine.exec(app, ("true",), {}, 20)
    with pytest.raises(EngineError, match="No such container"):
        lab.engine.exec(f"{lab.project}-nope", ("true",), {}, 20)


# ---- snapshot


def test_a_running_container(lab: Lab):
    port = 28000 + lab._block
    (lab.folder / "app.env").write_text("OTHER=1\nENVMGR_REVISION=4f1d0c9a\n")
    lab.engine.create_network(network := lab.network("publish", is_internal=False), lab.labels)
    lab.has_network(network)
    lab.has(
        "app",
        WELL,
        env_file=[{"path": "app.env", "required": True}],
        networks={"publish": {"aliases": ["api"]}},
        ports=[{"target": 80, "published": str(port), "host_ip": "127.0.0.1", "protocol": "tcp"}],
        deploy={"resources": {"limits": {"cpus": "0.5", "memory": "32m"}}},
    )
    lab.up()
    found = lab.get("app", health=EngineHealth.HEALTHY)
    assert found.name == f"{lab.compose_project}-app-1"
    assert (found.compose_project, found.service, found.number) == (lab.compose_project, "app", 1)
    assert (found.state, found.exit_code, found.restart_count, found.error) == (State.RUNNING, 0, 0, "")
    assert (found.is_oom_killed, found.finished_at) == (False, None)
    assert (found.revision, found.ports) == ("4f1d0c9a", (HostPort("127.0.0.1", port),))
    assert (found.memory_limit, found.cpu_limit) == (32 << 20, 0.5)
    assert found.networks == {network.name: (found.name, "app", "api")}
    assert lab.labels.items() <= found.labels.items()
    assert (found.image, found.image_id) == (IMAGE, lab.engine.image(IMAGE).id)
    assert lab.engine.health_log(found.id)[-1] == HealthRun(0, "fine\n")


# An engine with much to do may have forgotten the start by then: it remembers 256 events of all containers.


def test_how_a_container_ended_is_remembered(lab: Lab):
    lab.has("job", FAILS)
    lab.up()
    found = lab.get("job", state=State.EXITED)
    told = lab.engine.history(found.id)
    assert (told[-1].action, told[-1].exit_code, told[-1].signal) == ("die", 3, None)
    assert {one.action for one in told} <= {"start", "die"}
    assert list(told) == sorted(told, key=lambda one: one.at)


def test_a_stop_is_remembered_with_its_signal(lab: Lab, app: str):
    lab.engine.stop(app, 1)
    told = lab.engine.history(app)
    assert next(one.signal for one in told if one.action == "kill") == 15
    assert next(one.exit_code for one in told if one.action == "die") in (137, 143)


def test_nothing_is_remembered_of_a_container_that_never_was(lab: Lab):
    assert lab.engine.history("0" * 64) == ()


def test_moments_are_comparable(lab: Lab):
    lab.has("job", FAILS)
    lab.up()
    found = lab.get("job", state=State.EXITED)
    assert found.started_at <= found.finished_at
    assert found.finished_at < datetime.now(UTC) + timedelta(days=365)


def test_a_job_that_failed(lab: Lab):
    lab.has("job", FAILS)
    lab.up()
    found = lab.get("job", state=State.EXITED)
    assert (found.exit_code, found.health, found.restart_count, found.ports) == (3, EngineHealth.NONE, 0, ())
    assert lab.engine.logs(found.id, 5) == "broken\n"
    assert lab.engine.health_log(found.id) == ()


def test_a_crash_loop_is_counted(lab: Lab):
    lab.has("app", LOOPS)
    lab.up()
    found = until(lambda: (it := lab.find("app")) and it.restart_count > 1 and it)
    assert found.exit_code == 1
    assert found.state in (State.RESTARTING, State.RUNNING)


def test_an_ill_container_and_why(lab: Lab):
    lab.has("app", ILL)
    lab.up()
    found = lab.get("app", health=EngineHealth.UNHEALTHY)
    assert found.state is State.RUNNING
    assert lab.engine.health_log(found.id)[-1] == HealthRun(1, "no\n")


def test_other_projects_are_foreign(lab: Lab):
    lab.has("app")
    lab.up()
    app = lab.get("app")
    found = lab.engine.snapshot(f"{lab.project}-other")
    assert found.containers == ()
    assert app.name in [it.name for it in found.foreign]
    assert app.name not in [it.name for it in lab.snapshot().foreign]


# ---- events


def test_events_of_one_life(lab: Lab):
    lab.has("job", FAILS)
    with lab.engine.events(lab.project) as events:
        lab.up()
        found = [events.get(20), events.get(20)]
        job = lab.get("job", state=State.EXITED)
        assert [(it.action, it.container_id, it.service) for it in found] == [
            ("start", job.id, "job"),
            ("die", job.id, "job"),
        ]
        lab.engine.remove_container(job.id)
        assert events.get(20).action == "destroy"
        assert events.get(0) is None


def test_health_is_an_event(lab: Lab):
    lab.has("app", WELL)
    with lab.engine.events(lab.project) as events:
        lab.up()
        assert [events.get(20).action for _ in range(2)] == ["start", "health_status"]


def test_events_of_others_are_not_told(lab: Lab):
    lab.has("app")
    with lab.engine.events(f"{lab.project}-other") as events:
        lab.up()
        lab.engine.stop(lab.get("app").id, 1)
        assert events.get(0) is None


def test_no_events_after_closing(lab: Lab):
    with lab.engine.events(lab.project) as events:
        events.close()
        assert list(events) == []
        assert events.get() is None


# ---- logs


def test_the_last_lines(lab: Lab):
    lab.has("app", TALKS)
    lab.up()
    app = lab.get("app")
    until(lambda: lab.engine.logs(app.id, 100) == LINES)
    assert lab.engine.logs(app.id, 2) == "line 29\nline 30\n"
    lab.engine.restart(app.id, 1)
    until(lambda: lab.engine.logs(app.id, 100) == LINES * 2)
    again = lab.get("app")
    assert lab.engine.logs(app.id, 100, again.started_at) == LINES
    assert lab.engine.logs(app.id, 2, again.started_at) == "line 29\nline 30\n"
    assert lab.engine.logs(app.id, 100, again.started_at + timedelta(days=1)) == ""
    assert lab.engine.logs(app.id, 100, until=again.started_at) == LINES
    with pytest.raises(EngineError, match="No such container"):
        lab.engine.logs(f"{lab.project}-nope", 5)


# ---- single containers


def test_stopping_and_starting_twice(lab: Lab, app: str):
    for _ in range(2):
        lab.engine.stop(app, 1)
    assert lab.get("app").state is State.EXITED
    for _ in range(2):
        lab.engine.start(app)
    assert lab.get("app").state is State.RUNNING


def test_a_restart_keeps_the_container_and_no_count(lab: Lab, app: str):
    before = lab.get("app")
    lab.engine.restart(app, 1)
    after = lab.get("app")
    assert (after.id, after.state, after.restart_count) == (app, State.RUNNING, 0)
    assert after.started_at > before.started_at


def test_removing_twice(lab: Lab, app: str):
    for _ in range(2):
        lab.engine.remove_container(app)
    assert lab.find("app") is None
    for act in (lab.engine.start, lambda it: lab.engine.stop(it, 1), lambda it: lab.engine.restart(it, 1)):
        with pytest.raises(EngineError, match="No such container"):
            act(app)


# ---- volumes


def test_a_volume_keeps_its_first_labels(lab: Lab):
    name = f"{lab.compose_project}-data"
    lab.engine.create_volume(name, lab.labels)
    lab.engine.create_volume(name, {**lab.labels, "envmgr.image.source": "recipes"})
    (found,) = lab.snapshot().volumes
    assert (found.name, found.labels) == (name, lab.labels)


def test_a_volume_in_use_stays(lab: Lab):
    name = lab.has_volume("data")
    lab.has("db", volumes=[{"type": "volume", "source": "data", "target": "/data"}])
    lab.up()
    db = lab.get("db")
    lab.engine.stop(db.id, 1)
    with pytest.raises(EngineError, match=f"{db.name} still has it"):
        lab.engine.remove_volume(name)
    lab.engine.remove_container(db.id)
    lab.engine.remove_volume(name)
    lab.engine.remove_volume(name)
    assert lab.snapshot().volumes == ()


def test_a_volume_made_beforehand_is_used_as_it_is(lab: Lab):
    name = lab.has_volume("data")
    labels = {**lab.labels, "com.docker.compose.project": lab.compose_project, "envmgr.image.source": "recipes"}
    lab.engine.create_volume(name, labels)
    lab.has("db", volumes=[{"type": "volume", "source": "data", "target": "/data"}])
    lab.up()
    (found,) = lab.snapshot().volumes
    assert found.labels == labels
    lab.down()
    assert [it.name for it in lab.snapshot().volumes] == [name]
    lab.down(volumes=True)
    assert lab.snapshot().volumes == ()


WRITER = "10007:10007"
WRITES = ("touch", "/data/mine")


def test_a_new_volume_is_opened_to_a_user(lab: Lab):
    name, closed = lab.has_volume("data"), lab.has_volume("closed")
    if isinstance(lab.engine, FakeEngine):
        writers, mounted = lab.engine.writers, {"db": name, "other": closed}
        lab.engine.exec_handler = lambda one, *_: ExecResult(int(writers.get(mounted[one.service]) != WRITER), "")
    lab.engine.create_volume(name, lab.labels, Opening(IMAGE, "/data", WRITER))
    lab.engine.create_volume(closed, lab.labels)
    for service, key in (("db", "data"), ("other", "closed")):
        lab.has(service, user=WRITER, volumes=[{"type": "volume", "source": key, "target": "/data"}])
    lab.up()
    tried = {it: lab.engine.exec(lab.get(it, state=State.RUNNING).id, WRITES, {}, 20) for it in ("db", "other")}
    assert {service: result.exit_code for service, result in tried.items()} == {"db": 0, "other": 1}
    assert {it.name: it.labels for it in lab.snapshot().volumes} == {name: lab.labels, closed: lab.labels}
    assert naming.volume_opener(name) not in [it.name for it in lab.snapshot().foreign]


def test_a_volume_is_not_made_for_an_image_that_is_not_there(lab: Lab):
    with pytest.raises(EngineError, match=r"no container can be made from envmgr\.invalid/nope:1"):
        lab.engine.create_volume(
            f"{lab.compose_project}-data", lab.labels, Opening("envmgr.invalid/nope:1", "/x", "1:1")
        )
    assert lab.snapshot().volumes == ()


# ---- images


def test_images(lab: Lab):
    assert lab.engine.image(f"{lab.project}/nope:1") is None
    assert lab.engine.image(IMAGE).id.startswith("sha256:")


def test_an_image_that_cannot_be_pulled(lab: Lab):
    with pytest.raises(EngineError, match=r"127\.0\.0\.1:1/nope:1 could not be pulled"):
        lab.engine.pull("127.0.0.1:1/nope:1", lambda _: None)


def test_a_registry_that_is_not_there(lab: Lab):
    assert not lab.engine.registry_answers("127.0.0.1:1/nope:1", 5)


def test_a_build_without_a_dockerfile(lab: Lab):
    with pytest.raises(EngineError, match=f"{lab.project}:1 could not be built") as caught:
        lab.engine.build(BuildRequest(lab.folder, (f"{lab.project}:1",)), lambda _: None)
    assert any("no such file" in line for line in caught.value.details)


def test_a_script_that_is_not_there(lab: Lab):
    with pytest.raises(EngineError, match=r"build\.sh for x:1 failed"):
        lab.engine.run_image_script(lab.folder / "build.sh", "x:1", {})


# ---- Compose


def test_up_is_quiet_about_what_is_so_already(lab: Lab):
    lab.has("app")
    lab.has("other")
    lab.up("app")
    assert lab.find("other") is None
    before = lab.get("app")
    lab.up("app")
    assert lab.get("app") == before


def test_a_changed_service_is_made_anew(lab: Lab):
    lab.has("app")
    lab.up()
    before = lab.get("app")
    lab.has("app", environment={"LEVEL": "debug"})
    with lab.engine.events(lab.project) as events:
        lab.up()
        assert {events.get(20).action for _ in range(3)} == {"die", "destroy", "start"}
    after = lab.get("app", state=State.RUNNING)
    assert (after.name, after.id != before.id) == (before.name, True)


def test_a_changed_env_file_makes_it_anew(lab: Lab):
    file = lab.folder / "app.env"
    file.write_text("ENVMGR_REVISION=1\n")
    lab.has("app", env_file=["app.env"])
    lab.up()
    file.write_text("ENVMGR_REVISION=2\n")
    lab.up()
    assert lab.get("app").revision == "2"


def test_a_job_that_has_ended_runs_again(lab: Lab):
    lab.has("job", SUCCEEDS)
    lab.up()
    before = lab.get("job", state=State.EXITED)
    lab.up()
    after = until(lambda: (it := lab.find("job")) and it.started_at > before.started_at and it)
    assert after.id == before.id


def test_scaling_up_and_down(lab: Lab):
    lab.has("app")
    lab.up(scales={"app": 2})
    assert [it.number for it in lab.snapshot().of(lab.compose_project, "app")] == [1, 2]
    lab.up(scales={"app": 1})
    assert [it.number for it in lab.snapshot().of(lab.compose_project, "app")] == [1]


def test_replicas_of_the_document(lab: Lab):
    lab.has("app", deploy={"replicas": 2})
    lab.up()
    assert len(lab.snapshot().of(lab.compose_project, "app")) == 2


def test_an_image_that_is_missing_is_named(lab: Lab):
    lab.has("app", image=f"{lab.project}/nope:1")
    with pytest.raises(EngineError, match=f"No such image: {lab.project}/nope:1") as caught:
        lab.up()
    assert any("No such image" in line for line in caught.value.details)


def test_a_service_that_is_missing_is_named(lab: Lab):
    lab.has("app")
    for act in (lab.up, lambda name: lab.down(services=(name,))):
        with pytest.raises(EngineError, match="no such service: nope"):
            act("nope")


def test_a_network_that_is_missing_is_named(lab: Lab):
    lab.has_network(network := lab.network())
    lab.has("app", networks=["data"])
    with pytest.raises(EngineError, match=f"{network.name} declared as external, but could not be found"):
        lab.up()
    assert lab.find("app") is None


def test_an_env_file_that_is_missing_is_named(lab: Lab):
    lab.has("app", env_file=["app.env"])
    with pytest.raises(EngineError, match=r"app\.env not found"):
        lab.up()


def test_a_port_that_is_taken_leaves_the_second_created(lab: Lab):
    port = {"target": 80, "published": str(28300 + lab._block), "host_ip": "127.0.0.1", "protocol": "tcp"}
    lab.networks["own"] = {"name": f"{lab.compose_project}-own", "ipam": {"config": [{"subnet": lab.subnet()}]}}
    lab.has("first", networks=["own"], ports=[port])
    lab.has("second", networks=["own"], ports=[port])
    lab.up("first")
    with pytest.raises(EngineError, match="port is already allocated"):
        lab.up("second")
    second = lab.get("second", state=State.CREATED)
    assert "port is already allocated" in second.error
    assert second.ports == ()
    assert lab.get("first").state is State.RUNNING


def test_stop_keeps_containers_and_down_removes_them(lab: Lab):
    network = lab.network()
    lab.engine.create_network(network, lab.labels)
    lab.has_network(network)
    lab.networks["own"] = {"name": f"{lab.compose_project}-own", "ipam": {"config": [{"subnet": lab.subnet()}]}}
    lab.has("app", networks=["data", "own"])
    lab.has("db", networks=["own"])
    lab.up()
    lab.engine.compose_stop(lab.write(), lab.compose_project, deadline=30, services=("app",))
    assert (lab.get("app").state, lab.get("db").state) == (State.EXITED, State.RUNNING)
    lab.down(services=("app",))
    assert (lab.find("app"), lab.get("db").state) == (None, State.RUNNING)
    lab.down()
    lab.down()
    left = [it.name for it in lab.snapshot().networks if it.name.startswith(lab.project)]
    assert (lab.snapshot().containers, left) == ((), [network.name])


def test_documents_are_read_without_their_env_files(lab: Lab):
    lab.has("app", env_file=["app.env"])
    lab.engine.compose_config_quiet(lab.write())


def test_a_document_that_makes_no_sense(lab: Lab):
    lab.has("app", SLEEPS, networks=["nowhere"])
    with pytest.raises(EngineError, match="undefined network nowhere"):
        lab.engine.compose_config_quiet(lab.write())
    with pytest.raises(EngineError, match="no such file"):
        lab.engine.compose_config_quiet((lab.folder / "absent.json",))


def test_later_documents_win(lab: Lab):
    lab.has("app", image=f"{lab.project}/nope:1")
    lab.write()
    overlay = lab.folder / "overlay.json"
    overlay.write_text(json.dumps({"services": {"app": {"image": IMAGE}}}))
    lab.engine.compose_up((lab.file, overlay), lab.compose_project, deadline=30)
    assert lab.get("app").image == IMAGE


def test_relative_paths_may_begin_elsewhere_than_beside_the_document(lab: Lab):
    lab.has("app", env_file=[{"path": "here.env", "format": "raw"}])
    lab.write()
    (lab.folder / "here.env").write_text("WHERE=here\n")
    apart = lab.folder / "apart" / "document.json"
    apart.parent.mkdir()
    lab.file.rename(apart)
    with pytest.raises(EngineError, match=r"here\.env"):
        lab.engine.compose_up((apart,), lab.compose_project, deadline=30)
    lab.engine.compose_up((apart,), lab.compose_project, deadline=30, folder=lab.folder)
    assert lab.get("app").settings.variables["WHERE"] == "here"


# ---- the machine


def test_the_host(lab: Lab):
    found = lab.engine.host()
    assert found.cpus >= 1
    assert found.memory > 1 << 28
    assert found.engine_version.split(".")[0].isdigit()
    assert int(found.compose_version.split(".")[0]) >= 2
    assert "runc" in found.runtimes
    assert lab.engine.host() is found
    assert lab.engine.endpoint.startswith(("unix://", "tcp://"))
