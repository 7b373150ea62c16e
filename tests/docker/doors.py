"""Doors between two environments: how each is opened on a real engine, and exactly what `prove` has to report then."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.docker.conftest import Sandbox, docker

Row = tuple[str, str, str, str]
"""(from, to, where, attempt)."""


@dataclass
class Lab:
    """Two environments on shared servers, and what an administrator can do to them."""

    sandbox: Sandbox

    def inside(self, server: str, *argv: str, **variables: str) -> str:
        """Run a program in a server's container."""
        given = [part for name, value in variables.items() for part in ("-e", f"{name}={value}")]
        return docker("exec", *given, f"{self.sandbox.name}-infra-{server}-1", *argv)

    def value(self, target: str, name: str) -> str:
        """Return a value from an environment's file."""
        found = re.search(rf"^{name}=(.+)$", (self.sandbox.folder / f".env.{target}").read_text(), re.MULTILINE)
        assert found, name
        return found[1].strip("'\"")

    def set_value(self, target: str, old: str, new: str) -> None:
        """Put a value in the place of another in an environment's file."""
        file = self.sandbox.folder / f".env.{target}"
        file.write_text(file.read_text().replace(old, new))

    def sql(self, text: str, database: str = "postgres") -> None:
        """Say something to PostgreSQL as its administrator."""
        self.inside("postgres", "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", database, "-c", text)

    def acl(self, login: str, *rules: str) -> None:
        """Give a Redis user more rights."""
        password = self.value("infra", "REDIS_ADMIN_PASSWORD")
        said = self.inside("redis", "redis-cli", "ACL", "SETUSER", login, *rules, REDISCLI_AUTH=password)
        assert said == "OK", said

    def policy(self, *resources: str) -> None:
        """Let the key of dev reach these buckets."""
        password = self.value("infra", "MINIO_ADMIN_PASSWORD")
        statement = {"Effect": "Allow", "Action": ["s3:*"], "Resource": [f"arn:aws:s3:::{one}" for one in resources]}
        text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        script = f"printf '%s' '{text}' | mc admin policy create store dev-app /dev/stdin"
        address = f"http://admin:{password}@127.0.0.1:9000"
        self.inside("minio", "sh", "-c", script, MC_HOST_store=address, MC_CONFIG_DIR="/tmp/.mc")

    def token(self) -> None:
        """Put a key for everything in the place of dev's own."""
        key = self.value("infra", "QDRANT_ADMIN_PASSWORD").encode()

        def encoded(data: bytes) -> str:
            return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

        parts = (b'{"alg":"HS256","typ":"JWT"}', b'{"access":"m"}')
        text = ".".join(encoded(part) for part in parts)
        signature = hmac.digest(key, text.encode(), hashlib.sha256)
        path = self.sandbox.folder / ".envmgr/dev/secrets/web/QDRANT_API_KEY"
        path.chmod(0o600)
        path.write_text(f"{text}.{encoded(signature)}")
        path.chmod(0o400)

    @property
    def database(self) -> str:
        """Name of prod's database."""
        return f"prod_{self.sandbox.name}"

    def prove(self, *environments: str) -> dict:
        """Return what `envmgr prove` reports, and hold its exit code against that."""
        result = self.sandbox.run("prove", *environments, "--json")
        assert result.code == (9 if result.json.get("crossings") else 0), result.out + result.err
        return result.json

    def crossings(self) -> set[Row]:
        """Return what crosses now."""
        return crossings(self.prove())


def crossings(proof: dict) -> set[Row]:
    """Return the rows of a proof that are open."""
    found = (one for one in proof["findings"] if one["outcome"] in ("open", "exposed"))
    return {(one["environment"], one["other"], one["area"], one["what"]) for one in found}


@dataclass(frozen=True)
class Door:
    """One door, opened by hand."""

    name: str
    open: Callable[[Lab], None]
    rows: frozenset[Row]


def _door(name: str, area: str, whats: str, action: Callable[[Lab], None], other: str = "prod", also: str = "") -> Door:
    origins = ("dev", *also.split())
    rows = frozenset((origin, other, area, what.strip()) for origin in origins for what in whats.split(","))
    return Door(name, action, rows)


