"""RustFS: object storage with MinIO's interface; each environment owns buckets and an access key for them alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Annotated

from pydantic import Field

from envmgr.catalog import object_storage
from envmgr.catalog.asking import asking
from envmgr.catalog.http import curl
from envmgr.catalog.kind import HERE, Binding, Client, Defaults, Draft, Server, credential, from_network
from envmgr.catalog.object_storage import ADMIN, BucketOptions
from envmgr.errors import Problem
from envmgr.model.needed import Needed, Origin
from envmgr.model.proof import Trial
from envmgr.model.secret import SecretRef, Template
from envmgr.model.stack import Command, CommandProbe, Grant, Image, Resources, SecretMount

_MEGABYTE = 1024**2
_UID = "10001:10001"
_API, _CONSOLE = 9000, 9001
_ADMIN_API = "/rustfs/admin/v3"

_EXISTS = f"""\
for one in $KEYS; do
  ask GET "{_ADMIN_API}/user-info?accessKey=$one" || exit 1
  case $status in 200) echo yes; exit;; 404) ;; *) printf '%s\\n' "$body"; exit 1;; esac
done
"""
_ENSURE = f"""\
for bucket in $BUCKETS; do
  ask PUT "/$bucket" || exit 1
  case $status:$body in 2??:*|409:*BucketAlreadyOwnedByYou*) ;; *) printf '%s\\n' "$body"; exit 1;; esac
done
must PUT "{_ADMIN_API}/add-canned-policy?name=$KEY" "$POLICY"
must PUT "{_ADMIN_API}/add-user?accessKey=$KEY" "$USER_BODY"
must PUT "{_ADMIN_API}/set-user-or-group-policy?isGroup=false&policyName=$KEY&userOrGroup=$KEY"
"""
_OWNED = """\
must GET /
owned=$(printf '%s' "$body" | grep -o "<Name>$PREFIX[^<]*</Name>" | sed 's/<[^>]*>//g')
"""
_MEASURE = f"""{_OWNED}echo "buckets:" ${{owned:-none}}
"""
# The last header is an extension of MinIO's that RustFS has too: it deletes a bucket with what is in it.
_REVOKE = f"""{_OWNED}\
for one in $KEYS; do
  gone DELETE "{_ADMIN_API}/remove-user?accessKey=$one"
  gone DELETE "{_ADMIN_API}/remove-canned-policy?name=$one"
