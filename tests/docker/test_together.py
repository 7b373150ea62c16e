"""Dev, stage and prod and the base together on one host."""

from __future__ import annotations

import json
import re
import time
import tomllib

import httpx
import pytest

from tests.docker.conftest import ROOT, Chatbot, docker, eventually, free_port
from tests.docker.inside import inside
from tests.docker.load import Load

pytestmark = pytest.mark.docker
ENVIRONMENTS = ("dev", "stage", "prod")


def reversed_by_worker(url: str, text: str, seconds: float = 30) -> str:
    """Queue a task and return its result."""
    task = httpx.post(f"{url}/tasks/reverse", json={"text": text}).raise_for_status().json()["id"]
    deadline = time.monotonic() + seconds
    while True:
        answer = httpx.get(f"{url}/tasks/{task}").raise_for_status().json()
        if answer["state"] == "SUCCESS":
            return answer["result"]
        assert time.monotonic() < deadline, answer
        time.sleep(0.1)


def psql(chatbot: Chatbot, sql: str, database: str = "postgres") -> str:
    container = f"{chatbot.sandbox.name}-infra-postgres-1"
    return docker("exec", container, "psql", "-U", "postgres", "-XAt", "-d", database, "-c", sql)


def test_first_up_proves_every_service_and_says_what_it_generated(chatbot: Chatbot) -> None:
    lines = [json.loads(line) for line in (chatbot.sandbox.folder / "first-up.json").read_text().splitlines()]
    result = lines[-1]
    assert result["targets"] == ["infra", *ENVIRONMENTS]
    verdicts = {(s["target"], s["service"]): s["verdict"] for s in result["services"]}
    base = tomllib.loads((ROOT / "envmgr.toml").read_text())["infra"]
    expected = {("infra", name): "healthy" for name in base}
    for environment in ENVIRONMENTS:
        expected |= {(environment, name): "healthy" for name in ("app", "worker", "flower")}
        expected[environment, "migrate"] = "completed"
    assert verdicts == expected
    generated = [line["text"] for line in lines if line["event"] == "note" and "generated" in line["text"]]
    assert len(generated) == 4, generated
    assert all("keep a copy" in text for text in generated)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_each_environment_answers_with_its_own_prefix(chatbot: Chatbot, environment: str) -> None:
    answer = httpx.get(chatbot.url(environment, "/whoami")).raise_for_status().json()
    assert answer["environment"] == environment
    assert answer["prefix"] == f"{environment}_"
    assert re.fullmatch(r"[0-9a-f]{12}", answer["release"])
    assert httpx.get(chatbot.flower(environment, "/healthcheck")).status_code == 200
    assert httpx.get(chatbot.flower(environment, "/workers")).status_code == 401


def test_each_environment_writes_to_its_own_database_and_keys(chatbot: Chatbot) -> None:
    for environment in ENVIRONMENTS:
        httpx.post(chatbot.url(environment, "/messages"), json={"text": f"only {environment}"}).raise_for_status()
        assert reversed_by_worker(chatbot.url(environment), environment) == environment[::-1]
    for environment in ENVIRONMENTS:
        rows = psql(chatbot, "SELECT text FROM messages WHERE text LIKE 'only %'", f"{environment}_shia_chatbot")
        assert set(rows.splitlines()) == {f"only {environment}"}
    password = (chatbot.sandbox.folder / ".env.infra").read_text()
    admin = re.search(r"REDIS_ADMIN_PASSWORD=['\"]?([^'\"\n]+)", password)
    assert admin
    redis = f"{chatbot.sandbox.name}-infra-redis-1"
    keys = docker("exec", "-e", f"REDISCLI_AUTH={admin[1]}", redis, "redis-cli", "--scan").splitlines()
    assert keys
    assert {key.split("_")[0] for key in keys} <= set(ENVIRONMENTS)


