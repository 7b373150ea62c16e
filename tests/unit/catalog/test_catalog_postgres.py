"""PostgreSQL: a server tuned from its memory, and one database, owner role and login per environment."""

from __future__ import annotations

from typing import Any

import pytest

from envmgr.catalog.kind import Binding, Client, Server
from envmgr.catalog.postgres import Options, Postgres
from envmgr.model.secret import SecretRef
from envmgr.model.stack import Command, CommandProbe, Grant, Image, Needed, Origin, Resources, SecretMount, Tmpfs
from tests.making import GIGABYTE, MEGABYTE

ADMIN = SecretRef("POSTGRES_ADMIN_PASSWORD", "infra")
PASSWORD = SecretRef("POSTGRES_PASSWORD", "prod")
PSQL = "psql -X -q -A -t -v ON_ERROR_STOP=1 -U postgres -d postgres"
FROM_VARIABLE = ("sh", "-c", f'printf "%s" "$SQL" | {PSQL} -f -')


def server(memory: int = 512 * MEGABYTE, *, name: str = "postgres", image: str | None = None, **options: Any) -> Server:
    return Server("shia-chatbot", "infra", name, Options(**options), Resources(1.0, memory, 256), image, None)


def sql(text: str, **variables: Any) -> Command:
    return Command("infra", "postgres", FROM_VARIABLE, {"SQL": (text,), **variables}, 30)


def binding(one: Server | None = None) -> Binding:
    return Postgres().bind(one or server(), Client("prod", "prod_"))


# ---- the server


