"""postgres_exporter: PostgreSQL's statistics, read with a login that may read nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from envmgr import naming
from envmgr.catalog import http
from envmgr.catalog.exporters import DEFAULTS, NOBODY, Version, asked, unwatched, watched
from envmgr.catalog.kind import Binding, Client, Draft, Metrics, Server
from envmgr.errors import Problem
from envmgr.model.needed import Needed, Origin
from envmgr.model.secret import SecretRef, Template
from envmgr.model.stack import Command, Grant, Image, SecretMount
from envmgr.spec.values import Strict

_PORT = 9187
_PSQL = "psql -X -q -A -t -v ON_ERROR_STOP=1 -U postgres -d postgres"

# Environments take from everybody the right to connect to the database `postgres`, so it is given back here by name.
_ENSURE = """\
SET log_statement = 'none';
SET log_min_error_statement = 'panic';
\\getenv password MONITOR_PASSWORD
SELECT 'CREATE ROLE {login} LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{login}') \\gexec
ALTER ROLE {login} LOGIN PASSWORD :'password' CONNECTION LIMIT 5;
ALTER ROLE {login} SET statement_timeout = '10s';
GRANT pg_monitor TO {login};
GRANT CONNECT ON DATABASE postgres TO {login};
"""

_REVOKE = """\
SELECT 'DROP OWNED BY {login}' WHERE EXISTS (SELECT FROM pg_roles WHERE rolname = '{login}') \\gexec
DROP ROLE IF EXISTS {login};
"""


class Options(Strict):
    """What `kind = "postgres-exporter"` adds to a table; it watches the PostgreSQL that it uses."""

    version: Version = "v0.17.1"


class PostgresExporter:
    """The kind `postgres-exporter`."""

    name = "postgres-exporter"
    Options = Options
    defaults = DEFAULTS

    def draft(self, server: Server) -> Draft:
        """Return the exporter; it runs while PostgreSQL does not, and says so."""
        options: Options = server.options
        peer = watched(server, "postgres")
        password = SecretRef(server.password, server.target)
        return Draft(
            image=Image(server.image or f"prometheuscommunity/postgres-exporter:{options.version}"),
            user=NOBODY,
            command=(),
            # Asks PostgreSQL nothing. The image is made from Prometheus's busybox, whose wget this is.
            healthcheck=http.wget(_PORT, "/"),
            probe=asked(server, "/"),
            target_port=_PORT,
            metrics=Metrics(_PORT),
            variables={
                # It never leaves the network of the two, and the server of the base speaks no TLS.
                "DATA_SOURCE_URI": f"{peer.host}:5432/postgres?sslmode=disable",
                "DATA_SOURCE_USER": _login(server),
                "DATA_SOURCE_PASS_FILE": f"/run/secrets/{password.name}",
            },
            secrets=(SecretMount(password.name, (password,)),),
            needed=(Needed(password.name, password.scope, True, Origin.GENERATED, place=server.place),),
            grants=(_grant(peer, _login(server), password),),
        )

    def refuse(self, server: Server, _users: Mapping[str, str], /) -> Iterable[Problem]:
        """Yield what is wrong with the server that it watches."""
        return unwatched(server, "postgres")

    def bind(self, _server: Server, _client: Client) -> Binding:
        """Return nothing: an environment owns nothing in a monitor."""
        return Binding()


def _login(server: Server) -> str:
    # Two targets may each have one that watches the same server; PostgreSQL cuts longer names.
    return naming.sql_name(f"{server.target}-{server.name}")[:63]


def _grant(peer: Server, login: str, password: SecretRef) -> Grant:
    return Grant(
        server=peer.name,
        title=f"PostgreSQL login {login}",
        exists=_sql(peer, f"SELECT 'yes' FROM pg_roles WHERE rolname = '{login}';"),  # noqa: S608
        ensure=_sql(peer, _ENSURE.format(login=login), MONITOR_PASSWORD=(password,)),
        measure=_sql(peer, "SELECT 'a login without data';"),
        revoke=_sql(peer, _REVOKE.format(login=login)),
        probe=peer.command(
            *("psql", "-X", "-A", "-t", "-h", "127.0.0.1", "-U", login, "-d", "postgres", "-c", "SELECT 1"),
            PGPASSWORD=(password,),
            PGCONNECT_TIMEOUT=("5",),
        ),
    )


def _sql(peer: Server, text: str, **variables: Template) -> Command:
    # The text travels as a variable and enters psql on its standard input: nothing of it stands on a command line.
    return peer.command("sh", "-c", f'printf "%s" "$SQL" | {_PSQL} -f -', timeout=30, SQL=(text,), **variables)