def test_another_environments_login_is_refused(chatbot: Chatbot) -> None:
    url = (chatbot.sandbox.folder / ".envmgr/dev/secrets/app/DATABASE_URL").read_text()
    password = re.search(r"://dev_app_1:([^@]+)@", url)
    assert password
    command = ["exec", "-e", f"PGPASSWORD={password[1]}", f"{chatbot.sandbox.name}-infra-postgres-1", "psql"]
    own = docker(*command, "-h", "127.0.0.1", "-U", "dev_app_1", "-d", "dev_shia_chatbot", "-XAtc", "SELECT 1")
    assert own == "1"
    with pytest.raises(AssertionError, match="permission denied for database"):
        docker(*command, "-h", "127.0.0.1", "-U", "dev_app_1", "-d", "prod_shia_chatbot", "-XAtc", "SELECT 1")


def test_health_is_green_and_near_the_slowest_probe(chatbot: Chatbot) -> None:
    result = chatbot.sandbox.ok("health", "--json").json
    assert result["healthy"] is True
    probed = {(p["target"], p["service"]) for p in result["probes"]}
    assert {(e, s) for e in ENVIRONMENTS for s in ("app", "worker", "flower", "postgres", "redis")} <= probed
    slowest = max(p["latency"] or 0 for p in result["probes"])
    assert result["seconds"] < sum(p["latency"] or 0 for p in result["probes"])
    assert slowest <= result["seconds"]


def test_up_again_changes_nothing(chatbot: Chatbot) -> None:
    before = chatbot.sandbox.identity("infra", *ENVIRONMENTS)
    result = chatbot.sandbox.ok("up", *ENVIRONMENTS, "--json").json
    assert result["changed"] == 0
    assert chatbot.sandbox.identity("infra", *ENVIRONMENTS) == before


def test_dev_comes_and_goes_while_stage_answers_everything(chatbot: Chatbot) -> None:
    sandbox = chatbot.sandbox
    before = sandbox.identity("infra", "stage")
    with Load(chatbot.url("stage", "/whoami")) as load:
        sandbox.ok("down", "dev")
        assert sandbox.containers("dev") == {}
        sandbox.ok("up", "dev")
    assert load.failed == {}
    assert load.good > 100
    assert sandbox.identity("infra", "stage") == before
    rows = psql(chatbot, "SELECT count(*) FROM messages", "dev_shia_chatbot")
    assert int(rows) >= 0


def test_a_spec_change_in_dev_touches_only_its_service(chatbot: Chatbot) -> None:
    sandbox = chatbot.sandbox
    before = sandbox.identity("infra", "stage", "dev")
    sandbox.edit("[environments.dev]\n", '[environments.dev]\nservices.flower.memory = "300M"\n')
    with Load(chatbot.url("stage", "/whoami")) as load:
        assert sandbox.ok("up", "dev", "--json").json["changed"] == 1
    after = sandbox.identity("infra", "stage", "dev")
    assert load.failed == {}
    changed = {name for name in before if before[name] != after.get(name)}
    assert changed == {f"{sandbox.name}-dev-flower-1"}
    limit = sandbox.containers("dev", "flower")[f"{sandbox.name}-dev-flower-1"]["HostConfig"]["Memory"]
    assert limit == 300 * 1024**2


def test_an_environment_added_later_restarts_nothing(chatbot: Chatbot) -> None:
    sandbox = chatbot.sandbox
    before = sandbox.identity("infra", *ENVIRONMENTS)
    spec = (sandbox.folder / "envmgr.toml").read_text()
    port = free_port()
    with (sandbox.folder / "envmgr.toml").open("a") as file:
        file.write(f"\n[environments.demo]\nports = {{ app = {port} }}\n")
    try:
        with Load(chatbot.url("stage", "/health")) as load:
            sandbox.ok("up", "demo")
            assert httpx.get(f"http://127.0.0.1:{port}/whoami").json()["prefix"] == "demo_"
            refused = sandbox.run("destroy", "demo")
            assert refused.code == 2
            assert "no terminal" in refused.err
            shown = sandbox.ok("destroy", "demo", "--yes")
            assert "demo_shia_chatbot" in shown.err
        assert load.failed == {}
        assert sandbox.identity("infra", *ENVIRONMENTS) == before
        assert "demo" not in psql(chatbot, "SELECT string_agg(datname, ' ') FROM pg_database")
        assert "demo" not in psql(chatbot, "SELECT string_agg(rolname, ' ') FROM pg_roles")
    finally:
        (sandbox.folder / "envmgr.toml").write_text(spec)
        sandbox.ok("render")


