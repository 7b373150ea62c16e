"""MinIO, by Silo, the fork that is still maintained: each environment owns buckets and an access key for them alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Annotated
from urllib.parse import quote

from pydantic import Field

from envmgr.catalog import object_storage
from envmgr.catalog.http import curl
from envmgr.catalog.kind import Binding, Client, Defaults, Draft, Metrics, Server, credential, from_network
from envmgr.catalog.object_storage import ADMIN, BucketOptions
from envmgr.errors import Problem
from envmgr.model.needed import Needed, Origin
from envmgr.model.proof import Trial
from envmgr.model.secret import SecretRef, Template
from envmgr.model.stack import Command, CommandProbe, Grant, Image, Resources, SecretMount

_MEGABYTE = 1024**2
_UID = "1000:1000"
_API, _CONSOLE = 9000, 9001

# The image has the client `mc`, a shell, and no grep: what is asked of an answer is asked with `case`.
_EXISTS = """\
users=$(mc admin user list --json store) || { printf '%s\\n' "$users"; exit 1; }
for one in $LOGINS; do
  case $users in *'"accessKey":"'"$one"'"'*|*'"accessKey": "'"$one"'"'*) echo yes; exit;; esac
done"""
# Key and secret enter mc on its standard input, so they stand on no command line.
_ENSURE = """\
set -e
for bucket in $BUCKETS; do mc mb --ignore-existing "store/$bucket"; done
printf '%s\\n%s\\n' "$LOGIN" "$SECRET" | mc admin user add store
printf '%s' "$POLICY" | mc admin policy create store "$LOGIN" /dev/stdin
said=$(mc admin policy attach store "$LOGIN" --user "$LOGIN" 2>&1) || case $said in
  *'already in effect'*) ;;
  *) printf '%s\\n' "$said"; exit 1;;
esac"""
# What it lists is `[date time zone] size name/`.
_OWNED = """\
set -e
listed=$(mc ls store)
owned=$(printf '%s\\n' "$listed" | while read -r _ _ _ _ name; do
  case $name in "$PREFIX"*/) printf '%s\\n' "${name%/}";; esac
done)
"""
_MEASURE = f"""{_OWNED}\
for bucket in $owned; do
  used=$(mc du "store/$bucket")
  total="${{total:+$total, }}$(echo $used)"
done
echo "${{total:-no bucket}}"
"""
_REVOKE = f"""{_OWNED}\
gone() {{
  said=$("$@" 2>&1) || case $said in *'does not exist'*) ;; *) printf '%s\\n' "$said"; return 1;; esac
}}
for bucket in $owned; do mc rb --force "store/$bucket"; done
for one in $LOGINS; do
  gone mc admin user remove store "$one"
  gone mc admin policy remove store "$one"
