"""S3: object storage that somebody else runs; the operator names its keys and buckets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from envmgr.catalog import object_storage
from envmgr.catalog.kind import Binding, Client, Defaults, Draft, Server
from envmgr.catalog.object_storage import BucketOptions
from envmgr.errors import Problem
from envmgr.model.stack import Image, Resources

_HTTPS = 443


class S3:
    """The kind `s3`: there is nothing to start, and no common way to make keys."""

    name = "s3"
    Options = BucketOptions
    schemes = ("https", "http")
    defaults = Defaults(Resources(cpus=1.0, memory=64 * 1024**2, pids=64), start_seconds=30, stop_seconds=10)

    def draft(self, server: Server) -> Draft:
        """Return nothing that could run; `refuse` says so."""
        return Draft(image=Image(server.image or ""), user="65534:65534", command=(), healthcheck=None)

    def bind(self, server: Server, client: Client) -> Binding:
        """Return the buckets and the key that the operator has made."""
        return object_storage.binding(server, client, _HTTPS)

    def refuse(self, server: Server, users: Mapping[str, str], /) -> Iterable[Problem]:
        """Yield that it is always somebody else's, and never provisioned."""
        if server.address is None and users:
            hint = 'set mode = "external" and url, or use a kind that starts one, such as minio'
            yield Problem("there is nothing that envmgr could start", "mode", hint=hint)
        if server.address and server.is_provisioned:
            yield Problem(
                "how keys are made differs from store to store", "provision", hint="make them there, and leave this out"
            )
        yield from object_storage.refuse_address(server)