def test_three_starts_at_once_take_turns_at_the_base(chatbot: Chatbot) -> None:
    sandbox = chatbot.sandbox
    sandbox.ok("down", *ENVIRONMENTS)
    before = sandbox.identity("infra")
    commands = {environment: sandbox.start("up", environment) for environment in ENVIRONMENTS}
    said = {environment: command.communicate(timeout=300)[1] for environment, command in commands.items()}
    assert [(e, said[e]) for e, command in commands.items() if command.returncode != 0] == []
    assert sandbox.identity("infra") == before
    assert [e for e in ENVIRONMENTS if httpx.get(chatbot.url(e, "/health")).status_code != 200] == []


def test_restart_restarts_one_service_only(chatbot: Chatbot) -> None:
    sandbox = chatbot.sandbox
    before = sandbox.identity("dev", "stage")
    sandbox.ok("restart", "dev", "worker")
    after = sandbox.identity("dev", "stage")
    assert {name for name in before if before[name] != after[name]} == {f"{sandbox.name}-dev-worker-1"}
    assert reversed_by_worker(chatbot.url("dev"), "again") == "niaga"


def test_a_lost_env_file_is_never_made_anew(chatbot: Chatbot) -> None:
    sandbox = chatbot.sandbox
    path = sandbox.folder / ".env.prod"
    kept = path.read_bytes()
    before = sandbox.identity("infra", "prod")
    path.unlink()
    try:
        result = sandbox.run("up", "prod")
        assert result.code == 3, result.err
        assert "prod already has data" in result.err
        assert "database prod_shia_chatbot" in result.err
        assert "--new-secrets" in result.err
        assert not path.exists()
        assert sandbox.identity("infra", "prod") == before
    finally:
        path.write_bytes(kept)
        path.chmod(0o600)
    assert sandbox.ok("up", "prod", "--json").json["changed"] == 0


def test_a_changed_secret_recreates_exactly_its_services(chatbot: Chatbot) -> None:
    sandbox = chatbot.sandbox
    before = sandbox.identity("infra", *ENVIRONMENTS)
    with (sandbox.folder / ".env.dev").open("a") as file:
        file.write("OPENROUTER_API_KEY=sk-or-Zq8$v`x#1\n")
    sandbox.ok("up", "dev")
    after = sandbox.identity("infra", *ENVIRONMENTS)
    changed = {name for name in before if before[name] != after.get(name)}
    assert changed == {f"{sandbox.name}-dev-{name}-1" for name in ("app", "worker")}
    inside = docker("exec", f"{sandbox.name}-dev-app-1", "cat", "/run/secrets/OPENROUTER_API_KEY")
    assert inside == "sk-or-Zq8$v`x#1"


def test_no_secret_is_in_what_the_engine_shows(chatbot: Chatbot) -> None:
    sandbox = chatbot.sandbox
    values = set()
    for path in sandbox.folder.glob(".env.*"):
        values |= set(re.findall(r"=['\"]?([^'\"\n]{20,})", path.read_text()))
    assert len(values) >= 10
    shown = json.dumps(sandbox.containers()) + (sandbox.folder / "first-up.json").read_text()
    for container in sandbox.containers():
        shown += docker("logs", container, check=False) + docker("top", container, check=False)
    for file in (sandbox.folder / "compose").rglob("*"):
        shown += file.read_text() if file.is_file() else ""
    assert [value for value in values if value in shown] == []


