"""PostgreSQL: one server for all environments; each owns a database, an owner role and a login."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Annotated, Literal
from urllib.parse import quote

from pydantic import AfterValidator, Field

from envmgr import naming
from envmgr.catalog import postgres_attempts, postgres_doors
from envmgr.catalog.kind import (
    LEFT,
    Binding,
    Client,
    Defaults,
    Draft,
    Server,
    credential,
    entering,
    from_network,
    given,
)
from envmgr.errors import Problem
from envmgr.model.needed import Needed, Origin
from envmgr.model.proof import Trial
from envmgr.model.secret import SecretRef, Template
from envmgr.model.stack import Command, CommandProbe, Grant, Healthcheck, Image, Resources, SecretMount, Tmpfs
from envmgr.spec.values import Strict, VariableName

_MEGABYTE = 1024**2
_UID = "999:999"

# Peer over the socket lets envmgr provision without any password; SCRAM over TCP, loopback included, is what makes a
# probe on 127.0.0.1 prove the password.
_INITDB = "--auth-local=peer --auth-host=scram-sha-256 --data-checksums"

_PSQL = "psql -X -q -A -t -v ON_ERROR_STOP=1"

# The password stands in a statement, which must not reach the server's log; only a superuser may see to that, and the
# administrator of a managed server seldom is one.
_QUIET = """\
SELECT set_config(name, value, false)
 FROM (VALUES ('log_statement', 'none'), ('log_min_error_statement', 'panic')) AS quiet (name, value)
 WHERE (SELECT rolsuper FROM pg_roles WHERE rolname = current_user);
"""

_ROLES = """\
\\getenv login APP_LOGIN
\\getenv password APP_PASSWORD
SELECT 'CREATE ROLE {owner} NOLOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{owner}') \\gexec
SELECT format('CREATE ROLE %I LOGIN', :'login')
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'login') \\gexec
ALTER ROLE :"login" LOGIN PASSWORD :'password' CONNECTION LIMIT {connections};
GRANT {owner} TO :"login";
ALTER ROLE :"login" SET role TO '{owner}';
"""

_PLAIN = """\
\\getenv administrator ADMIN_PASSWORD
ALTER ROLE CURRENT_USER PASSWORD :'administrator';
ALTER ROLE {owner} NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
ALTER ROLE :"login" NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
"""

# Who is no superuser gives a database only to a role that he is a member of.
_MEMBERSHIP = """\
GRANT {owner}, :"login" TO CURRENT_USER;
"""

_DATABASE = """\
SELECT 'CREATE DATABASE {database} OWNER {owner}'
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{database}') \\gexec
ALTER DATABASE {database} OWNER TO {owner};
REVOKE ALL ON DATABASE {database} FROM PUBLIC;
"""

_REVOKE = """\
DROP DATABASE IF EXISTS {database} WITH (FORCE);
DROP ROLE IF EXISTS {logins};
DROP ROLE IF EXISTS {owner};
"""

# Sessions outlive the right to begin one. What a login had made outside its owner's name stays with the owner.
_RETIRE = """\
\\getenv login APP_LOGIN
SELECT format('ALTER ROLE %I NOLOGIN', rolname) FROM pg_roles WHERE rolname = :'login' \\gexec
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = :'login';
\\connect {database}
SELECT format('REASSIGN OWNED BY %I TO {owner}; DROP OWNED BY %I', rolname, rolname)
  FROM pg_roles WHERE rolname = :'login' \\gexec
DROP ROLE IF EXISTS :"login";
"""

_OURS = {
    *("config_file", "data_directory", "hba_file", "ident_file", "listen_addresses", "max_connections", "port"),
    *("password_encryption", "unix_socket_directories"),
}
"""Settings without which envmgr would not find the server, or which are keys of their own."""


def _setting(name: str) -> str:
    if name in _OURS:
        raise ValueError("expected another setting: envmgr sets this one")
    return name


Extension = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
SettingName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.]{0,62}$"), AfterValidator(_setting)]
SettingValue = bool | int | float | Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]*$")]


class Options(Strict):
    """What `kind = "postgres"` adds to a table."""

    version: Literal["15", "16", "17", "18"] = "17"
    """Major version of the official image."""
    database: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")] | None = None
    """Behind each environment's prefix; the project's name when left out."""
    url_scheme: Annotated[str, Field(pattern=r"^[a-z][a-z0-9+]*$")] = "postgresql"
    """What the application's URL begins with; it names the driver: `postgresql+asyncpg`."""
    url_variable: VariableName = "DATABASE_URL"
    """Name under which services get their URL; another one for a second server."""
    max_connections: Annotated[int, Field(ge=10, le=10_000)] = 100
    """Of the whole server."""
    connections_per_environment: Annotated[int, Field(ge=1, le=10_000)] = 25
    """What the login of one environment may open."""
    extensions: tuple[Extension, ...] = ()
    """Made by the administrator in each environment's database; the image has to contain them."""
    settings: dict[SettingName, SettingValue] = Field(default_factory=dict)
    """Further settings of the server, over those that follow from its memory."""
    sslmode: Literal["disable", "prefer", "require"] = "require"
    """Of the way to an external server."""