done
for bucket in $owned; do gone DELETE "/$bucket"; done
"""
_RETIRE = f"""\
gone DELETE "{_ADMIN_API}/remove-user?accessKey=$KEY"
gone DELETE "{_ADMIN_API}/remove-canned-policy?name=$KEY"
"""
_PROBE = """must GET "/$BUCKET?list-type=2&max-keys=1"
"""


class Options(BucketOptions):
    """What `kind = "rustfs"` adds to a table."""

    version: Annotated[str, Field(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+(-[a-z]+\.[0-9]+)?$")] = "1.0.0"
    """Of the official image."""


class Rustfs:
    """The kind `rustfs`."""

    name = "rustfs"
    Options = Options
    schemes = ("http", "https")
    defaults = Defaults(
        Resources(cpus=1.0, memory=512 * _MEGABYTE, pids=256, memory_reserved=128 * _MEGABYTE),
        start_seconds=60,
        stop_seconds=30,
    )

    def draft(self, server: Server) -> Draft:
        """Return the server with its console; the administrator's secret comes from a file."""
        options: Options = server.options
        admin = SecretRef(server.admin_password, server.target)
        return Draft(
            image=Image(server.image or f"rustfs/rustfs:{options.version}"),
            user=_UID,
            command=(),
            healthcheck=curl(_API, "/health"),
            probe=CommandProbe(_as(server, ADMIN, admin, f'must GET "{_ADMIN_API}/list-users"\n')),
            target_port=_API,
            more_ports={"console": _CONSOLE},
            variables={
                "RUSTFS_ACCESS_KEY_FILE": "/run/secrets/RUSTFS_ACCESS_KEY",
                "RUSTFS_SECRET_KEY_FILE": f"/run/secrets/{admin.name}",
                "RUSTFS_ADDRESS": f":{_API}",
                "RUSTFS_CONSOLE_ENABLE": "true",
                "RUSTFS_CONSOLE_ADDRESS": f":{_CONSOLE}",
                "RUSTFS_REGION": options.region,
                # Empty: to the container's log instead of files.
                "RUSTFS_OBS_LOG_DIRECTORY": "",
            },
            secrets=(SecretMount("RUSTFS_ACCESS_KEY", (ADMIN,)), SecretMount(admin.name, (admin,))),
            volumes={"data": "/data"},
            needed=(Needed(admin.name, admin.scope, True, Origin.GENERATED, place=f"infra.{server.name}"),),
            login=f"{ADMIN}, {admin.name}",
        )

    def bind(self, server: Server, client: Client) -> Binding:
        """Return the environment's own buckets and access key."""
        bound = object_storage.binding(server, client, _API)
        return replace(bound, grants=(_grant(server, client),)) if server.is_provisioned else bound

    def attempts(self, server: Server, client: Client, others: tuple[Client, ...], /) -> Trial:
        """Return how another's buckets, and the store itself, would be reached."""
        return object_storage.attempts(server, client, others, _API, f"{_ADMIN_API}/list-users")

    def refuse(self, server: Server, _users: Mapping[str, str], /) -> Iterable[Problem]:
        """Yield what the address of a managed store lacks."""
        yield from object_storage.refuse_address(server)


def _script(server: Server, script: str, *flags: str) -> str:
    """Put what asks before a script; curl signs each request (AWS Signature Version 4)."""
    region = server.options.region
    address = object_storage.endpoint(server, _API) if server.address else f"http://{HERE}:{_API}"
    return asking(address, f"--aws-sigv4 aws:amz:{region}:s3", *flags) + script


def _as(server: Server, login: str | SecretRef, secret: SecretRef, script: str, **variables: Template) -> Command:
    given = {"LOGIN": (login,), "SECRET": (secret,), **variables}
    return server.command("sh", "-c", _script(server, script), timeout=30, **given)


def _grant(server: Server, client: Client) -> Grant:
    key, secret = object_storage.login(server, client), object_storage.secret_key(server, client)
    buckets = tuple(object_storage.bucket_names(server, client).values())
    admin = server.address.login if server.address else ADMIN
    admin_secret = SecretRef(server.admin_password, server.target)
    body = ('{"secretKey":"', SecretRef(secret.name, secret.scope, "json"), '","status":"enabled"}')
    logins = object_storage.logins(client)
    named: dict[str, Template] = {"KEYS": (" ".join(logins),), "PREFIX": (client.dashed,)}

    def as_admin(script: str, **variables: Template) -> Command:
        return _as(server, admin, admin_secret, script, **named, **variables)

    probe = _as(server, key, secret, _PROBE, BUCKET=(buckets[0],))
    revoke = _script(server, _REVOKE, "-H 'x-minio-force-delete: true'")
    return Grant(
        server=server.name,
        title=f"object storage {client.dashed}*",
        exists=as_admin(_EXISTS),
        ensure=as_admin(
            _ENSURE,
            BUCKETS=(" ".join(buckets),),
            KEY=(key,),
            POLICY=(object_storage.policy(client),),
            USER_BODY=body,
        ),
        measure=as_admin(_MEASURE),
        revoke=server.command("sh", "-c", revoke, timeout=30, LOGIN=(admin,), SECRET=(admin_secret,), **named),
        probe=probe,
        credential=credential(
            server, client.environment, logins, from_network(server, probe), as_admin(_RETIRE, KEY=(key,))
        ),
    )
