"""PostgreSQL: a server tuned from its memory, and one database, owner role and login per environment."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from envmgr.catalog.kind import Address, Binding, Client, Server
from envmgr.catalog.postgres import Options, Postgres
from envmgr.errors import Problem
from envmgr.model.needed import Needed, Origin
from envmgr.model.secret import SecretRef
from envmgr.model.stack import Command, CommandProbe, Credential, Grant, Image, Resources, SecretMount, Tmpfs
from envmgr.secrets.vault import Vault
from tests.making import GIGABYTE, MEGABYTE

ADMIN = SecretRef("POSTGRES_ADMIN_PASSWORD", "infra")
PASSWORD = SecretRef("POSTGRES_PASSWORD", "prod")
LOGIN = SecretRef("POSTGRES_LOGIN", "prod")
NEEDED = (
    Needed("POSTGRES_PASSWORD", "prod", True, Origin.GENERATED, place="infra.postgres"),
    Needed(
        "POSTGRES_LOGIN",
        "prod",
        False,
        Origin.OPERATOR,
        is_required=False,
        default="prod_app_1",
        place="infra.postgres",
    ),
)
PSQL = "psql -X -q -A -t -v ON_ERROR_STOP=1"
AS_ADMIN = {"PGUSER": ("postgres",), "PGDATABASE": ("postgres",)}
FROM_VARIABLE = ("sh", "-c", f'printf "%s" "$SQL" | {PSQL} -f -')


def server(memory: int = 512 * MEGABYTE, *, name: str = "postgres", image: str | None = None, **options: Any) -> Server:
    return Server("shia-chatbot", "infra", name, Options(**options), Resources(1.0, memory, 256), image, None)


def sql(text: str, **variables: Any) -> Command:
    return Command("infra", "postgres", FROM_VARIABLE, {"SQL": (text,), **AS_ADMIN, **variables}, 30)


def binding(one: Server | None = None) -> Binding:
    return Postgres().bind(one or server(), Client("prod", "prod_"))


# ---- the server


@pytest.mark.parametrize(
    ("memory", "shared", "cache", "work", "maintenance", "wal", "shm"),
    [
        (32 * MEGABYTE, "16MB", "32MB", "1MB", "16MB", (1024, 256), 64),
        (64 * MEGABYTE, "16MB", "48MB", "1MB", "16MB", (1024, 256), 64),
        (512 * MEGABYTE, "128MB", "384MB", "1MB", "32MB", (1024, 256), 128),
        (GIGABYTE + MEGABYTE // 2, "256MB", "768MB", "2MB", "64MB", (1024, 256), 256),
        (8 * GIGABYTE, "2048MB", "6144MB", "20MB", "512MB", (8192, 2048), 2048),
        (128 * GIGABYTE, "32768MB", "98304MB", "64MB", "1024MB", (131072, 32768), 32768),
    ],
)
def test_it_is_tuned_from_its_memory_limit(
    memory: int, shared: str, cache: str, work: str, maintenance: str, wal: tuple[int, int], shm: int
):
    draft = Postgres().draft(server(memory))
    assert settings(draft.command) == {
        "shared_buffers": shared,
        "effective_cache_size": cache,
        "work_mem": work,
        "maintenance_work_mem": maintenance,
        "max_wal_size": f"{wal[0]}MB",
        "min_wal_size": f"{wal[1]}MB",
        "max_connections": "100",
        "log_min_duration_statement": "1s",
    }
    assert draft.shm_megabytes == shm


def settings(command: tuple[str, ...]) -> dict[str, str]:
    assert command[0] == "postgres"
    assert set(command[1::2]) == {"-c"}
    return dict(part.split("=", 1) for part in command[2::2])


def test_more_connections_leave_less_for_each():
    found = settings(Postgres().draft(server(8 * GIGABYTE, max_connections=1000)).command)
    assert (found["work_mem"], found["max_connections"]) == ("2MB", "1000")


def test_settings_of_the_spec_stand_over_those_that_follow_from_memory():
    given = {"work_mem": "7MB", "jit": False, "random_page_cost": 1.1, "log_line_prefix": "%m = [%p] ", "ssl": True}
    found = settings(Postgres().draft(server(settings=given)).command)
    expected = {"work_mem": "7MB", "jit": "off", "random_page_cost": "1.1", "log_line_prefix": "%m = [%p] "}
    assert found.items() >= (expected | {"ssl": "on"}).items()
    assert found["shared_buffers"] == "128MB"


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
    assert draft.probe == CommandProbe(
        Command("infra", "postgres", ("sh", "-c", f'{PSQL} -U postgres -d postgres -c "SELECT 1"'))
    )


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


QUIET = """\
SELECT set_config(name, value, false)
 FROM (VALUES ('log_statement', 'none'), ('log_min_error_statement', 'panic')) AS quiet (name, value)
 WHERE (SELECT rolsuper FROM pg_roles WHERE rolname = current_user);