class Postgres:
    """The kind `postgres`."""

    name = "postgres"
    Options = Options
    schemes = ("postgresql", "postgres")
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
                server.command("sh", "-c", f'{_PSQL} -U postgres -d postgres -c "SELECT 1"'),
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
        address = server.address
        password = SecretRef(server.password, client.environment)
        if address and not server.is_provisioned:
            needed = Needed(password.name, password.scope, True, Origin.OPERATOR, place=f"infra.{server.name}")
            bound = _binding(server, client, _url(server, (quote(address.login, safe=""),), address.path), (needed,))
            title = f"PostgreSQL database {address.path} as {address.login}"
            return replace(
                bound, grants=(given(server, title, _probe(server, (address.login,), address.path, password)),)
            )
        names = _names(server, client)
        login = SecretRef(server.login, client.environment, "url")
        bound = _binding(
            server,
            client,
            _url(server, (login,), names["database"]),
            entering(server, client.environment, _logins(client)),
        )
        admin = Needed(server.admin_password, server.target, True, Origin.OPERATOR, place=f"infra.{server.name}")
        return replace(
            bound,
            grants=(_grant(server, client, names),),
            needed=(*bound.needed, *((admin,) if address else ())),
        )

    def attempts(self, server: Server, client: Client, others: tuple[Client, ...], /) -> Trial:
        """Return how another's database, roles and the server itself would be reached."""
        own = _names(server, client)
        found = [
            one for other in others for one in postgres_attempts.against(other.environment, own, _names(server, other))
        ]
        return Trial(
            client.environment,
            server.name,
            f"PostgreSQL {server.name}",
            (*found, *postgres_attempts.administration(own)),
            prelude=postgres_attempts.PRELUDE,
            variables={
                "PGHOST": (server.host,),
                "PGUSER": (SecretRef(server.login, client.environment),),
                "PGPASSWORD": (SecretRef(server.password, client.environment),),
                "PGCONNECT_TIMEOUT": ("4",),
            },
            shared=("the server's CPU, memory and disk", "the names of all databases and roles, not their content"),
        )

    def sweep(self, server: Server, prefixes: tuple[str, ...], /) -> Command:
        """Return what takes the login of environments that are gone, and ends their sessions."""
        return _sql(server, postgres_doors.SWEEP.format(prefixes=",".join(prefixes), left=LEFT))

    def refuse(self, server: Server, _users: Mapping[str, str], /) -> Iterable[Problem]:
        """Yield what the address of a managed server lacks."""
        address = server.address
        if address and not address.login:
            yield Problem(
                "names no login", "url", hint='write it before the host: "postgresql://app@db.example.com/chat"'
            )
        if address and not address.path and not server.is_provisioned:
            yield Problem("names no database", "url", hint='write it last: "postgresql://app@db.example.com/chat"')


def _command(options: Options, resources: Resources) -> tuple[str, ...]:
    settings = _tuned(resources.memory // _MEGABYTE, options.max_connections) | {
        "max_connections": str(options.max_connections),
        "log_min_duration_statement": "1s",
        **{name: _written(value) for name, value in options.settings.items()},
    }
    return ("postgres", *(part for key, value in settings.items() for part in ("-c", f"{key}={value}")))


