"""`up` as a whole: what it makes the first time, what it leaves alone, what it refuses, how it is interrupted."""

from __future__ import annotations

import shutil
import stat
from typing import Any

import pytest

from envmgr import naming
from envmgr.errors import (
    EngineError,
    EnvmgrError,
    InterruptedByUser,
    LockedError,
    NotHealthyError,
    PreflightError,
    SpecError,
    StaleError,
    UsageError,
)
from envmgr.model.observed import ForeignContainer, HostPort, State
from envmgr.model.progress import Caution, Note
from envmgr.operations import up as module
from envmgr.operations.down import down
from tests.fakes.engine import Behaviour
from tests.house import BASE, WEB, House, fail

DEV = {"play-dev-app-1", "play-dev-migrate-1", "play-dev-worker-1"}
INFRA = {"play-infra-postgres-1", "play-infra-redis-1"}


# ---- the first time


def test_the_first_up_goes_in_order(house: House):
    result = house.up()
    assert (result.targets, result.changed) == (("infra", "dev"), 5)
    assert [(h.service, h.verdict.value) for h in result.services] == [
        ("postgres", "healthy"),
        ("redis", "healthy"),
        ("migrate", "completed"),
        ("app", "healthy"),
        ("worker", "completed"),
    ]
    assert house.ups() == [
        ("play-infra", ("postgres", "redis")),
        ("play-dev", ("migrate",)),
        ("play-dev", ("app", "worker")),
    ]
    order = [call[0] for call in house.calls("create_volume", "create_network", "connect", "compose_up")]
    volumes, network, connections = ["create_volume"] * 2, ["create_network"], ["connect"] * 2
    assert order == [*volumes, "compose_up", *network, *connections, "compose_up", "compose_up"]


def test_passwords_are_made_kept_for_the_operator_alone_and_announced(house: House):
    house.up()
    assert set(house.secrets("infra")) == {"POSTGRES_ADMIN_PASSWORD", "REDIS_ADMIN_PASSWORD"}
    assert set(house.secrets("dev")) == {"POSTGRES_PASSWORD", "REDIS_PASSWORD", "SECRET_KEY"}
    values = [*house.secrets("infra").values(), *house.secrets("dev").values()]
    assert len(set(values)) == 5
    assert min(map(len, values)) >= 40
    assert stat.S_IMODE((house.folder / ".env.dev").stat().st_mode) == 0o600
    generated = [text for text in house.texts(Note) if "generated" in text]
    assert [text.split(":")[0] for text in generated] == ["infra", "dev"]
    assert not [value for value in values if value in str(house.said)]


def test_each_grant_is_made_with_secrets_as_variables_only(house: House):
    house.up("dev", "stage")
    ensured = [grant for verb, grant in house.servers.asked if verb == "ensure"]
    # The servers of one environment are asked side by side; environments come one after the other.
    assert {*ensured[:2]} == {"postgres dev", "redis dev"}
    assert {*ensured[2:]} == {"postgres stage", "redis stage"}
    values = [value for target in ("infra", "dev", "stage") for value in house.secrets(target).values()]
    assert not [word for word in house.servers.words for value in values if value in word]
    passed = [value for variables in house.servers.variables for value in variables.values()]
    assert house.secrets("dev")["POSTGRES_PASSWORD"] in passed
    assert house.secrets("infra")["REDIS_ADMIN_PASSWORD"] in passed


def test_the_base_joins_each_environments_network_under_its_names(house: House):
    house.up("dev", "stage")
    for server in ("postgres", "redis"):
        networks = house.container(f"play-infra-{server}-1").networks
        assert networks["play-dev-data"] == networks["play-stage-data"] == (server,)
    assert house.engine.networks["play-dev-data"].labels == {
        naming.LABEL_PROJECT: "play",
        naming.LABEL_ENVIRONMENT: "dev",
    }
    assert "play-prod-data" not in house.engine.networks


def test_a_door_joins_every_environment_whatever_that_one_uses(house: House):
    house.write(WEB.replace("[services.web]", '[infra.nginx]\nmemory = "64M"\n\n[services.web]'))
    house.engine.has_image("nginx:1.26")
    house.up()
    assert house.container("play-infra-nginx-1").networks["play-dev-data"] == ("nginx",)


def test_a_system_without_servers_needs_no_base(house: House):
    house.write(WEB)
    result = house.up()
    assert house.ups() == [("play-dev", ("web",))]
    assert result.changed == 1
    assert house.calls("connect", "create_volume", "exec") == []
    assert house.secrets("infra") == {}


