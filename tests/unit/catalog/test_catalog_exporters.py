"""Exporters: a login of their own where there is one, and nothing of the host."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from envmgr.catalog.exporters import BlackboxExporter, NginxExporter, NodeExporter
from envmgr.catalog.kind import Address, Server
from envmgr.catalog.postgres_exporter import PostgresExporter
from envmgr.catalog.redis_exporter import RedisExporter
from envmgr.catalog.registry import INFRA
from envmgr.errors import Problem
from envmgr.model.needed import Needed, Origin
from envmgr.model.secret import SecretRef
from envmgr.model.stack import Command, CommandProbe, Grant, HttpProbe, Image, Resources, SecretMount
from envmgr.secrets.vault import Vault
from tests.making import MEGABYTE

LIMITS = Resources(0.25, 64 * MEGABYTE, 32)
PSQL = "psql -X -q -A -t -v ON_ERROR_STOP=1 -U postgres -d postgres"
FROM_VARIABLE = ("sh", "-c", f'printf "%s" "$SQL" | {PSQL} -f -')
CLI = "redis-cli --no-auth-warning"


def server(kind: str, *peers: Server, name: str = "", target: str = "infra", **options: Any) -> Server:
    uses = {peer.name: peer for peer in peers}
    return Server(
        "play",
        target,
        name or kind,
        INFRA[kind].Options(**options),
        LIMITS,
        None,
        options.pop("port", None),
        {},
        uses,
        kind,
    )


def exporter(kind: str, target: str = "infra") -> Server:
    peer = kind.removesuffix("-exporter")
    return server(kind, server(peer, name=f"my-{peer}"), target=target)


# ---- PostgreSQL


def test_postgres_is_read_with_a_login_that_reads_statistics():
    draft = PostgresExporter().draft(exporter("postgres-exporter"))
    assert (draft.image, draft.user) == (Image("prometheuscommunity/postgres-exporter:v0.17.1"), "65534:65534")
    assert draft.variables == {
        "DATA_SOURCE_URI": "my-postgres:5432/postgres?sslmode=disable",
        "DATA_SOURCE_USER": "infra_postgres_exporter",
        "DATA_SOURCE_PASS_FILE": "/run/secrets/POSTGRES_EXPORTER_PASSWORD",
    }
    password = SecretRef("POSTGRES_EXPORTER_PASSWORD", "infra")
    assert draft.secrets == (SecretMount(password.name, (password,)),)
    assert draft.needed == (Needed(password.name, "infra", True, Origin.GENERATED, place="infra.postgres-exporter"),)
    assert draft.healthcheck.test[-1] == "http://127.0.0.1:9187/"


def sql(text: str, **variables: Any) -> Command:
    return Command("infra", "my-postgres", FROM_VARIABLE, {"SQL": (text,), **variables}, 30)


def test_its_login_may_connect_to_one_database_and_read_statistics():
    (grant,) = PostgresExporter().draft(exporter("postgres-exporter")).grants
    login, password = "infra_postgres_exporter", (SecretRef("POSTGRES_EXPORTER_PASSWORD", "infra"),)
    assert grant == Grant(
        server="my-postgres",
        title="PostgreSQL login infra_postgres_exporter",
        exists=sql(f"SELECT 'yes' FROM pg_roles WHERE rolname = '{login}';"),
        ensure=sql(
            f"""\