def _tuned(megabytes: int, connections: int) -> dict[str, str]:
    """Return what follows from the memory limit, by PostgreSQL's documentation, "Resource Consumption" and "WAL"."""
    # A quarter and three quarters of the memory are its own rules of thumb.
    shared = max(16, megabytes // 4)
    # Each connection may sort more than once at a time, so all of them together stay within what is left.
    work = min(64, max(1, (megabytes - shared) // (3 * connections)))
    # Up to three autovacuum workers take it at the same time.
    maintenance = min(1024, max(16, megabytes // 16))
    # A larger cache asks for checkpoints further apart; the smallest is the default.
    wal = max(1024, 4 * shared)
    return {
        "shared_buffers": f"{shared}MB",
        "effective_cache_size": f"{max(32, megabytes * 3 // 4)}MB",
        "work_mem": f"{work}MB",
        "maintenance_work_mem": f"{maintenance}MB",
        "max_wal_size": f"{wal}MB",
        "min_wal_size": f"{wal // 4}MB",
    }


def _written(value: bool | int | float | str) -> str:
    return ("on" if value else "off") if isinstance(value, bool) else str(value)


def _data_folder(version: str) -> str:
    # The official image keeps data one level higher from 18 on (docker-library/postgres PR 1259).
    return "/var/lib/postgresql" if int(version) >= 18 else "/var/lib/postgresql/data"


def _binding(
    server: Server, client: Client, before_and_after: tuple[Template, str], needed: tuple[Needed, ...]
) -> Binding:
    before, after = before_and_after
    options: Options = server.options
    url = (*before, SecretRef(server.password, client.environment, "url"), after)
    return Binding(secrets=(SecretMount(options.url_variable, url),), needed=needed)


def _url(server: Server, login: Template, database: str) -> tuple[Template, str]:
    """Return what stands before and after the password; `login` is encoded for a URL."""
    scheme = server.options.url_scheme
    port = server.address.port if server.address else None
    # asyncpg's name for it differs from libpq's.
    key = "ssl" if scheme.endswith("asyncpg") else "sslmode"
    query = f"?{key}={server.options.sslmode}" if server.address else ""
    return (f"{scheme}://", *login, ":"), f"@{server.host}:{port or 5432}/{quote(database, safe='')}{query}"


def _logins(client: Client) -> tuple[str, str]:
    return f"{client.prefix}app_1", f"{client.prefix}app_2"


def _names(server: Server, client: Client) -> dict[str, str]:
    options: Options = server.options
    return {
        "database": client.prefix + (options.database or naming.sql_name(server.project)),
        "owner": f"{client.prefix}owner",
        "login": _logins(client)[0],
        "logins": ", ".join(_logins(client)),
        "prefix": client.prefix,
        "connections": str(options.connections_per_environment),
    }


def _ensure(server: Server, names: dict[str, str]) -> str:
    extensions = "".join(f'CREATE EXTENSION IF NOT EXISTS "{name}";\n' for name in server.options.extensions)
    if server.address is None:
        parts: tuple[str, ...] = (
            _QUIET,
            postgres_doors.ROLES,
            _ROLES,
            _PLAIN,
            _DATABASE,
            postgres_doors.GUARD,
            postgres_doors.INSIDE,
        )
    else:
        # What a managed server holds beside us is not ours to close.
        parts = (_QUIET, _ROLES, _MEMBERSHIP, _DATABASE, "\\connect {database}\n" if extensions else "")
    named = {**names, "environments": postgres_doors.ENVIRONMENTS}
    return "".join(part.format(**named) for part in parts) + extensions


def _grant(server: Server, client: Client, names: dict[str, str]) -> Grant:
    database, environment = names["database"], client.environment
    login, password = (SecretRef(server.login, environment),), SecretRef(server.password, environment)
    probe = _probe(server, login, database, password)
    administrator = {} if server.address else {"ADMIN_PASSWORD": (SecretRef(server.admin_password, server.target),)}
    measure = f"SELECT pg_size_pretty(pg_database_size(oid)) FROM pg_database WHERE datname = '{database}'"  # noqa: S608
    return Grant(
        server=server.name,
        title=f"PostgreSQL database {database}",
        exists=_sql(server, f"SELECT 'yes' FROM pg_database WHERE datname = '{database}';"),  # noqa: S608
        ensure=_sql(server, _ensure(server, names), APP_LOGIN=login, APP_PASSWORD=(password,), **administrator),
        measure=_sql(server, f"{measure};"),
        revoke=_sql(server, _REVOKE.format(**names)),
        probe=probe,
        credential=credential(
            server,
            environment,
            _logins(client),
            from_network(server, probe, PGHOST=(server.host,)),
            _sql(server, _RETIRE.format(**names), APP_LOGIN=login),
        ),
    )


def _probe(server: Server, login: Template, database: str, password: SecretRef) -> Command:
    return server.command(
        *("psql", "-X", "-A", "-t", "-d", database, "-c", "SELECT 1"),
        PGPASSWORD=(password,),
        PGUSER=login,
        PGHOST=(server.host if server.address else "127.0.0.1",),
        timeout=10,
        PGCONNECT_TIMEOUT=("5",),
        **_way(server),
    )


def _way(server: Server) -> dict[str, Template]:
    """Return the variables that lead libpq to a managed server; ours is in the same container."""
    address = server.address
    if address is None:
        return {}
    return {"PGPORT": (str(address.port or 5432),), "PGSSLMODE": (server.options.sslmode,)}


def _as_admin(server: Server) -> dict[str, Template]:
    address = server.address
    if address is None:
        return {"PGUSER": ("postgres",), "PGDATABASE": ("postgres",)}
    return {
        **_way(server),
        "PGHOST": (address.host,),
        "PGUSER": (address.login,),
        "PGDATABASE": (address.path or "postgres",),
        "PGPASSWORD": (SecretRef(server.admin_password, server.target),),
        "PGCONNECT_TIMEOUT": ("5",),
    }


def _sql(server: Server, text: str, **variables: Template) -> Command:
    # The text travels as a variable and enters psql on its standard input: nothing of it stands on a command line.
    script = f'printf "%s" "$SQL" | {_PSQL} -f -'
    return server.command("sh", "-c", script, timeout=30, SQL=(text,), **_as_admin(server), **variables)