def test_where_services_listen_is_part_of_the_result(house: House):
    house.write(WEB + "ports = { web = 8000 }\n")
    assert [(a.target, a.service, a.url) for a in house.up().addresses] == [("dev", "web", "http://localhost:8000")]


def test_a_door_listens_for_both_kinds_of_requests(house: House):
    door = '[infra.nginx]\nmemory = "64M"\nport = 8100\nports = { https = 8443 }\ntls = "self-signed"\n\n[services.web]'
    house.write(WEB.replace("[services.web]", door))
    house.engine.has_image("nginx:1.26")
    urls = [one.url for one in house.up().addresses]
    assert urls == ["http://localhost:8100", "https://localhost:8443"]


# ---- what is left alone


def test_the_second_up_touches_nothing(house: House):
    house.up()
    ids, secrets = house.ids(), house.secrets("dev")
    result = house.up()
    assert (result.changed, house.ups()) == (0, [])
    assert house.calls("create_volume", "connect", "remove_container", "stop", "restart") == []
    assert (house.ids(), house.secrets("dev")) == (ids, secrets)
    assert house.texts(Note) == []
    assert house.texts(Caution) == []


def test_a_changed_spec_touches_one_service(house: House):
    house.up("dev", "stage")
    before = house.ids()
    house.edit("[environments.dev]", '[environments.dev]\nservices.app.memory = "80M"')
    assert house.up().changed == 1
    assert house.ups() == [("play-dev", ("app",))]
    assert {name for name, one in house.ids().items() if before[name] != one} == {"play-dev-app-1"}


def test_a_changed_secret_touches_its_service_only(house: House):
    house.up()
    before = house.ids()
    path = house.folder / ".env.dev"
    path.write_text(path.read_text().replace(house.secrets("dev")["SECRET_KEY"], "another-key"))
    house.up()
    assert {name for name, one in house.ids().items() if before[name] != one} == {"play-dev-app-1"}


def test_an_image_that_was_built_anew_is_put_to_work(house: House):
    house.up()
    house.engine.images["registry.example/play:1"] = type(house.engine.image("redis:8.0"))("sha256:another")
    assert house.up().changed == 3
    assert house.container("play-dev-app-1").image_id == "sha256:another"


def test_one_service_comes_with_what_it_depends_on(house: House):
    house.up("dev", "app")
    assert house.names() == INFRA | {"play-dev-migrate-1", "play-dev-app-1"}
    assert house.up("infra", "redis").changed == 0


def test_one_server_of_the_base_comes_alone(house: House):
    house.up("infra", "redis")
    assert house.names() == {"play-infra-redis-1"}


def test_up_of_an_environment_leaves_a_base_that_differs_and_up_of_the_base_applies_it(house: House):
    house.up("dev", "stage")
    before = house.ids()
    house.edit('[infra.redis]\nmemory = "64M"', '[infra.redis]\nmemory = "96M"')
    assert house.up("dev").changed == 0
    assert house.ids() == before
    assert house.texts(Caution) == [
        "infra: redis differs from the spec and keeps running as it is; to apply: envmgr up infra"
    ]
    assert house.up("infra").changed == 1
    assert {name for name, one in house.ids().items() if before[name] != one} == {"play-infra-redis-1"}
    assert set(house.container("play-infra-redis-1").networks) >= {"play-dev-data", "play-stage-data"}
    assert house.up("infra", "dev").changed == 0


def test_a_server_that_left_the_spec_keeps_running_until_the_base_is_asked_for(house: House):
    house.up("dev", "stage")
    house.edit('[infra.redis]\nmemory = "64M"\ncpus = 0.5\n', "")
    house.edit('uses = ["postgres", "redis"]', 'uses = ["postgres"]')
    house.edit('uses = ["redis"]', 'uses = ["postgres"]')
    house.up("dev")
    assert "play-infra-redis-1" in house.names()
    said = (
        "infra: play-infra-redis-1 keeps running although the spec no longer has redis; to remove it: envmgr up infra"
    )
    assert said in house.texts(Caution)
    house.up("infra")
    assert "play-infra-redis-1" not in house.names()


def test_a_base_that_is_down_comes_back_and_is_connected_again(house: House):
    house.up()
    for name in INFRA:
        house.engine.discard(house.engine.get(name))
    assert house.up().changed == 2
    assert house.container("play-infra-redis-1").networks["play-dev-data"] == ("redis",)


