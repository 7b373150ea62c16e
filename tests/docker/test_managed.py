"""Servers that somebody else runs, `mode = "external"`: used and provisioned by URL, never started, never emptied.

Object storage is a stand-in here; its client reaches no other server, so it is used with a key and not provisioned.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.docker.conftest import Sandbox, docker
from tests.docker.managed import GUEST, MANAGER, Managed, managed_servers

pytestmark = pytest.mark.docker

SPEC = """\
[project]
name = "{name}"

[networks]
range = "10.96.0.0/12"

[images]
recipes = "images"

[infra.postgres]
database = "chat"
sslmode = "disable"

[infra.redis]

[services.reader]
kind = "container"
image = "postgres:17"
command = ["sleep", "infinity"]
healthcheck = ["sh", "-c", 'psql -X -q "$(cat "$DATABASE_URL_FILE")" -c "SELECT 1"']
user = "999:999"
uses = ["postgres"]
memory = "64M"
start_seconds = 15
stop_seconds = 1

[services.keeper]
kind = "container"
image = "redis:8.0"
command = ["sleep", "infinity"]
healthcheck = ["sh", "-c", 'redis-cli --no-auth-warning -u "$(cat "$REDIS_URL_FILE")" PING | grep -qx PONG']
user = "999:999"
uses = ["redis"]
memory = "64M"
start_seconds = 15
stop_seconds = 1

[environments.prod]
prefix = "{name}_"
protected = true

[environments.prod.infra.postgres]
mode = "external"
provision = {provision}
url = "{postgres}"

[environments.prod.infra.redis]
mode = "external"
provision = {provision}
url = "{redis}"
"""
FILES = """\
[infra.minio]
buckets = ["guests"]

[services.files]
kind = "container"
image = "pgsty/silo:RELEASE.2026-09-16T00-00-00Z"
command = ["sleep", "infinity"]
healthcheck = ["sh", "-c", '''curl -sf --aws-sigv4 "aws:amz:$S3_REGION:s3" \\
 -u "$(cat "$S3_ACCESS_KEY_ID_FILE"):$(cat "$S3_SECRET_ACCESS_KEY_FILE")" "$S3_ENDPOINT_URL/$S3_BUCKET?list-type=2"''']
user = "1000:1000"
uses = ["minio"]
memory = "64M"
start_seconds = 15
stop_seconds = 1

[environments.prod.infra.minio]
mode = "external"
url = "{minio}"
bucket_names = {{ guests = "guests" }}
"""
MINE = {"reader", "keeper"}
PSQL = 'psql -X -q -A -t "$(cat "$DATABASE_URL_FILE")" -c "$1"'
REDIS = 'redis-cli --no-auth-warning -u "$(cat "$REDIS_URL_FILE")" SET "$REDIS_KEY_PREFIX"mine kept'


@pytest.fixture(scope="module")
def managed() -> Iterator[Managed]:
    with managed_servers() as one:
        yield one


@pytest.fixture
def prefix(sandbox: Sandbox, managed: Managed) -> Iterator[str]:
    """A prefix that no other test has in the managed servers; what a failure leaves under it matters to nobody."""
    assert managed.owned(f"{sandbox.name}_") == []
    yield f"{sandbox.name}_"
    assert managed.others() == ("ours", "ours")


def write(sandbox: Sandbox, managed: Managed, login: str, password: str, *, provisions: bool, **urls: str) -> None:
    """Write the spec and the operator's file."""
    given = {
        "postgres": managed.url("postgres", login, "" if provisions else "/guests"),
        "redis": managed.url("redis", login),
    }
    sandbox.write(SPEC.format(name=sandbox.name, provision=str(provisions).lower(), **(given | urls)))
    kind = "ADMIN_PASSWORD" if provisions else "PASSWORD"
    file = sandbox.folder / ".env.prod"
    file.write_text("".join(f"{server}_{kind}={password}\n" for server in ("POSTGRES", "REDIS")))
    file.chmod(0o600)


def running(sandbox: Sandbox) -> set[str]:
    """Return the services that have a container, of every target."""
    return {one["Config"]["Labels"]["envmgr.service"] for one in sandbox.containers().values()}


def inside(sandbox: Sandbox, service: str, script: str, *args: str) -> str:
    """Run a script in a service's container."""
    return docker("exec", f"{sandbox.name}-prod-{service}-1", "sh", "-c", script, "sh", *args)


def sentence(err: str) -> str:
    """Return the one line that says what is wrong."""
    (line,) = (line for line in err.splitlines() if line.startswith("error: "))
    return line


def test_an_environment_owns_its_part_of_managed_servers(sandbox: Sandbox, managed: Managed, prefix: str) -> None:
    write(sandbox, managed, "manager", MANAGER, provisions=True)
    planned = sandbox.run("plan", "prod")
    assert planned.code == 7
    assert managed.owned(prefix) == []
    sandbox.ok("up", "prod")
    assert running(sandbox) == MINE
    assert managed.owned(prefix) == sorted(f"{prefix}{it}" for it in ("chat", "app", "app_1", "owner"))
    status = sandbox.ok("status", "prod", "--json").json["stacks"]
    assert {row["service"] for stack in status for row in stack["rows"]} == MINE
    inside(sandbox, "reader", PSQL, "CREATE TABLE mine AS SELECT 'kept' AS said")
    inside(sandbox, "keeper", REDIS)
    probes = sandbox.ok("health", "prod", "--json").json["probes"]
    assert {probe["service"] for probe in probes} == MINE | {"postgres", "redis"}
    assert all(probe["is_good"] for probe in probes)
    assert sandbox.run("plan", "prod").code == 0
    before = sandbox.identity("prod")
    assert sandbox.ok("up", "prod", "--json").json["changed"] == 0
    assert sandbox.identity("prod") == before
    sandbox.ok("down", "prod")
    assert running(sandbox) == set()
    sandbox.ok("up", "prod")
    assert inside(sandbox, "reader", PSQL, "SELECT said FROM mine") == "kept"
    assert managed.redis("GET", f"{prefix}mine") == "kept"