"""
ROLES = """\
\\getenv login APP_LOGIN
\\getenv password APP_PASSWORD
SELECT 'CREATE ROLE prod_owner NOLOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'prod_owner') \\gexec
SELECT format('CREATE ROLE %I LOGIN', :'login')
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'login') \\gexec
ALTER ROLE :"login" LOGIN PASSWORD :'password' CONNECTION LIMIT 20;
GRANT prod_owner TO :"login";
ALTER ROLE :"login" SET role TO 'prod_owner';
"""
DATABASE = """\
SELECT 'CREATE DATABASE prod_chat OWNER prod_owner'
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'prod_chat') \\gexec
ALTER DATABASE prod_chat OWNER TO prod_owner;
REVOKE ALL ON DATABASE prod_chat FROM PUBLIC;
"""
PLAIN = """\
\\getenv administrator ADMIN_PASSWORD
ALTER ROLE CURRENT_USER PASSWORD :'administrator';
ALTER ROLE prod_owner NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
ALTER ROLE :"login" NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
"""
GUARD = """\
SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', datname) FROM pg_database
 WHERE datallowconn
   AND EXISTS (SELECT FROM aclexplode(coalesce(datacl, acldefault('d', datdba))) WHERE grantee = 0) \\gexec
"""


def test_an_environment_owns_a_database_a_role_and_a_login():
    (grant,) = binding(server(database="chat", connections_per_environment=20)).grants
    (text,) = grant.ensure.variables["SQL"]
    made, inside = text.split("\\connect prod_chat\n")
    before, rest = made.split("END $doors$;\n")
    assert before.startswith(QUIET)
    assert rest == ROLES + PLAIN + DATABASE + GUARD
    assert "{" not in text.replace("{2,}", "")
    assert grant.ensure == sql(text, APP_LOGIN=(LOGIN,), APP_PASSWORD=(PASSWORD,), ADMIN_PASSWORD=(ADMIN,))
    assert inside.endswith("END $inside$;\n")


def test_what_was_opened_by_hand_is_taken_back_where_it_concerns_environments_alone():
    (grant,) = binding(server(database="chat")).grants
    (text,) = grant.ensure.variables["SQL"]
    doors, inside = text.split("END $doors$;")[0], text.split("\\connect prod_chat\n")[1]
    assert "IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'prod_owner') THEN RETURN" in doors
    assert "rolname ~ '^prod_(owner|app_[0-9]+)$'" in doors
    assert "who ~ '^[a-z][a-z0-9]*_(owner|app_[0-9]+)$' AND datname = 'prod_chat' AND who <> 'prod_owner'" in doors
    assert doors.count("RAISE NOTICE 'closed: %'") == inside.count("RAISE NOTICE 'closed: %'") == 1
    assert "ALTER DEFAULT PRIVILEGES FOR ROLE prod_owner REVOKE EXECUTE ON ROUTINES FROM PUBLIC;" in inside


def test_extensions_are_made_by_the_administrator_inside_the_environments_database():
    (grant,) = binding(server(database="chat", extensions=("vector", "uuid-ossp"))).grants
    (text,) = grant.ensure.variables["SQL"]
    assert GUARD + "\\connect prod_chat\n" in text
    assert text.endswith(
        'END $inside$;\nCREATE EXTENSION IF NOT EXISTS "vector";\nCREATE EXTENSION IF NOT EXISTS "uuid-ossp";\n'
    )


def test_the_rest_of_a_grant():
    (grant,) = binding(server(database="chat")).grants
    size = "SELECT pg_size_pretty(pg_database_size(oid)) FROM pg_database WHERE datname = 'prod_chat';"
    # Both logins: which of them is in use, and whether a rotation was cut, makes no difference.
    drop = "DROP DATABASE IF EXISTS prod_chat WITH (FORCE);\nDROP ROLE IF EXISTS prod_app_1, prod_app_2;\n"
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
            ENTERS,
            {
                "PGHOST": ("127.0.0.1",),
                "PGUSER": (LOGIN,),
                "PGPASSWORD": (PASSWORD,),
                "PGCONNECT_TIMEOUT": ("5",),
            },
        ),
        credential=grant.credential,
    )


ENTERS = ("psql", "-X", "-A", "-t", "-d", "prod_chat", "-c", "SELECT 1")
RETIRE = """\
\\getenv login APP_LOGIN
SELECT format('ALTER ROLE %I NOLOGIN', rolname) FROM pg_roles WHERE rolname = :'login' \\gexec
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = :'login';
\\connect prod_chat
SELECT format('REASSIGN OWNED BY %I TO prod_owner; DROP OWNED BY %I', rolname, rolname)
  FROM pg_roles WHERE rolname = :'login' \\gexec