def test_a_server_that_fails_takes_its_neighbour_from_nobody(house: House):
    house.up("dev")
    house.edit('[infra.redis]\nmemory = "64M"', '[infra.redis]\nmemory = "96M"')
    house.edit('[infra.postgres]\nmemory = "64M"', '[infra.postgres]\nmemory = "96M"')
    house.engine.behaviours["redis"] = Behaviour(state=State.EXITED, exit_code=1)
    with pytest.raises(NotHealthyError, match="redis of infra"):
        house.up("infra")
    assert house.container("play-infra-postgres-1").networks["play-dev-data"] == ("postgres",)


# ---- secrets that are missing


def test_a_lost_secret_of_a_protected_environment_is_told_before_anybody_is_asked(house: House):
    house.up("prod")
    before = house.ids()
    (house.folder / ".env.prod").unlink()
    with pytest.raises(SpecError, match="prod already has data: PostgreSQL database prod_play"):
        house.up("prod")
    assert house.ids() == before
    assert not (house.folder / ".env.prod").exists()


@pytest.mark.parametrize("lost", ["everything", "SECRET_KEY", "POSTGRES_PASSWORD"])
def test_a_lost_secret_of_an_environment_with_data_is_never_made_anew(house: House, lost: str):
    house.up()
    path = house.folder / ".env.dev"
    kept = "\n".join(line for line in path.read_text().splitlines() if lost not in (line.split("=")[0], "everything"))
    path.write_text(kept)
    delivered = {p: p.read_bytes() for p in (house.folder / ".envmgr" / "dev").rglob("*") if p.is_file()}
    before = house.ids()
    with pytest.raises(SpecError) as caught:
        house.up()
    assert ".env.dev lacks " in caught.value.message
    assert "dev already has data: PostgreSQL database dev_play" in caught.value.message
    assert caught.value.state == (
        "Nothing was generated: new values would not fit it. Nothing of it was started or changed."
    )
    assert "Put .env.dev back from your copy." in caught.value.help
    assert "`envmgr up dev --new-secrets`" in caught.value.help
    assert path.read_text() == kept
    assert {p: p.read_bytes() for p in (house.folder / ".envmgr" / "dev").rglob("*") if p.is_file()} == delivered
    assert house.ids() == before
    assert [verb for verb, _ in house.servers.asked if verb != "exists"] == []


def test_a_refused_environment_gets_no_network_and_its_neighbour_nothing_either(house: House):
    house.up("infra")
    house.servers.owned.add("postgres stage")
    with pytest.raises(SpecError, match=r"\.env\.stage lacks"):
        house.up("dev", "stage")
    assert [name for name in house.engine.networks if not name.startswith("play-infra")] == []
    assert (house.secrets("dev"), house.secrets("stage")) == ({}, {})


def test_new_secrets_are_made_when_asked_for_and_set_in_the_servers(house: House):
    house.up()
    old = house.secrets("dev")
    (house.folder / ".env.dev").unlink()
    house.up("dev", new_secrets=True)
    new = house.secrets("dev")
    assert (set(new), {new[name] == old[name] for name in new}) == (set(old), {False})
    assert [verb for verb, _ in house.servers.asked] == ["ensure", "ensure"]
    assert new["POSTGRES_PASSWORD"] in [v for one in house.servers.variables for v in one.values()]


def test_a_lost_password_of_the_base_is_never_made_anew(house: House):
    house.up()
    (house.folder / ".env.infra").unlink()
    before = house.ids()
    with pytest.raises(SpecError) as caught:
        house.up("infra")
    assert caught.value.message.startswith(".env.infra lacks POSTGRES_ADMIN_PASSWORD, REDIS_ADMIN_PASSWORD, and infra")
    assert caught.value.message.endswith("data: volume play-infra-postgres-data")
    assert not (house.folder / ".env.infra").exists()
    assert house.ids() == before
    house.up("infra", new_secrets=True)
    assert len(house.secrets("infra")) == 2


def test_a_server_that_is_new_in_the_spec_gets_its_password_beside_one_that_has_data(house: House):
    without = house.folder.joinpath("envmgr.toml").read_text()
    with_redis = without
    without = without.replace('[infra.redis]\nmemory = "64M"\ncpus = 0.5\n', "")
    without = without.replace('uses = ["postgres", "redis"]', 'uses = ["postgres"]')
    house.write(without.replace('uses = ["redis"]', 'uses = ["postgres"]'))
    house.up()
    kept = house.secrets("dev")
    house.write(with_redis)
    house.up()
    assert house.secrets("dev").items() > kept.items()
    assert set(house.secrets("dev")) - set(kept) == {"REDIS_PASSWORD"}
    assert "REDIS_ADMIN_PASSWORD" in house.secrets("infra")
    assert "redis dev" in house.servers.owned