def test_what_is_destroyed_goes_from_managed_servers_and_nothing_of_others(
    sandbox: Sandbox, managed: Managed, prefix: str
) -> None:
    write(sandbox, managed, "manager", MANAGER, provisions=True)
    sandbox.ok("up", "prod")
    inside(sandbox, "keeper", REDIS)
    owned = managed.owned(prefix)
    refused = sandbox.run("destroy", "prod", "--protected")
    assert refused.code == 2
    assert managed.owned(prefix) == owned
    shown = sandbox.ok("destroy", "prod", "--protected", "--yes")
    for title in (f"PostgreSQL database {prefix}chat", f"Redis keys {prefix}*"):
        assert title in shown.out + shown.err
    assert managed.owned(prefix) == []
    assert running(sandbox) == set()


def test_an_environment_uses_what_it_was_given(sandbox: Sandbox, managed: Managed, prefix: str) -> None:
    write(sandbox, managed, "guest", GUEST, provisions=False)
    with (sandbox.folder / "envmgr.toml").open("a") as spec:
        spec.write(FILES.format(minio=managed.url("minio", "guest")))
    with (sandbox.folder / ".env.prod").open("a") as file:
        file.write(f"MINIO_PASSWORD={GUEST}\n")
    sandbox.ok("up", "prod")
    assert running(sandbox) == MINE | {"files"}
    assert inside(sandbox, "reader", PSQL, "SELECT said FROM others") == "ours"
    assert sandbox.run("plan", "prod").code == 0
    assert sandbox.ok("up", "prod", "--json").json["changed"] == 0
    probes = sandbox.ok("health", "prod", "--json").json["probes"]
    assert {probe["service"] for probe in probes} == MINE | {"files", "postgres", "redis"}
    assert all(probe["is_good"] for probe in probes)
    shown = sandbox.ok("destroy", "prod", "--protected", "--yes")
    assert "guests" not in shown.out + shown.err
    assert (running(sandbox), managed.owned(prefix)) == (set(), [])


def spoil(sandbox: Sandbox, managed: Managed, server: str, fault: str, login: str) -> None:
    """Make one of the servers refuse: change its password, its port, or the login for one that may create nothing."""
    url = managed.url(server, login)
    if fault == "unreachable":
        sandbox.edit(url, url.rpartition(":")[0] + ":9")
        return
    if fault == "not permitted":
        sandbox.edit(url, managed.url(server, "guest"))
    file = sandbox.folder / ".env.prod"
    name, _, _ = next(line for line in file.read_text().splitlines() if line.startswith(server.upper())).partition("=")
    others = [line for line in file.read_text().splitlines() if not line.startswith(server.upper())]
    file.write_text("\n".join((*others, f"{name}={GUEST if fault == 'not permitted' else WRONG}", "")))


WRONG = "Xw3-9kTzVb0_qRm7Lp"
SAYS = {
    ("postgres", "wrong password"): "password authentication failed",
    ("postgres", "not permitted"): "permission denied to create role",
    ("postgres", "unreachable"): "Connection refused",
    ("redis", "wrong password"): "WRONGPASS",
    ("redis", "not permitted"): "NOPERM",
    ("redis", "unreachable"): "Connection refused",
}


@pytest.mark.parametrize(
    ("server", "fault", "provisions"),
    [
        *((server, fault, True) for server, fault in SAYS),
        *((server, fault, False) for server, fault in SAYS if fault != "not permitted"),
    ],
)
def test_a_managed_server_that_refuses_starts_nothing(
    sandbox: Sandbox, managed: Managed, prefix: str, server: str, fault: str, provisions: bool
) -> None:
    login, password = ("manager", MANAGER) if provisions else ("guest", GUEST)
    write(sandbox, managed, login, password, provisions=provisions)
    spoil(sandbox, managed, server, fault, login)
    refused = sandbox.run("up", "prod")
    assert (refused.code, running(sandbox)) == (4, set())
    assert f"in the managed {server}: " in sentence(refused.err)
    assert SAYS[server, fault] in sentence(refused.err)
    kind = "ADMIN_PASSWORD" if provisions else "PASSWORD"
    assert f"{server.upper()}_{kind} in .env.prod" in refused.err
    assert "state: No container of prod was started or stopped." in refused.err


def test_a_managed_server_that_went_away_keeps_what_is_to_be_destroyed(
    sandbox: Sandbox, managed: Managed, prefix: str
) -> None:
    write(sandbox, managed, "manager", MANAGER, provisions=True)
    sandbox.ok("up", "prod")
    before, owned = sandbox.identity("prod"), managed.owned(prefix)
    spoil(sandbox, managed, "redis", "unreachable", "manager")
    refused = sandbox.run("destroy", "prod", "--protected", "--yes")
    assert refused.code == 4
    assert "Connection refused" in sentence(refused.err)
    assert (sandbox.identity("prod"), managed.owned(prefix)) == (before, owned)
    ill = sandbox.run("health", "prod", "--json")
    assert ill.code == 5
    assert {probe["service"] for probe in ill.json["probes"] if not probe["is_good"]} == {"redis"}
