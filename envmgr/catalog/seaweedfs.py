"""SeaweedFS: one environment's own object storage, all parts in one container."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Annotated

from pydantic import Field

from envmgr.catalog import object_storage
from envmgr.catalog.http import wget
from envmgr.catalog.kind import Binding, Client, Defaults, Draft, Server
from envmgr.catalog.object_storage import BucketOptions
from envmgr.errors import Problem
from envmgr.model.needed import Needed, Origin
from envmgr.model.secret import SecretRef, Template
from envmgr.model.stack import Command, CommandProbe, Grant, Image, Resources, SecretMount
from envmgr.spec.values import memory_bytes

_MEGABYTE = 1024**2
_UID = "1000:1000"
_S3 = 8333
_IDENTITIES = "SEAWEEDFS_IDENTITIES"
_LOGIN = "app"
_ACTIONS = ("Read", "Write", "List", "Tagging")

# `weed shell` reads commands from its standard input and exits with 0 whatever became of them.
_WEED = """\
shell() { printf '%s\\n' "$1" | weed shell -master=127.0.0.1:9333 -filer=127.0.0.1:8888; }
listed=$(shell s3.bucket.list) || { printf '%s\\n' "$listed"; exit 1; }
has() { printf '%s\\n' "$listed" | grep -Eq "^ *$1([[:space:]]|$)"; }
"""
_EXISTS = f"""{_WEED}for bucket in $BUCKETS; do if has "$bucket"; then echo yes; exit; fi; done
"""
_ENSURE = f"""{_WEED}\
for bucket in $BUCKETS; do has "$bucket" || shell "s3.bucket.create -name $bucket"; done
listed=$(shell s3.bucket.list)
for bucket in $BUCKETS; do has "$bucket" || {{ echo "$bucket was not created"; exit 1; }}; done
"""
_MEASURE = f"""{_WEED}\
for bucket in $BUCKETS; do printf '%s\\n' "$listed" | grep -E "^ *$bucket([[:space:]]|$)"; done | xargs
"""
_REVOKE = f"""{_WEED}\
for bucket in $BUCKETS; do if has "$bucket"; then shell "s3.bucket.delete -name $bucket"; fi; done
listed=$(shell s3.bucket.list)
for bucket in $BUCKETS; do if has "$bucket"; then echo "$bucket is still there"; exit 1; fi; done
"""
_ANSWERS = f"wget -q -T 4 -O /dev/null http://127.0.0.1:{_S3}/healthz"


class Options(BucketOptions):
    """What `kind = "seaweedfs"` adds to a table."""

    version: Annotated[str, Field(pattern=r"^[0-9]+\.[0-9]+$")] = "4.47"
    """Of the official image."""
    volume_size: Annotated[str, Field(pattern=r"^[1-9][0-9]*[MG]$")] = "1G"
    """Of the files in which it keeps objects; each bucket takes several."""


class Seaweedfs:
    """The kind `seaweedfs`."""

    name = "seaweedfs"
    Options = Options
    schemes = ("http", "https")
    defaults = Defaults(
        Resources(cpus=1.0, memory=512 * _MEGABYTE, pids=256, memory_reserved=128 * _MEGABYTE),
        start_seconds=60,
        stop_seconds=30,
    )

    def draft(self, server: Server) -> Draft:
        """Return the server; of its parts only S3 can be reached from other containers."""
        options: Options = server.options
        megabytes = memory_bytes(options.volume_size) // _MEGABYTE
        return Draft(
            image=Image(server.image or f"chrislusf/seaweedfs:{options.version}"),
            user=_UID,
            command=(
                # The image's own start adds -dir=/data and would reserve whole files in advance.
                *("server", "-filer", "-s3", f"-s3.port={_S3}", f"-s3.config=/run/secrets/{_IDENTITIES}"),
                *("-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3.ip.bind=0.0.0.0"),
                *("-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.iam=false", "-master.telemetry=false"),
                *("-master.volumePreallocate=false", f"-master.volumeSizeLimitMB={megabytes}"),
            ),
            healthcheck=wget(_S3, "/healthz"),
            probe=CommandProbe(server.command("sh", "-c", _ANSWERS)),
            target_port=_S3,
            secrets=(SecretMount(_IDENTITIES, _identities(server)),),
            volumes={"data": "/data"},
            needed=(Needed(server.password, server.target, True, Origin.GENERATED, place=f"infra.{server.name}"),),
        )

    def bind(self, server: Server, client: Client) -> Binding:
        """Return the environment's buckets; its access key stands in the server's configuration."""
        bound = object_storage.binding(server, client, _S3)
        if server.address:
            return bound
        names = object_storage.bucket_variables({name: name for name in server.options.buckets})
        return replace(
            bound,
            grants=(_grant(server, client),),
            variables={**bound.variables, **names},
            secrets=object_storage.key_pair(_LOGIN, object_storage.secret_key(server, client)),
        )

    def refuse(self, server: Server, users: Mapping[str, str], /) -> Iterable[Problem]:
        """Yield that several environments cannot share it."""
        why = "the ports between its parts ask nobody for a password"
        yield from object_storage.refuse_sharing(server, users, why)
        yield from object_storage.refuse_address(server)


def _identities(server: Server) -> Template:
    """Return its configuration: the one access key, with what it may do in each bucket."""
    options: Options = server.options
    actions = json.dumps([f"{action}:{bucket}" for bucket in options.buckets for action in _ACTIONS])
    secret = SecretRef(server.password, server.target, "json")
    before = f'{{"identities":[{{"name":"{_LOGIN}","credentials":[{{"accessKey":"{_LOGIN}","secretKey":"'
    return (before, secret, f'"}}],"actions":{actions}}}]}}')


def _grant(server: Server, client: Client) -> Grant:
    buckets = " ".join(server.options.buckets)

    def shell(script: str) -> Command:
        return server.command("sh", "-c", script, timeout=30, BUCKETS=(buckets,))

    return Grant(
        server=server.name,
        title=f"object storage of {client.environment}: {buckets}",
        exists=shell(_EXISTS),
        ensure=shell(_ENSURE),
        measure=shell(_MEASURE),
        revoke=shell(_REVOKE),
        # The image has no client that signs requests.
        probe=server.command("sh", "-c", _ANSWERS),
    )