def test_values_that_somebody_made_meanwhile_are_seen(house: House, monkeypatch: pytest.MonkeyPatch):
    """Two first starts at once: the second waited for the base, which the first has filled by then."""
    session = house.session()
    acquire = type(session.locks).acquire

    def wait(locks: Any, target: str, *args: Any, **options: Any) -> Any:
        if target == naming.INFRA and locks is session.locks:
            house.up("stage")
        return acquire(locks, target, *args, **options)

    monkeypatch.setattr(type(session.locks), "acquire", wait)
    module.up(session, ("dev",), module.UpOptions())
    assert len(house.secrets("infra")) == 2
    assert house.names() >= DEV | INFRA | {"play-stage-app-1"}


def test_everything_that_is_missing_is_listed_and_nothing_is_written(house: House):
    more = "\n[variables.API_KEY]\nrequired = true\nsecret = true\n[variables.REGION]\nrequired = true\n"
    house.edit("[services.migrate]", f"{more}[services.migrate]")
    with pytest.raises(SpecError) as caught:
        house.up("dev", "stage")
    assert [p.message for p in caught.value.problems] == ["API_KEY is not set", "REGION is not set"] * 2
    assert caught.value.state == "Nothing was written or started."
    assert caught.value.help == "Set them in .env.dev or .env.stage, one NAME=value a line."
    assert [path.name for path in house.folder.iterdir()] == ["envmgr.toml"]
    assert house.engine.calls == []


# ---- refused before anything starts


def nothing_started(house: House) -> bool:
    changing = ("compose_up", "create_network", "create_volume", "connect", "pull", "build")
    return house.calls(*changing) == [] and not (house.folder / ".envmgr").exists() and house.names() == set()


def test_a_port_in_the_way_starts_nothing(house: House, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "is_free", lambda port, _ip: port != 8000)
    monkeypatch.setattr(module, "holder_of", lambda _port, _ip: "nc (pid 7)")
    house.write(WEB + "ports = { web = 8000 }\n")
    with pytest.raises(PreflightError) as caught:
        house.up()
    assert [str(problem) for problem in caught.value.problems] == [
        "environments.dev.ports.web: port 8000 on 127.0.0.1 is held by nc (pid 7) "
        "(stop that, or choose another port in the spec)"
    ]
    assert caught.value.state == "Nothing was started."
    assert nothing_started(house)


def test_a_container_of_somebody_else_in_the_way_starts_nothing(house: House):
    house.engine.foreign.append(ForeignContainer("play-dev-app-1", "", (HostPort("0.0.0.0", 5),)))
    with pytest.raises(PreflightError, match="the start was refused"):
        house.up()
    assert nothing_started(house)
    assert house.secrets("infra") == {}


def test_an_image_that_cannot_be_had_starts_nothing(house: House):
    del house.engine.images["registry.example/play:1"]
    house.engine.pullable["somewhere.else/image:1"] = house.engine.images["redis:8.0"]
    house.engine.answering.add("registry.example")
    with pytest.raises(EngineError) as caught:
        house.up()
    assert caught.value.message == "The image registry.example/play:1 could not be pulled: not found"
    assert caught.value.state == "Nothing was started."
    assert house.names() == set()
    assert not (house.folder / ".envmgr").exists()


def test_a_file_edited_by_hand_starts_nothing(house: House):
    house.up("infra")
    path = house.folder / "compose" / "docker-compose.app.dev.yml"
    path.write_text(path.read_text() + "# mine\n")
    with pytest.raises(StaleError, match="edited by hand"):
        house.up()
    assert house.names() == INFRA


def test_a_target_or_service_that_is_not_there_is_answered_with_the_nearest(house: House):
    with pytest.raises(UsageError) as caught:
        house.up("dve")
    assert caught.value.message == 'dve is neither an environment nor infra (did you mean "dev"?)'
    assert caught.value.help == "known: infra, dev, stage, prod"
    with pytest.raises(UsageError, match=r'dev has no service wroker \(did you mean "worker"\?\)'):
        house.up("dev", "wroker")
    with pytest.raises(UsageError, match="worker is neither an environment nor infra"):
        house.up("dev", "stage", "worker")
    assert house.engine.calls == []


def test_an_environment_that_somebody_works_on_is_refused_before_docker_is_asked(house: House):
    with house.session().locks.acquire("dev"), pytest.raises(LockedError, match="dev is locked by"):
        house.up()
    assert house.engine.calls == []
    assert house.up().changed == 5