SET log_statement = 'none';
SET log_min_error_statement = 'panic';
\\getenv password MONITOR_PASSWORD
SELECT 'CREATE ROLE {login} LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{login}') \\gexec
ALTER ROLE {login} LOGIN PASSWORD :'password' CONNECTION LIMIT 5;
ALTER ROLE {login} SET statement_timeout = '10s';
GRANT pg_monitor TO {login};
GRANT CONNECT ON DATABASE postgres TO {login};
""",
            MONITOR_PASSWORD=password,
        ),
        measure=sql("SELECT 'a login without data';"),
        revoke=sql(
            f"SELECT 'DROP OWNED BY {login}' WHERE EXISTS (SELECT FROM pg_roles WHERE rolname = '{login}') \\gexec\n"
            f"DROP ROLE IF EXISTS {login};\n"
        ),
        probe=Command(
            "infra",
            "my-postgres",
            ("psql", "-X", "-A", "-t", "-h", "127.0.0.1", "-U", login, "-d", "postgres", "-c", "SELECT 1"),
            {"PGPASSWORD": password, "PGCONNECT_TIMEOUT": ("5",)},
        ),
    )


def test_a_long_name_is_cut_as_postgres_would():
    one = server("postgres-exporter", server("postgres"), name="x" * 40, target="e" * 40)
    login = PostgresExporter().draft(one).variables["DATA_SOURCE_USER"]
    assert login == f"{'e' * 40}_{'x' * 22}"


# ---- Redis


def test_redis_is_read_by_a_user_that_reaches_no_key():
    draft = RedisExporter().draft(exporter("redis-exporter"))
    assert (draft.image, draft.user) == (Image("oliver006/redis_exporter:v1.69.0-alpine"), "59000:59000")
    assert draft.command == (
        "--redis.addr=redis://my-redis:6379",
        "--redis.user=infra_redis_exporter",
        "--redis.password-file=/run/secrets/REDIS_EXPORTER_PASSWORD",
    )
    (grant,) = draft.grants
    vault = Vault().with_target("infra", {"REDIS_EXPORTER_PASSWORD": "p w"})
    digest = hashlib.sha256(b"p w").hexdigest()
    assert vault.fill(grant.ensure.variables["ACL"]) == (
        f"ACL SETUSER infra_redis_exporter reset on #{digest} resetkeys resetchannels -@all +info +config|get "
        "+client|setname +slowlog|len +slowlog|get +latency|latest +latency|histogram"
    )


@pytest.mark.parametrize("password", ["plain", 'with "quotes"', "back\\slash", "ümlaut", "a\tb"])
def test_its_password_file_is_json_whatever_the_password_is(password: str):
    (mount,) = RedisExporter().draft(exporter("redis-exporter")).secrets
    text = Vault().with_target("infra", {"REDIS_EXPORTER_PASSWORD": password}).fill(mount.content)
    assert json.loads(text) == {"redis://infra_redis_exporter@my-redis:6379": password}


def test_the_rest_of_its_grant():
    (grant,) = RedisExporter().draft(exporter("redis-exporter")).grants
    admin = {"REDISCLI_AUTH": (SecretRef("MY_REDIS_ADMIN_PASSWORD", "infra"),)}
    names = ("exists", "measure", "revoke", "probe")
    found = {name: (getattr(grant, name).argv[-1], dict(getattr(grant, name).variables)) for name in names}
    login = "infra_redis_exporter"
    assert (grant.server, grant.title) == ("my-redis", f"Redis user {login}")
    assert found == {
        "exists": (f"users=$({CLI} ACL USERS) && printf '%s\\n' \"$users\" | sed -n 's/^{login}$/yes/p'", admin),
        "measure": ("echo a user without keys", admin),
        "revoke": (
            f'{CLI} ACL DELUSER "$LOGIN" >/dev/null && [ "$({CLI} ACL SAVE)" = OK ]',
            admin | {"LOGIN": (login,)},
        ),
        "probe": (
            f"{CLI} --user {login} INFO server | grep -q redis_version",
            {"REDISCLI_AUTH": (SecretRef("REDIS_EXPORTER_PASSWORD", "infra"),)},
        ),
    }


def test_one_of_an_environment_beside_the_bases_has_a_login_of_its_own():
    draft = RedisExporter().draft(exporter("redis-exporter", target="dev"))
    assert draft.command[1] == "--redis.user=dev_redis_exporter"
    assert [need.scope for need in draft.needed] == ["dev"]
    assert draft.grants[0].ensure.target == "infra"


# ---- Valkey, by the exporter of Redis


def of_valkey() -> Server:
    return server("redis-exporter", server("valkey", name="my-valkey"))


def test_valkey_is_read_with_the_programs_of_its_own_image():
    draft = RedisExporter().draft(of_valkey())
    assert draft.command[0] == "--redis.addr=redis://my-valkey:6379"
    (grant,) = draft.grants
    redis = RedisExporter().draft(exporter("redis-exporter")).grants[0]
    assert (grant.server, grant.title) == ("my-valkey", "Valkey user infra_redis_exporter")
    for name in ("exists", "ensure", "measure", "revoke", "probe"):
        said, redis_says = getattr(grant, name).argv[-1], getattr(redis, name).argv[-1]
        assert said == redis_says.replace("redis-cli", "valkey-cli")
    assert grant.ensure.variables["ACL"] == redis.ensure.variables["ACL"]


def test_redis_and_valkey_need_an_exporter_each():
    one = server("redis-exporter", server("redis"), server("valkey"))
    assert list(RedisExporter().refuse(of_valkey(), {})) == []
    assert [problem.message for problem in RedisExporter().refuse(one, {})] == [
        "it watches one redis or valkey, and names 2"
    ]


# ---- the others


def test_the_host_is_read_without_any_folder_of_the_host():
    draft = NodeExporter().draft(server("node-exporter"))
    assert (draft.image, draft.user) == (Image("prom/node-exporter:v1.9.0"), "65534:65534")
    assert (draft.configs, draft.volumes, draft.secrets) == ((), {}, ())
    assert draft.command[0] == "--collector.disable-defaults"
    assert not [one for one in draft.command if "path." in one]


def test_nginx_itself_asks_an_exporter_whose_image_holds_no_other_program():
    door = server("nginx", name="door")
    draft = NginxExporter().draft(server("nginx-exporter", door))
    assert draft.command == ("--nginx.scrape-uri=http://door:8081/stub_status",)
    assert draft.healthcheck is None
    ask = "curl -sS -f -m 4 http://nginx-exporter:9113/metrics | grep -qx 'nginx_up 1'"
    assert draft.probe == CommandProbe(Command("infra", "door", ("sh", "-c", ask)))


def test_pages_are_asked_for_over_a_way_out():
    draft = BlackboxExporter().draft(server("blackbox-exporter", targets=("https://x.example/",)))
    assert draft.egress
    assert draft.configs[0].context == {"skips_verification": False}


@pytest.mark.parametrize(
    ("kind", "port", "path"),
    [
        ("postgres-exporter", 9187, "/"),
        ("redis-exporter", 9121, "/health"),
        ("node-exporter", 9100, "/"),
        ("blackbox-exporter", 9115, "/-/healthy"),
    ],
)
def test_each_is_asked_inside_and_where_it_is_published(kind: str, port: int, path: str):
    options = {"targets": ("http://x/",)} if kind == "blackbox-exporter" else {}
    peers = [server(peer) for peer in ("postgres", "redis") if kind.startswith(peer)]
    one = Server(
        "play", "infra", kind, INFRA[kind].Options(**options), LIMITS, None, 19000, {}, {p.name: p for p in peers}
    )
    draft = INFRA[kind].draft(one)
    assert draft.healthcheck.test[-1] == f"http://127.0.0.1:{port}{path}"
    assert (draft.probe, draft.target_port, draft.metrics.port) == (HttpProbe(19000, path), port, port)


# ---- what they watch


KINDS = {"postgres-exporter": PostgresExporter(), "redis-exporter": RedisExporter(), "nginx-exporter": NginxExporter()}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [0, 2])
def test_an_exporter_watches_one_server(kind: str, count: int):
    peer = kind.removesuffix("-exporter")
    one = server(kind, *(server(peer, name=f"{peer}-{number}") for number in range(count)), server("node-exporter"))
    what = "redis or valkey" if peer == "redis" else peer
    message = f"it watches one {what}, and names {count}"
    assert list(KINDS[kind].refuse(one, {})) == [Problem(message, "uses", hint=f'set uses = ["{peer}"]')]


@pytest.mark.parametrize("kind", KINDS)
def test_and_that_is_enough(kind: str):
    assert list(KINDS[kind].refuse(exporter(kind), {})) == []


def test_a_managed_server_is_not_ours_to_watch():
    options = INFRA["postgres"].Options()
    address = Address.of("postgresql://app@db.example/chat")
    managed = Server("play", "dev", "postgres", options, LIMITS, None, None, kind="postgres", address=address)
    assert list(PostgresExporter().refuse(server("postgres-exporter", managed), {})) == [
        Problem("a managed postgres is watched by whoever manages it", "uses", hint="leave this exporter out")
    ]
    cache = Address.of("redis://cache.example")
    managed = Server(
        "play", "dev", "valkey", INFRA["valkey"].Options(), LIMITS, None, None, kind="valkey", address=cache
    )
    (problem,) = RedisExporter().refuse(server("redis-exporter", managed), {})
    assert problem.message == "a managed valkey is watched by whoever manages it"
