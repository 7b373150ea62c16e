"""Garage: one environment's own object storage, with one bucket."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field

from envmgr import naming
from envmgr.catalog import object_storage
from envmgr.catalog.kind import Binding, Client, Defaults, Draft, Server
from envmgr.catalog.object_storage import BucketOptions
from envmgr.errors import Problem
from envmgr.model.needed import Needed, Origin
from envmgr.model.secret import SecretRef
from envmgr.model.stack import CommandProbe, ConfigMount, Healthcheck, Image, Resources, SecretMount
from envmgr.spec.values import Strict

_MEGABYTE = 1024**2
_UID = "1000:1000"
_S3 = 3900
_STATUS = ("/garage", "status")


class Options(BucketOptions):
    """What `kind = "garage"` adds to a table."""

    version: Annotated[str, Field(pattern=r"^v2\.[0-9]+\.[0-9]+$")] = "v2.3.0"
    """Of the official image; the first that makes a bucket and a key by itself."""
    secrets_as: Literal["files", "variables"] = "files"
    """Only `variables` works: the operator says so, because `docker inspect` shows them."""


class Garage:
    """The kind `garage`."""

    name = "garage"
    Options: type[Strict] = Options
    schemes = ("http", "https")
    defaults = Defaults(
        Resources(cpus=1.0, memory=256 * _MEGABYTE, pids=128, memory_reserved=64 * _MEGABYTE),
        start_seconds=60,
        stop_seconds=30,
    )

    def draft(self, server: Server) -> Draft:
        """Return the server as a single node; its image holds one program and no shell."""
        options: Options = server.options
        admin, password = server.admin_password, SecretRef(server.password, server.target, "sha256")
        place = f"infra.{server.name}"
        return Draft(
            image=Image(server.image or f"dxflrs/garage:{options.version}"),
            user=_UID,
            command=("/garage", "server", "--single-node", "--default-bucket"),
            healthcheck=Healthcheck(("CMD", *_STATUS)),
            probe=CommandProbe(server.command(*_STATUS)),
            target_port=_S3,
            variables={
                "GARAGE_DEFAULT_ACCESS_KEY": _key_id(server),
                "GARAGE_DEFAULT_BUCKET": options.buckets[0],
            },
            # It reads this one from a variable alone, and wants 64 hexadecimal digits.
            templated={"GARAGE_DEFAULT_SECRET_KEY": (password,)},
            secrets=(SecretMount("GARAGE_RPC_SECRET", (SecretRef(admin, server.target, "sha256"),)),),
            configs=(
                ConfigMount(
                    f"config/{server.target}/{server.name}/garage.toml",
                    "/etc/garage.toml",
                    "garage/garage.toml.j2",
                    {"port": _S3, "region": options.region},
                ),
            ),
            volumes={"data": "/var/lib/garage"},
            needed=(
                Needed(admin, server.target, True, Origin.GENERATED, place=place),
                Needed(password.name, password.scope, True, Origin.GENERATED, place=place),
            ),
        )

    def bind(self, server: Server, client: Client) -> Binding:
        """Return the bucket and the key that the server makes when it starts."""
        bound = object_storage.binding(server, client, _S3)
        if server.address:
            return bound
        secret = SecretRef(server.password, client.environment, "sha256")
        names = object_storage.bucket_variables({name: name for name in server.options.buckets})
        return replace(
            bound, variables={**bound.variables, **names}, secrets=object_storage.key_pair(_key_id(server), secret)
        )

    def refuse(self, server: Server, users: Mapping[str, str], /) -> Iterable[Problem]:
        """Yield that several environments cannot share it, nor one have several buckets in it."""
        why = "a key could only be handed to it on a command line"
        yield from object_storage.refuse_sharing(server, users, why)
        yield from object_storage.refuse_address(server)
        if server.address is None and len(server.options.buckets) > 1:
            yield Problem("it makes one bucket", "buckets", hint="use minio or rustfs for several")
        if server.address is None and server.options.secrets_as == "files":
            hint = 'accept it with secrets_as = "variables", or use another kind'
            yield Problem(
                "it takes its key from a variable alone, which `docker inspect` shows", "secrets_as", hint=hint
            )


def _key_id(server: Server) -> str:
    """Return an access key as Garage wants it, `GK` and 24 hexadecimal digits; it is no secret."""
    return "GK" + naming.short_hash(f"{server.project}/{server.target}/{server.name}".encode(), 24)
