"""How one environment would reach another's part of a PostgreSQL server; no attempt leaves anything changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from envmgr.model.proof import Attempt

# `in_ DATABASE`, SQL on standard input. Without the role that the login takes by itself: what it was given by hand,
# it has as itself.
PRELUDE = """\
in_() { { echo 'SET ROLE NONE;'; cat; } | psql -X -q -A -t -v ON_ERROR_STOP=1 -d "$1" -f -; }
guess() { printf 'SELECT 1' | PGUSER=$1 PGPASSWORD=$2 psql -X -q -A -t -v ON_ERROR_STOP=1 -d "$3" -f -; }
"""
_CONNECTED = "in_ {database} <<'SQL'\nSELECT 1;\nSQL"
# One table that may be read is enough, and the server's own words are kept for when there is none.
_EVERY = """\
DO $every$
DECLARE one record; said text := 'there is no table'; code text := 'P0001';
BEGIN
  FOR one IN SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')
  LOOP
    BEGIN
      EXECUTE format('{statement}', one.schemaname, one.tablename);
      RETURN;
    EXCEPTION WHEN insufficient_privilege THEN said := SQLERRM; code := SQLSTATE;
    END;
  END LOOP;
  RAISE EXCEPTION '%', said USING ERRCODE = code;
END $every$;
"""
_READ = _EVERY.format(statement="SELECT FROM %I.%I LIMIT 1")
_CHANGE = _EVERY.format(statement="DELETE FROM %I.%I WHERE false")
_OWN_TABLE = "BEGIN; CREATE TABLE envmgr_prove (); {body} ROLLBACK;"

# Which of an environment's two logins is there, only the server knows.
_EXCHANGE = """\
BEGIN;
DO $login$
DECLARE login text;
BEGIN
  SELECT rolname INTO STRICT login FROM pg_roles WHERE rolname ~ '^{prefix}app_[0-9]+$' ORDER BY rolname LIMIT 1;
  EXECUTE format('ALTER ROLE %I PASSWORD %L', login, 'envmgr-prove');
END $login$;
ROLLBACK;"""

_NO_CONNECT = "permission denied for database"
_NO_ROLE = "permission denied to (set|grant) role|must have admin option on role"
_NO_ADMIN = "permission denied|must be superuser"
_NO_LOGIN = "password authentication failed|no password supplied"
DEFAULTS = ("postgres", "password", "admin", "change-me", "changeme", "secret")
"""Passwords that examples have, and that somebody leaves in place."""


Make = Callable[[str, str, str, str, str], Attempt]
"""(row, thing, script, control, refusal) → an attempt against one environment."""


def _sql(database: str, text: str) -> str:
    return f"in_ {database} <<'SQL'\n{text}\nSQL"


def against(other: str, own: dict[str, str], theirs: dict[str, str]) -> Iterable[Attempt]:
    """Yield what is tried against another environment; both are described by their names in the server."""
    database, mine = theirs["database"], own["database"]
    connected, denied = _CONNECTED.format(database=mine), f"{_NO_CONNECT}|permission denied for (table|schema)"

    def attempt(what: str, thing: str, script: str, control: str, refusal: str) -> Attempt:
        return Attempt(what, other, thing, script, control, refusal)

    yield attempt("connect", f"database {database}", _CONNECTED.format(database=database), connected, _NO_CONNECT)
    yield attempt(
        "read tables",
        f"tables of {database}",
        _sql(database, _READ),
        _sql(mine, _OWN_TABLE.format(body=_READ)),
        denied,
    )
    yield attempt(
        "change tables",
        f"tables of {database}",
        _sql(database, _CHANGE),
        _sql(mine, _OWN_TABLE.format(body=_CHANGE)),
        denied,
    )
    yield attempt(
        "make tables",
        f"database {database}",
        _sql(database, _OWN_TABLE.format(body="")),
        _sql(mine, _OWN_TABLE.format(body="")),
        denied,
    )
    yield from _roles(attempt, mine, own, theirs)


def _roles(attempt: Make, mine: str, own: dict[str, str], theirs: dict[str, str]) -> Iterable[Attempt]:
    owner, logins = theirs["owner"], theirs["logins"]
    yield attempt(
        "take its role",
        f"role {owner}",
        _sql(mine, f"SET ROLE {owner};"),
        _sql(mine, f"SET ROLE {own['owner']};"),
        _NO_ROLE,
    )
    yield attempt(
        "grant itself its role",
        f"role {owner}",
        _sql(mine, f"BEGIN; GRANT {owner} TO SESSION_USER; ROLLBACK;"),
        _sql(mine, _OWN_TABLE.format(body=f"GRANT SELECT ON envmgr_prove TO {owner};")),
        _NO_ROLE,
    )
    yield attempt(
        "set its password",
        f"login of {owner}",
        _sql(mine, _EXCHANGE.format(**theirs)),
        _sql(mine, _EXCHANGE.format(**own)),
        _NO_ADMIN,
    )
    yield attempt(
        "enter as it with the own password",
        f"login of {owner}",
        " || ".join(f'guess {login} "$PGPASSWORD" {theirs["database"]}' for login in logins.split(", ")),
        f'guess "$PGUSER" "$PGPASSWORD" {mine}',
        _NO_LOGIN,
    )


def administration(own: dict[str, str]) -> Iterable[Attempt]:
    """Yield what is tried against the server itself."""
    mine = own["database"]
    connected = _CONNECTED.format(database=mine)

    def attempt(what: str, thing: str, script: str, refusal: str, reached: str = "", closes: str = "") -> Attempt:
        return Attempt(what, "", thing, script, connected, refusal, reached, closes)

    for database in ("postgres", "template1"):
        script = _CONNECTED.format(database=database)
        yield attempt("connect to the administrator's database", f"database {database}", script, _NO_CONNECT)
    yield attempt(
        "make a role", "roles", _sql(mine, "BEGIN; CREATE ROLE envmgr_prove; ROLLBACK;"), "permission denied to create"
    )
    # Whoever may make one hears that the template is missing.
    yield attempt(
        "make a database",
        "databases",
        _sql(mine, "CREATE DATABASE envmgr_prove TEMPLATE envmgr_prove_of_nothing;"),
        "permission denied to create database",
        "does not exist",
    )
    yield attempt("become the administrator", "role postgres", _sql(mine, "SET ROLE postgres;"), _NO_ROLE)
    yield attempt(
        "read the server's files",
        "PG_VERSION",
        _sql(mine, "SELECT pg_read_file('PG_VERSION');"),
        _NO_ADMIN,
        closes=f"as the administrator, in {mine}: REVOKE EXECUTE ON FUNCTION pg_read_file(text) FROM {own['login']}",
    )
    yield attempt(
        "run a program on the server",
        "COPY TO PROGRAM",
        _sql(mine, "COPY (SELECT 1) TO PROGRAM 'cat >/dev/null';"),
        _NO_ADMIN,
    )
    guesses = " || ".join(f"guess postgres {word} postgres" for word in DEFAULTS)
    yield attempt("enter with a default password", "login postgres", guesses, _NO_LOGIN)