def test_a_folder_that_cannot_be_written_is_an_error_with_its_name(house: House):
    (house.folder / ".envmgr").write_text("")
    with pytest.raises(EnvmgrError) as caught:
        house.up()
    assert str(house.folder / ".envmgr") in caught.value.message
    assert caught.value.state == "Nothing of infra was started or changed."
    assert caught.value.help
    assert house.names() == set()


def test_a_server_that_refuses_to_provision_ends_it_before_a_service_starts(house: House):
    house.servers.refuses.add("ensure postgres dev")
    with pytest.raises(EngineError) as caught:
        house.up()
    assert caught.value.message == "cannot provision the PostgreSQL database dev_play: postgres refused"
    assert caught.value.details == ("postgres says no",)
    assert caught.value.help == "envmgr logs infra postgres"
    assert house.names() == INFRA
    house.servers.refuses.clear()
    kept = house.secrets("dev")
    assert house.up().changed == 3
    assert house.secrets("dev") == kept


# ---- Ctrl-C and a kill


def test_ctrl_c_while_services_start_says_what_runs_and_what_goes_on(house: House):
    original = house.engine.compose_up

    def interrupted(files: Any, project: str, services: tuple[str, ...] = (), **options: Any) -> None:
        if "app" in services:
            raise KeyboardInterrupt
        original(files, project, services, **options)

    house.engine.compose_up = interrupted
    with pytest.raises(InterruptedByUser) as caught:
        house.up("dev", "app")
    assert caught.value.exit_code == 130
    assert caught.value.state == ("Running in infra: postgres, redis. Running in dev: nothing; not running: app.")
    assert caught.value.help == "envmgr up dev app goes on from here"
    house.engine.compose_up = original
    house.session().locks.acquire("dev").release()
    assert house.up("dev", "app").changed == 1


def test_ctrl_c_while_a_server_is_provisioned_frees_every_lock(house: House):
    house.servers.raises["ensure"] = KeyboardInterrupt()
    with pytest.raises(InterruptedByUser):
        house.up()
    for target in ("infra", "dev"):
        house.session().locks.acquire(target).release()
    house.servers.raises.clear()
    kept = house.secrets("dev")
    assert house.up().changed == 3
    assert house.secrets("dev") == kept


def test_ctrl_c_with_an_engine_that_has_gone(house: House, monkeypatch: pytest.MonkeyPatch):
    def interrupted(*_args: Any, **_options: Any) -> None:
        house.engine.refusals["snapshot"] = fail("Docker is not running")
        raise KeyboardInterrupt

    monkeypatch.setattr(house.engine, "compose_up", interrupted)
    with pytest.raises(InterruptedByUser) as caught:
        house.up()
    assert caught.value.state == "What runs cannot be seen: the engine does not answer."


@pytest.mark.parametrize("method", ["create_volume", "compose_up", "create_network", "connect", "exec", "events"])
def test_a_kill_at_any_step_is_repaired_by_the_same_command(house: House, method: str):
    class KilledError(BaseException):
        """Nothing of ours catches it, as nothing catches SIGKILL."""

    original = getattr(house.engine, method)
    counted = 0
    last = house_calls_of(house, method)
    for end in range(1, last + 1):
        counted = 0

        def killed(*args: Any, end: int = end, **options: Any) -> Any:
            nonlocal counted
            counted += 1
            if counted == end:
                raise KilledError
            return original(*args, **options)

        reset(house)
        setattr(house.engine, method, killed)
        with pytest.raises(KilledError):
            house.up()
        setattr(house.engine, method, original)
        house.up()
        assert house.names() == DEV | INFRA
        assert house.container("play-infra-redis-1").networks["play-dev-data"] == ("redis",)
        assert house.up().changed == 0


def house_calls_of(house: House, method: str) -> int:
    original, count = getattr(house.engine, method), 0

    def counting(*args: Any, **options: Any) -> Any:
        nonlocal count
        count += 1
        return original(*args, **options)

    setattr(house.engine, method, counting)
    house.up()
    setattr(house.engine, method, original)
    return count


def reset(house: House) -> None:
    """Make it a fresh host."""
    house.engine.held.clear()
    house.engine.networks.clear()
    house.engine.volumes.clear()
    house.engine.streams.clear()
    house.servers.owned.clear()
    for path in house.folder.iterdir():
        if path.name != "envmgr.toml":
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def test_what_is_taken_down_comes_back_with_its_passwords(house: House):
    house.up()
    kept = house.secrets("dev") | house.secrets("infra")
    down(house.session(), ("dev", "infra"))
    assert house.up().changed == 5
    assert house.secrets("dev") | house.secrets("infra") == kept
    assert BASE in (house.folder / "envmgr.toml").read_text()