done
"""
_RETIRE = """\
set -e
gone() {
  said=$("$@" 2>&1) || case $said in *'does not exist'*) ;; *) printf '%s\\n' "$said"; return 1;; esac
}
gone mc admin user remove store "$LOGIN"
gone mc admin policy remove store "$LOGIN"
"""
_PROBE = """listed=$(mc ls store) && case $listed in *" $BUCKET/"*) ;; *) echo "$BUCKET is not listed"; exit 1;; esac"""


class Options(BucketOptions):
    """What `kind = "minio"` adds to a table."""

    version: Annotated[str, Field(pattern=r"^RELEASE\.[0-9TZ-]+$")] = "RELEASE.2026-09-16T00-00-00Z"
    """Of the image pgsty/silo."""


class Minio:
    """The kind `minio`."""

    name = "minio"
    Options = Options
    schemes = ("http", "https")
    defaults = Defaults(
        Resources(cpus=1.0, memory=512 * _MEGABYTE, pids=256, memory_reserved=128 * _MEGABYTE),
        start_seconds=60,
        stop_seconds=30,
    )

    def draft(self, server: Server) -> Draft:
        """Return the server with its console; the administrator's password comes from a file."""
        options: Options = server.options
        admin = server.admin_password
        return Draft(
            image=Image(server.image or f"pgsty/silo:{options.version}"),
            user=_UID,
            command=("server", "/data", "--address", f":{_API}", "--console-address", f":{_CONSOLE}"),
            healthcheck=curl(_API, "/minio/health/ready"),
            probe=CommandProbe(server.command("mc", "admin", "user", "list", "store", timeout=10, **_as_admin(server))),
            target_port=_API,
            more_ports={"console": _CONSOLE},
            variables={
                "MINIO_ROOT_USER": ADMIN,
                "MINIO_ROOT_PASSWORD_FILE": f"/run/secrets/{admin}",
                "MINIO_SITE_REGION": options.region,
                # They tell names and sizes of buckets, as PostgreSQL tells names of databases: nothing that is in them.
                "MINIO_PROMETHEUS_AUTH_TYPE": "public",
                # Go frees memory in time instead of being killed at the limit.
                "GOMEMLIMIT": f"{server.resources.memory // _MEGABYTE * 9 // 10}MiB",
                "HOME": "/tmp",  # noqa: S108 - a path inside the container
            },
            secrets=(SecretMount(admin, (SecretRef(admin, server.target),)),),
            volumes={"data": "/data"},
            needed=(Needed(admin, server.target, True, Origin.GENERATED, place=f"infra.{server.name}"),),
            login=f"{ADMIN}, {admin}",
            metrics=Metrics(_API, "/minio/v2/metrics/cluster"),
        )

    def bind(self, server: Server, client: Client) -> Binding:
        """Return the environment's own buckets and access key."""
        bound = object_storage.binding(server, client, _API)
        return replace(bound, grants=(_grant(server, client),)) if server.is_provisioned else bound

    def attempts(self, server: Server, client: Client, others: tuple[Client, ...], /) -> Trial:
        """Return how another's buckets, and the store itself, would be reached."""
        return object_storage.attempts(server, client, others, _API, "/minio/admin/v3/list-users")

    def refuse(self, server: Server, _users: Mapping[str, str], /) -> Iterable[Problem]:
        """Yield what the address of a managed store lacks."""
        yield from object_storage.refuse_address(server)


def _host(server: Server, login: str | SecretRef, secret: SecretRef, at: str = "127.0.0.1") -> dict[str, Template]:
    """Return what mc has to know: the alias `store`, and a place to write to."""
    address = server.address
    scheme, host, port = (address.scheme, address.host, address.port) if address else ("http", at, _API)
    where = f"@{host}:{port}" if port else f"@{host}"
    encoded = SecretRef(secret.name, secret.scope, "url")
    user = quote(login, safe="") if isinstance(login, str) else SecretRef(login.name, login.scope, "url")
    return {
        "MC_HOST_store": (f"{scheme}://", user, ":", encoded, where),
        "MC_CONFIG_DIR": ("/tmp/.mc",),  # noqa: S108 - a path inside the container
    }


def _as_admin(server: Server) -> dict[str, Template]:
    login = server.address.login if server.address else ADMIN
    return _host(server, login, SecretRef(server.admin_password, server.target))


def _grant(server: Server, client: Client) -> Grant:
    login, secret = object_storage.login(server, client), object_storage.secret_key(server, client)
    logins = object_storage.logins(client)
    buckets = tuple(object_storage.bucket_names(server, client).values())

    probe = server.command("sh", "-c", _PROBE, timeout=10, BUCKET=(buckets[0],), **_host(server, login, secret))

    def as_admin(script: str, **variables: Template) -> Command:
        given = {"LOGINS": (" ".join(logins),), "PREFIX": (client.dashed,), **_as_admin(server), **variables}
        return server.command("sh", "-c", script, timeout=30, **given)

    return Grant(
        server=server.name,
        title=f"object storage {client.dashed}*",
        exists=as_admin(_EXISTS),
        ensure=as_admin(
            _ENSURE,
            BUCKETS=(" ".join(buckets),),
            LOGIN=(login,),
            SECRET=(secret,),
            POLICY=(object_storage.policy(client),),
        ),
        measure=as_admin(_MEASURE),
        revoke=as_admin(_REVOKE),
        probe=probe,
        credential=credential(
            server,
            client.environment,
            logins,
            from_network(server, probe, **_host(server, login, secret, server.host)),
            as_admin(_RETIRE, LOGIN=(login,)),
        ),
    )
