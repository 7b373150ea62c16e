"""PostgreSQL, Redis and object storage as somebody else runs them: beside the project, used by others."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.docker.conftest import docker, eventually

POSTGRES, REDIS = "envmgr-recipes/postgres:17", "envmgr-recipes/redis:8.0"
MINIO = "envmgr-recipes/minio:RELEASE.2026-09-16T00-00-00Z"
MANAGER, GUEST = "Vq7@tz/0wXb9Rm-e", "Lw4@Tc/6nHd1Kg-u"
"""Passwords of whoever may create what an environment owns, and of whoever may only use what he was given."""

# The manager of a rented server is no superuser.
_ROLES = (
    f"CREATE ROLE manager LOGIN CREATEDB CREATEROLE PASSWORD '{MANAGER}'",
    f"CREATE ROLE guest LOGIN PASSWORD '{GUEST}'",
    "CREATE DATABASE guests OWNER guest",
)
_OTHERS = "CREATE TABLE others (said text); INSERT INTO others VALUES ('ours'); ALTER TABLE others OWNER TO guest"
_USERS = f"""\
user default off
user manager on >{MANAGER} ~* &* +@all
user guest on >{GUEST} ~guest* &guest* +@all -@admin -@dangerous
"""
_STATEMENT = {
    "Effect": "Allow",
    "Action": ["s3:ListBucket", "s3:GetObject", "s3:PutObject"],
    "Resource": ["arn:aws:s3:::guests", "arn:aws:s3:::guests/*"],
}
_POLICY = json.dumps({"Version": "2012-10-17", "Statement": [_STATEMENT]})
_START_REDIS = 'printf "%s" "$USERS" >/tmp/redis.conf && exec redis-server /tmp/redis.conf'
_PORTS = {"postgres": 5432, "redis": 6379, "minio": 9000}
_SCHEMES = {"postgres": "postgresql", "redis": "redis", "minio": "http"}


@dataclass(frozen=True)
class Managed:
    """Three servers on a network of their own, published where every container of the host finds them."""

    name: str
    host: str

    def url(self, server: str, login: str, path: str = "") -> str:
        """Return what an operator writes into the spec."""
        published = docker("port", f"{self.name}-{server}", f"{_PORTS[server]}/tcp").rpartition(":")[2]
        return f"{_SCHEMES[server]}://{login}@{self.host}:{published}{path}"

    def inside(self, server: str, *argv: str) -> str:
        """Run a program in a server's container."""
        return docker("exec", f"{self.name}-{server}", *argv)

    def sql(self, text: str, database: str = "postgres") -> str:
        """Ask PostgreSQL as its superuser."""
        argv = ("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", database)
        return self.inside("postgres", *argv, "-c", text)

    def redis(self, *argv: str) -> str:
        """Ask Redis as its manager."""
        return self.inside("redis", "redis-cli", "--no-auth-warning", "--user", "manager", "--pass", MANAGER, *argv)

    def owned(self, prefix: str) -> list[str]:
        """Return what stands under an environment's prefix."""
        databases = self.sql(f"SELECT datname FROM pg_database WHERE starts_with(datname, '{prefix}')").split()
        roles = self.sql(f"SELECT rolname FROM pg_roles WHERE starts_with(rolname, '{prefix}')").split()
        users = [user for user in self.redis("ACL", "USERS").split() if user.startswith(prefix)]
        return sorted((*databases, *roles, *users, *self.redis("--scan", "--pattern", f"{prefix}*").split()))

    def others(self) -> tuple[str, str]:
        """Return what belongs to others."""
        return self.sql("SELECT said FROM others", "guests"), self.redis("GET", "guest")

    def start(self, server: str, image: str, *options: str, script: str = "") -> None:
        """Start one of the servers."""
        published = ("--network", self.name, "-p", f"{self.host}::{_PORTS[server]}", "--memory", "256m")
        command = ("sh", "-c", script) if script else ()
        docker("run", "-d", "--name", f"{self.name}-{server}", *published, *options, image, *command)

    def answers(self, server: str, *argv: str) -> None:
        """Wait until a program in a server's container succeeds."""

        def is_up() -> bool:
            try:
                self.inside(server, *argv)
            except AssertionError:
                return False
            return True

        eventually(is_up, f"{server} answers", 60)


@contextmanager
def managed_servers() -> Iterator[Managed]:
    """Start the servers with something of others in them; remove them however it ends."""
    bridge = json.loads(docker("network", "inspect", "bridge"))[0]
    one = Managed(f"managed{random.randrange(16**6):06x}", bridge["IPAM"]["Config"][0]["Gateway"])
    try:
        docker("network", "create", one.name)
        one.start("postgres", POSTGRES, "-e", "POSTGRES_PASSWORD=root-p@ss/1")
        one.start("redis", REDIS, "-e", f"USERS={_USERS}", script=_START_REDIS)
        one.start("minio", MINIO, "-e", "MINIO_ROOT_USER=manager", "-e", f"MINIO_ROOT_PASSWORD={MANAGER}")
        _furnish(one)
        yield one
    finally:
        docker("rm", "-f", "-v", *(f"{one.name}-{server}" for server in _PORTS), check=False)
        docker("network", "rm", one.name, check=False)


def _furnish(one: Managed) -> None:
    one.answers("postgres", "pg_isready", "-q", "-h", "127.0.0.1", "-U", "postgres")
    for statement in _ROLES:
        one.sql(statement)
    one.sql(_OTHERS, "guests")
    one.answers("redis", "redis-cli", "PING")
    one.redis("SET", "guest", "ours")
    one.answers("minio", "curl", "-sf", "http://127.0.0.1:9000/minio/health/ready")
    login = 'mc alias set s http://127.0.0.1:9000 manager "$MINIO_ROOT_PASSWORD"'
    one.inside("minio", "sh", "-c", f"{login} && mc mb s/guests && mc admin user add s guest {GUEST}")
    one.inside("minio", "sh", "-c", f"printf %s '{_POLICY}' | mc admin policy create s guest /dev/stdin")
    one.inside("minio", "mc", "admin", "policy", "attach", "s", "guest", "--user", "guest")