_TABLES = "read tables, change tables"
_KEYS = "read keys, write keys, delete keys, read keys by a script"
SERVERS = (
    _door(
        "GRANT CONNECT",
        "postgres",
        "connect",
        lambda lab: lab.sql(f"GRANT CONNECT ON DATABASE {lab.database} TO dev_owner"),
    ),
    _door(
        "ADMIN OPTION",
        "postgres",
        "grant itself its role",
        lambda lab: lab.sql("GRANT prod_owner TO dev_app_1 WITH ADMIN TRUE, INHERIT FALSE, SET FALSE"),
    ),
    _door("CREATEDB", "postgres", "make a database", lambda lab: lab.sql("ALTER ROLE dev_app_1 CREATEDB"), "infra"),
    _door("CREATEROLE", "postgres", "make a role", lambda lab: lab.sql("ALTER ROLE dev_app_1 CREATEROLE"), "infra"),
    _door(
        "server programs",
        "postgres",
        "run a program on the server",
        lambda lab: lab.sql("GRANT pg_execute_server_program TO dev_app_1"),
        "infra",
    ),
    _door(
        "PUBLIC on the administrator's database",
        "postgres",
        "connect to the administrator's database",
        lambda lab: lab.sql("GRANT CONNECT ON DATABASE postgres TO PUBLIC"),
        "infra",
        also="prod",
    ),
    _door("~*", "redis", _KEYS, lambda lab: lab.acl("dev_app", "~*")),
    _door("allchannels", "redis", "publish, subscribe", lambda lab: lab.acl("dev_app", "allchannels")),
    _door("+config", "redis", "read the configuration", lambda lab: lab.acl("dev_app", "+config"), "infra"),
    _door("+scan", "redis", "list all keys", lambda lab: lab.acl("dev_app", "+scan"), "infra"),
    _door(
        "a policy for another's bucket",
        "minio",
        "list objects, read objects, write objects, see buckets",
        lambda lab: lab.policy("dev-*", "dev-*/*", "prod-*", "prod-*/*"),
    ),
    _door(
        "a token without limits",
        "qdrant",
        "see a collection, read points, delete points, list collections",
        lambda lab: lab.token(),
    ),
)
"""No two of them show in the same row, so that all can be open at once."""

ROLES = (
    _door(
        "membership",
        "postgres",
        f"connect, {_TABLES}, make tables, take its role",
        lambda lab: lab.sql("GRANT prod_owner TO dev_app_1"),
    ),
    _door(
        "membership without inheritance",
        "postgres",
        "take its role",
        lambda lab: lab.sql("GRANT prod_owner TO dev_app_1 WITH INHERIT FALSE, SET TRUE"),
    ),
    _door(
        "SUPERUSER",
        "postgres",
        f"connect, {_TABLES}, make tables, take its role, grant itself its role, set its password",
        lambda lab: lab.sql("ALTER ROLE dev_app_1 SUPERUSER"),
    ),
    _door(
        "a table for another",
        "postgres",
        "connect, read tables",
        lambda lab: [
            lab.sql(f"GRANT CONNECT ON DATABASE {lab.database} TO dev_app_1"),
            lab.sql("GRANT USAGE ON SCHEMA public TO dev_app_1; GRANT SELECT ON messages TO dev_app_1", lab.database),
        ],
    ),
    _door(
        "a default password",
        "postgres",
        "enter with a default password",
        lambda lab: lab.sql("ALTER ROLE postgres PASSWORD 'postgres'"),
        "infra",
        also="prod",
    ),
    _door(
        "nopass",
        "redis",
        "enter without a password, enter with a default password",
        lambda lab: lab.acl("default", "nopass"),
        "infra",
        also="prod",
    ),
    _door(
        "the healthcheck's user",
        "redis",
        "read as the healthcheck",
        lambda lab: lab.acl("health", "+get", "~*"),
        "infra",
        also="prod",
    ),
    _door("+keys", "redis", "list all keys with KEYS", lambda lab: lab.acl("dev_app", "+keys"), "infra"),
    _door("+acl", "redis", "list the users", lambda lab: lab.acl("dev_app", "+acl"), "infra"),
    _door("+client", "redis", "see other clients", lambda lab: lab.acl("dev_app", "+client"), "infra"),
    _door("+pubsub", "redis", "list the channels", lambda lab: lab.acl("dev_app", "+pubsub"), "infra"),
    _door("%R~*", "redis", "read keys, read keys by a script", lambda lab: lab.acl("dev_app", "%R~prod_*")),
    _door("another's channel", "redis", "publish, subscribe", lambda lab: lab.acl("dev_app", "&prod_*")),
    _door(
        "a policy for one bucket of another",
        "minio",
        "list objects, read objects, write objects, see buckets",
        lambda lab: lab.policy("dev-*", "dev-*/*", "prod-uploads", "prod-uploads/*"),
    ),
)
"""Doors that share rows with one of the above."""


@contextmanager
def listener(address: str = "0.0.0.0") -> Iterator[int]:
    """Listen on the host as somebody's program does; give the port."""
    with socket.socket() as one:
        one.bind((address, 0))
        one.listen(64)
        yield int(one.getsockname()[1])