def test_containers_run_confined_and_listen_on_loopback_only(chatbot: Chatbot) -> None:
    for name, one in chatbot.sandbox.containers().items():
        host = one["HostConfig"]
        assert host["ReadonlyRootfs"], name
        assert host["CapDrop"] == ["ALL"], name
        assert not host["CapAdd"], name
        assert host["SecurityOpt"] == ["no-new-privileges:true"], name
        assert host["PidsLimit"] > 0, name
        assert host["Memory"] > 0, name
        assert host["NanoCpus"] > 0, name
        assert not one["Config"]["User"].startswith(("0", "root")), name
        bound = [b["HostIp"] for ports in (host["PortBindings"] or {}).values() for b in ports]
        assert set(bound) <= {"127.0.0.1"}, name


def test_from_inside_they_are_as_the_rendered_files_say(chatbot: Chatbot) -> None:
    """Each has no capability and no way to one, a number as user, a root that refuses, and the limits of its file."""
    running = {name: one for name, one in chatbot.sandbox.containers().items() if one["State"]["Running"]}
    assert len(running) == len(chatbot.rendered()) - len(ENVIRONMENTS), "all but the three jobs run"
    for name, one in running.items():
        said = chatbot.rendered()[name]
        found, host, limits = inside(name), one["HostConfig"], said["deploy"]["resources"]["limits"]
        assert found.processes == {(said["user"].partition(":")[0], "0" * 16, "0" * 16, "1")}, name
        assert found.writable == (), name
        assert found.memory == host["Memory"] == int(limits["memory"].removesuffix("M")) * 1024**2, name
        assert found.pids == host["PidsLimit"] == limits["pids"] == said["pids_limit"], name
        assert found.cpus == host["NanoCpus"] / 1e9 == float(limits["cpus"]), name
        assert one["State"].get("Health", {}).get("Status", "healthy") == "healthy", name


def test_the_linter_finds_nothing_in_what_runs_and_exactly_a_breach_by_hand(chatbot: Chatbot) -> None:
    sandbox = chatbot.sandbox
    assert sandbox.ok("lint", "--json", "--fail-on", "info").json["findings"] == []
    file = sandbox.folder / "breach.yml"
    text = (sandbox.folder / "compose" / "docker-compose.app.dev.yml").read_text()
    file.write_text(text.replace('    user: "10001:10001"\n', "", 1))
    result = sandbox.run("lint", "breach.yml", "--json")
    assert (result.code, [one["rule"] for one in result.json["findings"]]) == (9, ["EM-S04-user"])


def test_infra_stays_while_an_environment_runs(chatbot: Chatbot) -> None:
    before = chatbot.sandbox.identity("infra")
    result = chatbot.sandbox.run("down", "infra")
    assert result.code == 2
    assert "dev, stage, prod, which still run" in result.err
    assert chatbot.sandbox.identity("infra") == before


def test_a_protected_environment_needs_its_own_flag(chatbot: Chatbot) -> None:
    result = chatbot.sandbox.run("destroy", "prod", "--yes")
    assert result.code == 2
    assert "prod is protected" in result.err
    assert len(chatbot.sandbox.containers("prod")) == 4


def test_a_stopped_server_is_named_as_the_first_cause(chatbot: Chatbot) -> None:
    sandbox = chatbot.sandbox
    redis = f"{sandbox.name}-infra-redis-1"
    docker("stop", redis)
    try:
        result = sandbox.run("health", "dev", "--json")
        assert result.code == 5
        bad = {(p["service"], p["verdict"]) for p in result.json["probes"] if not p["is_good"]}
        assert ("redis", "unhealthy") in bad
        assert ("app", "unhealthy") in bad
    finally:
        sandbox.ok("up", "dev")
    eventually(lambda: httpx.get(chatbot.url("dev", "/health")).status_code == 200, "dev answers again")