@pytest.mark.parametrize(
    ("memory", "shared", "cache", "shm"),
    [
        (64 * MEGABYTE, "16MB", "48MB", 64),
        (32 * MEGABYTE, "16MB", "32MB", 64),
        (512 * MEGABYTE, "128MB", "384MB", 128),
        (GIGABYTE + MEGABYTE // 2, "256MB", "768MB", 256),
        (8 * GIGABYTE, "2048MB", "6144MB", 2048),
    ],
)
def test_it_is_tuned_from_its_memory_limit(memory: int, shared: str, cache: str, shm: int):
    draft = Postgres().draft(server(memory, max_connections=300))
    assert draft.command == (
        *("postgres", "-c", f"shared_buffers={shared}", "-c", f"effective_cache_size={cache}"),
        *("-c", "max_connections=300", "-c", "log_min_duration_statement=1s"),
    )
    assert draft.shm_megabytes == shm


def test_the_server_as_it_is_by_default():
    draft = Postgres().draft(server())
    assert draft.image == Image("postgres:17", major="17")
    assert (draft.user, draft.target_port, draft.stop_signal) == ("999:999", 5432, "SIGINT")
    assert draft.variables == {
        "POSTGRES_USER": "postgres",
        "POSTGRES_PASSWORD_FILE": "/run/secrets/POSTGRES_ADMIN_PASSWORD",
        "POSTGRES_INITDB_ARGS": "--auth-local=peer --auth-host=scram-sha-256 --data-checksums",
    }
    assert draft.secrets == (SecretMount("POSTGRES_ADMIN_PASSWORD", (ADMIN,)),)
    assert draft.needed == (Needed(ADMIN.name, "infra", True, Origin.GENERATED, place="infra.postgres"),)
    assert draft.tmpfs == (Tmpfs("/tmp"), Tmpfs("/run/postgresql", mode="0775"))
    assert draft.probe == CommandProbe(Command("infra", "postgres", ("sh", "-c", f'{PSQL} -c "SELECT 1"')))


def test_its_healthcheck_goes_over_tcp_because_the_socket_answers_during_initdb():
    check = Postgres().draft(server()).healthcheck
    assert check.test == ("CMD", "pg_isready", "-q", "-h", "127.0.0.1", "-U", "postgres", "-d", "postgres")


@pytest.mark.parametrize(
    ("version", "folder"),
    [
        ("15", "/var/lib/postgresql/data"),
        ("16", "/var/lib/postgresql/data"),
        ("17", "/var/lib/postgresql/data"),
        ("18", "/var/lib/postgresql"),
    ],
)
def test_its_data_lies_where_the_image_of_that_version_keeps_it(version: str, folder: str):
    draft = Postgres().draft(server(version=version))
    assert (draft.volumes, draft.image.reference) == ({"data": folder}, f"postgres:{version}")


def test_another_image_keeps_the_version_that_the_spec_says():
    assert Postgres().draft(server(image="pgvector/pgvector:pg16", version="16")).image == Image(
        "pgvector/pgvector:pg16", major="16"
    )


# ---- an environment's part of it


def test_an_environment_owns_a_database_a_role_and_a_login():
    (grant,) = binding(server(database="chat", connections_per_environment=20)).grants
    assert grant.ensure == sql(
        """\
SET log_statement = 'none';
SET log_min_error_statement = 'panic';
\\getenv password APP_PASSWORD
SELECT 'CREATE ROLE prod_owner NOLOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'prod_owner') \\gexec
SELECT 'CREATE ROLE prod_app_1 LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'prod_app_1') \\gexec
ALTER ROLE prod_app_1 LOGIN PASSWORD :'password' CONNECTION LIMIT 20;
GRANT prod_owner TO prod_app_1;
ALTER ROLE prod_app_1 SET role TO 'prod_owner';
SELECT 'CREATE DATABASE prod_chat OWNER prod_owner'
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'prod_chat') \\gexec
ALTER DATABASE prod_chat OWNER TO prod_owner;
REVOKE ALL ON DATABASE prod_chat FROM PUBLIC;
REVOKE CONNECT, TEMPORARY ON DATABASE postgres FROM PUBLIC;
REVOKE CONNECT ON DATABASE template1 FROM PUBLIC;
""",
        APP_PASSWORD=(PASSWORD,),
    )


def test_the_rest_of_a_grant():
    (grant,) = binding(server(database="chat")).grants
    size = "SELECT pg_size_pretty(pg_database_size(oid)) FROM pg_database WHERE datname = 'prod_chat';"
    drop = "DROP DATABASE IF EXISTS prod_chat WITH (FORCE);\nDROP ROLE IF EXISTS prod_app_1;\n"
    assert grant == Grant(
        server="postgres",
        title="PostgreSQL database prod_chat",
        exists=sql("SELECT 'yes' FROM pg_database WHERE datname = 'prod_chat';"),
        ensure=grant.ensure,
        measure=sql(size),
        revoke=sql(f"{drop}DROP ROLE IF EXISTS prod_owner;\n"),
        probe=Command(
            "infra",
            "postgres",
            (
                *("psql", "-X", "-A", "-t", "-h", "127.0.0.1", "-U", "prod_app_1"),
                *("-d", "prod_chat", "-c", "SELECT 1"),
            ),
            {"PGPASSWORD": (PASSWORD,), "PGCONNECT_TIMEOUT": ("5",)},
        ),
    )


def test_the_application_gets_one_url_with_the_password_encoded():
    bound = binding(server(url_scheme="postgresql+asyncpg"))
    url = SecretRef("POSTGRES_PASSWORD", "prod", "url")
    content = ("postgresql+asyncpg://prod_app_1:", url, "@postgres:5432/prod_shia_chatbot")
    assert bound.secrets == (SecretMount("DATABASE_URL", content),)
    assert bound.needed == (Needed("POSTGRES_PASSWORD", "prod", True, Origin.GENERATED, place="infra.postgres"),)
    assert bound.variables == {}


def test_a_second_server_has_names_of_its_own():
    draft, bound = Postgres().draft(server(name="reporting-db")), binding(server(name="reporting-db"))
    assert [need.name for need in (*draft.needed, *bound.needed)] == [
        "REPORTING_DB_ADMIN_PASSWORD",
        "REPORTING_DB_PASSWORD",
    ]
    assert bound.secrets[0].content[-1] == "@reporting-db:5432/prod_shia_chatbot"
    assert bound.grants[0].ensure.service == "reporting-db"
