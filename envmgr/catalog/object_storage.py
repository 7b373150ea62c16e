"""What all object stores share: buckets of an environment, its access key, and how its services are told."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Annotated

from pydantic import Field

from envmgr import naming
from envmgr.catalog import object_storage_attempts
from envmgr.catalog.kind import Binding, Client, Server, entering
from envmgr.errors import Problem
from envmgr.model.needed import Needed, Origin
from envmgr.model.proof import Trial
from envmgr.model.secret import SecretRef
from envmgr.model.stack import SecretMount
from envmgr.spec.values import Strict

ADMIN = "admin"
"""The administrator's access key in the stores that envmgr starts."""

BucketName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$", max_length=40)]
ExistingName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]

_ACTIONS = (
    *("s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"),
    *("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"),
    *("s3:GetObjectTagging", "s3:PutObjectTagging", "s3:DeleteObjectTagging"),
)


class BucketOptions(Strict):
    """What every object store adds to a table."""

    buckets: Annotated[tuple[BucketName, ...], Field(min_length=1)]
    """What each environment owns: `uploads` becomes `dev-uploads`."""
    bucket_names: dict[BucketName, ExistingName] = Field(default_factory=dict)
    """What a bucket is called on an external server that envmgr does not provision."""
    region: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,40}$")] = "us-east-1"
    """Part of every signature: what clients say must be what the server expects."""


def logins(client: Client) -> tuple[str, str]:
    """Return the two access keys between which an environment alternates."""
    return f"{client.dashed}app", f"{client.dashed}app-2"


def login(server: Server, client: Client) -> str | SecretRef:
    """Return an environment's access key."""
    address = server.address
    return address.login if address and not server.is_provisioned else SecretRef(server.login, client.environment)


def bucket_names(server: Server, client: Client) -> dict[str, str]:
    """Return an environment's buckets: name in the spec → name in the store."""
    options: BucketOptions = server.options
    known = {} if server.is_provisioned else options.bucket_names
    return {name: known.get(name, f"{client.dashed}{name}") for name in options.buckets}


def secret_key(server: Server, client: Client) -> SecretRef:
    """Return the secret that belongs to an environment's access key."""
    return SecretRef(server.password, client.environment)


def endpoint(server: Server, port: int) -> str:
    """Return the URL under which services reach the store."""
    address = server.address
    if address is None:
        return f"http://{server.host}:{port}"
    return f"{address.scheme}://{address.host}" + (f":{address.port}" if address.port else "")


def binding(server: Server, client: Client, port: int) -> Binding:
    """Return how an environment's services are told; what makes it true is the store's own."""
    names = bucket_names(server, client)
    place = f"infra.{server.name}"
    is_ours = server.is_provisioned
    needed = [Needed(server.password, client.environment, True, Origin.OPERATOR, place=place)]
    if is_ours:
        needed = [*entering(server, client.environment, logins(client))]
    if server.address and is_ours:
        needed.append(Needed(server.admin_password, server.target, True, Origin.OPERATOR, place=place))
    return Binding(
        variables={
            "S3_ENDPOINT_URL": endpoint(server, port),
            "S3_REGION": server.options.region,
            **bucket_variables(names),
        },
        secrets=key_pair(login(server, client), secret_key(server, client)),
        needed=tuple(needed),
    )


def key_pair(key_id: str | SecretRef, secret: SecretRef) -> tuple[SecretMount, ...]:
    """Return both halves of an access key as files: applications and linters take the id for a secret too."""
    return (SecretMount("S3_ACCESS_KEY_ID", (key_id,)), SecretMount("S3_SECRET_ACCESS_KEY", (secret,)))


def bucket_variables(names: Mapping[str, str]) -> dict[str, str]:
    """Return a variable for each bucket, and the short one where there is no choice."""
    short = {"S3_BUCKET": next(iter(names.values()))} if len(names) == 1 else {}
    return short | {f"S3_BUCKET_{naming.sql_name(name).upper()}": full for name, full in names.items()}


def refuse_sharing(server: Server, users: Mapping[str, str], why: str) -> Iterable[Problem]:
    """Yield that a store of the base cannot keep environments apart, and that this one cannot be provisioned."""
    if server.target == naming.INFRA and users:
        hint = 'write mode = "own": each environment gets its own'
        yield Problem(f"environments cannot share it: {why}", "mode", hint=hint)
    if server.address and server.is_provisioned:
        yield Problem(f"envmgr makes no keys in it: {why}", "provision", hint="make them there, and leave this out")


def refuse_address(server: Server) -> Iterable[Problem]:
    """Yield what the address of a managed store lacks."""
    if server.address and not server.address.login:
        yield Problem("names no access key", "url", hint='write its id before the host: "https://KEYID@s3.example.com"')
    for name in server.options.bucket_names:
        if name not in server.options.buckets:
            yield Problem(f'"{name}" is none of the buckets', f"bucket_names.{name}")


def policy(client: Client) -> str:
    """Return the policy of an environment's access key, in the language of AWS and MinIO: its own buckets' content."""
    resources = [f"arn:aws:s3:::{client.dashed}*", f"arn:aws:s3:::{client.dashed}*/*"]
    statement = {"Effect": "Allow", "Action": list(_ACTIONS), "Resource": resources}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, separators=(",", ":"))


def attempts(server: Server, client: Client, others: tuple[Client, ...], port: int, users_path: str) -> Trial:
    """Return how another's buckets, and the store itself, would be reached; its image has to have curl."""
    own = tuple(bucket_names(server, client).values())
    found = [
        one
        for other in others
        for one in object_storage_attempts.against(
            other.environment, own, tuple(bucket_names(server, other).values()), logins(other)
        )
    ]
    address = endpoint(server, port)
    return Trial(
        client.environment,
        server.name,
        f"object storage {server.name}",
        (*found, *object_storage_attempts.administration(users_path, own[0])),
        prelude=object_storage_attempts.prelude(address, server.options.region),
        variables={
            "LOGIN": (login(server, client),),
            "SECRET": (secret_key(server, client),),
            "ADDRESS": (address,),
        },
        files={"LOGIN": "S3_ACCESS_KEY_ID", "SECRET": "S3_SECRET_ACCESS_KEY"},
        shared=("the store's CPU, memory and disk",),
    )
