"""PostgreSQL: one server for all environments; each owns a database, an owner role and a login."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from envmgr import naming
from envmgr.catalog.kind import Binding, Client, Defaults, Draft, Server
from envmgr.model.secret import SecretRef, Template
from envmgr.model.stack import (
    Command,
    CommandProbe,
    Grant,
    Healthcheck,
    Image,
    Needed,
    Origin,
    Resources,
    SecretMount,
    Tmpfs,
)
from envmgr.spec.schema import Strict

_MEGABYTE = 1024**2
_UID = "999:999"

# Peer over the socket lets envmgr provision without any password; SCRAM over TCP, loopback included, is what makes a
# probe on 127.0.0.1 prove the password.
_INITDB = "--auth-local=peer --auth-host=scram-sha-256 --data-checksums"

_PSQL = "psql -X -q -A -t -v ON_ERROR_STOP=1 -U postgres -d postgres"

_ENSURE = """\
SET log_statement = 'none';
SET log_min_error_statement = 'panic';
\\getenv password APP_PASSWORD
SELECT 'CREATE ROLE {owner} NOLOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{owner}') \\gexec
SELECT 'CREATE ROLE {login} LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{login}') \\gexec
ALTER ROLE {login} LOGIN PASSWORD :'password' CONNECTION LIMIT {connections};
GRANT {owner} TO {login};
ALTER ROLE {login} SET role TO '{owner}';
SELECT 'CREATE DATABASE {database} OWNER {owner}'
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{database}') \\gexec
ALTER DATABASE {database} OWNER TO {owner};
REVOKE ALL ON DATABASE {database} FROM PUBLIC;
REVOKE CONNECT, TEMPORARY ON DATABASE postgres FROM PUBLIC;
REVOKE CONNECT ON DATABASE template1 FROM PUBLIC;
"""

_REVOKE = """\
DROP DATABASE IF EXISTS {database} WITH (FORCE);
DROP ROLE IF EXISTS {login};
DROP ROLE IF EXISTS {owner};
"""


class Options(Strict):
    """What `kind = "postgres"` adds to a table."""

    version: Literal["15", "16", "17", "18"] = "17"
    database: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")] | None = None
    """Behind each environment's prefix; the project's name when left out."""
    url_scheme: Annotated[str, Field(pattern=r"^[a-z][a-z0-9+]*$")] = "postgresql"
    max_connections: Annotated[int, Field(ge=10, le=10_000)] = 100
    connections_per_environment: Annotated[int, Field(ge=1, le=10_000)] = 25


class Postgres:
    """The kind `postgres`."""

    name = "postgres"
    Options = Options
    defaults = Defaults(
        Resources(cpus=1.0, memory=512 * _MEGABYTE, pids=256, memory_reserved=128 * _MEGABYTE),
        start_seconds=90,
        stop_seconds=60,
    )

    def draft(self, server: Server) -> Draft:
        """Return the server: tuned from its memory limit, password from a file, no capability."""
        options: Options = server.options
        return Draft(
            image=Image(server.image or f"postgres:{options.version}", major=options.version),
            user=_UID,
            command=_command(options, server.resources),
            # Over TCP: the socket answers during initdb, before the server is really there.
            healthcheck=Healthcheck(("CMD", "pg_isready", "-q", "-h", "127.0.0.1", "-U", "postgres", "-d", "postgres")),
            probe=CommandProbe(
                server.command("sh", "-c", f'{_PSQL} -c "SELECT 1"'),
            ),
            target_port=5432,
            variables={
                "POSTGRES_USER": "postgres",
                "POSTGRES_PASSWORD_FILE": f"/run/secrets/{server.admin_password}",
                "POSTGRES_INITDB_ARGS": _INITDB,
            },
            secrets=(SecretMount(server.admin_password, (SecretRef(server.admin_password, server.target),)),),
            volumes={"data": _data_folder(options.version)},
            tmpfs=(Tmpfs("/tmp"), Tmpfs("/run/postgresql", mode="0775")),  # noqa: S108 - paths inside the container
            needed=(
                Needed(server.admin_password, server.target, True, Origin.GENERATED, place=f"infra.{server.name}"),
            ),
            stop_signal="SIGINT",
            shm_megabytes=max(64, server.resources.memory // _MEGABYTE // 4),
        )

    def bind(self, server: Server, client: Client) -> Binding:
        """Return the environment's own database, owner role and login."""
        names = _names(server, client)
        password = SecretRef(server.password, client.environment)
        url = SecretRef(password.name, password.scope, "url")
        options: Options = server.options
        return Binding(
            grants=(_grant(server, names, password),),
            secrets=(
                SecretMount(
                    "DATABASE_URL",
                    (f"{options.url_scheme}://{names['login']}:", url, f"@{server.name}:5432/{names['database']}"),
                ),
            ),
            needed=(Needed(password.name, password.scope, True, Origin.GENERATED, place=f"infra.{server.name}"),),
        )


def _command(options: Options, resources: Resources) -> tuple[str, ...]:
    megabytes = resources.memory // _MEGABYTE
    settings = {
        # A quarter and three quarters of the memory are PostgreSQL's own rules of thumb (docs, "Resource Consumption").
        "shared_buffers": f"{max(16, megabytes // 4)}MB",
        "effective_cache_size": f"{max(32, megabytes * 3 // 4)}MB",
        "max_connections": str(options.max_connections),
        "log_min_duration_statement": "1s",
    }
    return ("postgres", *(part for key, value in settings.items() for part in ("-c", f"{key}={value}")))


def _data_folder(version: str) -> str:
    # The official image keeps data one level higher from 18 on (docker-library/postgres PR 1259).
    return "/var/lib/postgresql" if int(version) >= 18 else "/var/lib/postgresql/data"


def _names(server: Server, client: Client) -> dict[str, str]:
    options: Options = server.options
    return {
        "database": client.prefix + (options.database or naming.sql_name(server.project)),
        "owner": f"{client.prefix}owner",
        "login": f"{client.prefix}app_1",
        "connections": str(options.connections_per_environment),
    }


def _grant(server: Server, names: dict[str, str], password: SecretRef) -> Grant:
    database, login = names["database"], names["login"]
    measure = f"SELECT pg_size_pretty(pg_database_size(oid)) FROM pg_database WHERE datname = '{database}'"  # noqa: S608
    return Grant(
        server=server.name,
        title=f"PostgreSQL database {database}",
        exists=_sql(server, f"SELECT 'yes' FROM pg_database WHERE datname = '{database}';"),  # noqa: S608
        ensure=_sql(server, _ENSURE.format(**names), APP_PASSWORD=(password,)),
        measure=_sql(server, f"{measure};"),
        revoke=_sql(server, _REVOKE.format(**names)),
        probe=server.command(
            *("psql", "-X", "-A", "-t", "-h", "127.0.0.1", "-U", login, "-d", database, "-c", "SELECT 1"),
            PGPASSWORD=(password,),
            PGCONNECT_TIMEOUT=("5",),
        ),
    )


def _sql(server: Server, text: str, **variables: Template) -> Command:
    # The text travels as a variable and enters psql on its standard input: nothing of it stands on a command line.
    return server.command("sh", "-c", f'printf "%s" "$SQL" | {_PSQL} -f -', timeout=30, SQL=(text,), **variables)