DROP ROLE IF EXISTS :"login";
"""


def test_a_login_stands_beside_another_and_is_ended_with_its_sessions():
    (grant,) = binding(replace(server(database="chat"), programs="postgres:17")).grants
    enter = Command(
        "infra",
        "postgres",
        ENTERS,
        {"PGHOST": ("postgres",), "PGUSER": (LOGIN,), "PGPASSWORD": (PASSWORD,), "PGCONNECT_TIMEOUT": ("5",)},
        client="postgres:17",
    )
    retire = sql(RETIRE, APP_LOGIN=(LOGIN,))
    assert grant.credential == Credential(PASSWORD, LOGIN, ("prod_app_1", "prod_app_2"), enter, retire)


def test_what_ends_a_login_touches_no_other_and_nothing_of_the_database():
    (grant,) = binding(server(database="chat")).grants
    (text,) = grant.credential.retire.variables["SQL"]
    assert "prod_app" not in text
    assert "DROP DATABASE" not in text
    assert text.index("NOLOGIN") < text.index("pg_terminate_backend") < text.index("DROP ROLE")


def test_the_application_gets_one_url_with_the_password_encoded():
    bound = binding(server(url_scheme="postgresql+asyncpg"))
    url = SecretRef("POSTGRES_PASSWORD", "prod", "url")
    login = SecretRef("POSTGRES_LOGIN", "prod", "url")
    content = ("postgresql+asyncpg://", login, ":", url, "@postgres:5432/prod_shia_chatbot")
    assert bound.secrets == (SecretMount("DATABASE_URL", content),)
    assert bound.needed == NEEDED
    assert bound.variables == {}


def test_the_url_names_the_login_that_is_in_use():
    vault = Vault().with_target("prod", {"POSTGRES_LOGIN": "prod_app_2", "POSTGRES_PASSWORD": "p/w"})
    (mount,) = binding(server(database="chat")).secrets
    assert vault.fill(mount.content) == "postgresql://prod_app_2:p%2Fw@postgres:5432/prod_chat"
    (grant,) = binding(server(database="chat")).grants
    assert vault.fill_all(grant.probe.variables).items() >= {"PGUSER": "prod_app_2", "PGPASSWORD": "p/w"}.items()


def test_a_second_server_has_names_of_its_own():
    draft, bound = Postgres().draft(server(name="reporting-db")), binding(server(name="reporting-db"))
    assert [need.name for need in (*draft.needed, *bound.needed)] == [
        "REPORTING_DB_ADMIN_PASSWORD",
        "REPORTING_DB_PASSWORD",
        "REPORTING_DB_LOGIN",
    ]
    assert bound.secrets[0].content[-1] == "@reporting-db:5432/prod_shia_chatbot"
    assert bound.grants[0].ensure.service == "reporting-db"


def test_a_second_servers_url_may_have_a_name_of_its_own():
    assert [mount.name for mount in binding(server(url_variable="REPORTS_URL")).secrets] == ["REPORTS_URL"]


# ---- a managed server


def managed(url: str, *, is_provisioned: bool, **options: Any) -> Server:
    return replace(
        server(database="chat", connections_per_environment=20, **options),
        target="prod",
        address=Address.of(url),
        is_provisioned=is_provisioned,
        client="postgres:17",
    )


def test_a_managed_server_is_reached_over_tls_with_what_its_address_says():
    (grant,) = binding(managed("postgresql://boss@db.example.com:5433/defaultdb", is_provisioned=True)).grants
    assert grant.is_external
    assert grant.exists.variables == {
        "SQL": ("SELECT 'yes' FROM pg_database WHERE datname = 'prod_chat';",),
        "PGHOST": ("db.example.com",),
        "PGPORT": ("5433",),
        "PGSSLMODE": ("require",),
        "PGUSER": ("boss",),
        "PGDATABASE": ("defaultdb",),
        "PGPASSWORD": (SecretRef("POSTGRES_ADMIN_PASSWORD", "prod"),),
        "PGCONNECT_TIMEOUT": ("5",),
    }
    assert grant.probe == Command(
        "prod",
        "postgres",
        ENTERS,
        {
            "PGHOST": ("db.example.com",),
            "PGUSER": (LOGIN,),
            "PGPASSWORD": (PASSWORD,),
            "PGCONNECT_TIMEOUT": ("5",),
            "PGPORT": ("5433",),
            "PGSSLMODE": ("require",),
        },
        client="postgres:17",
    )
    # Its own container is no nearer than a consumer's.
    assert grant.credential.enter == grant.probe


def test_nothing_beside_the_environments_part_is_changed_on_a_managed_server():
    (grant,) = binding(managed("postgresql://boss@db.example.com", is_provisioned=True)).grants
    membership = 'GRANT prod_owner, :"login" TO CURRENT_USER;\n'
    assert grant.ensure.variables["SQL"] == (QUIET + ROLES + membership + DATABASE,)
    assert grant.ensure.variables["PGDATABASE"] == ("postgres",)
    assert grant.ensure.variables["PGPORT"] == ("5432",)


def test_with_an_administrator_the_operator_gives_one_password_and_envmgr_makes_the_other():
    bound = binding(managed("postgresql://boss@db.example.com", is_provisioned=True))
    assert bound.needed == (
        *NEEDED,
        Needed("POSTGRES_ADMIN_PASSWORD", "prod", True, Origin.OPERATOR, place="infra.postgres"),
    )


@pytest.mark.parametrize(
    ("url", "options", "before", "after"),
    [
        (
            "postgresql://chat@db.example.com:5433/chat",
            {},
            ("postgresql://", "chat", ":"),
            "@db.example.com:5433/chat?sslmode=require",
        ),
        (
            "postgres://a%40b@db.example.com/x%2Fy",
            {"url_scheme": "postgresql+psycopg", "sslmode": "disable"},
            ("postgresql+psycopg://", "a%40b", ":"),
            "@db.example.com:5432/x%2Fy?sslmode=disable",
        ),
        (
            "postgres://chat@db.example.com/chat",
            {"url_scheme": "postgresql+asyncpg"},
            ("postgresql+asyncpg://", "chat", ":"),
            "@db.example.com:5432/chat?ssl=require",
        ),
    ],
)
def test_without_an_administrator_the_address_names_the_environments_own_part(
    url: str, options: dict[str, Any], before: tuple[str, ...], after: str
):
    bound = binding(managed(url, is_provisioned=False, **options))
    encoded = SecretRef("POSTGRES_PASSWORD", "prod", "url")
    (grant,) = bound.grants
    assert (grant.is_given, grant.is_external, grant.ensure) == (True, True, grant.probe)
    assert grant.probe.variables["PGPASSWORD"] == (SecretRef("POSTGRES_PASSWORD", "prod"),)
    assert bound.secrets == (SecretMount("DATABASE_URL", (*before, encoded, after)),)
    assert grant.credential is None
    assert bound.needed == (Needed("POSTGRES_PASSWORD", "prod", True, Origin.OPERATOR, place="infra.postgres"),)


@pytest.mark.parametrize(
    ("url", "is_provisioned", "expected"),
    [
        ("postgresql://app@db.example.com/chat", False, []),
        ("postgresql://boss@db.example.com", True, []),
        ("postgresql://app@db.example.com", False, [("names no database", "url")]),
        ("postgresql://db.example.com/chat", True, [("names no login", "url")]),
        ("postgresql://db.example.com", False, [("names no login", "url"), ("names no database", "url")]),
    ],
)
def test_an_address_that_lacks_something_is_refused(url: str, is_provisioned: bool, expected: list[tuple[str, str]]):
    found = list(Postgres().refuse(managed(url, is_provisioned=is_provisioned), {}))
    assert [(problem.message, problem.path) for problem in found] == expected
    assert all(isinstance(problem, Problem) and "postgresql://app@" in problem.hint for problem in found)


def test_a_server_of_ours_has_nothing_to_refuse():
    assert list(Postgres().refuse(server(), {"app": "asgi"})) == []
