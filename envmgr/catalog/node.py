"""A web application or API on Node.js."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from envmgr.catalog import http
from envmgr.catalog.kind import Application, Defaults, Desk, Draft
from envmgr.catalog.programs import UnprivilegedPort, UserId, WebOptions, metrics, probe
from envmgr.model.stack import Resources

_MEGABYTE = 1024**2


class Options(WebOptions):
    """What `kind = "node"` adds to a table."""

    command: Annotated[tuple[str, ...], Field(min_length=1)] = ("node", "server.js")
    """Program and arguments; no shell reads them."""
    container_port: UnprivilegedPort = 3000
    """Where it listens inside its container, told as PORT; `[environments.NAME.ports]` has the port on the host."""
    user: UserId = "1000:1000"
    """Numeric uid:gid inside the image; 1000 is the user `node` of Node's own images."""


class Node:
    """The kind `node`."""

    name = "node"
    Options = Options
    defaults = Defaults(
        Resources(cpus=1.0, memory=512 * _MEGABYTE, pids=128, memory_reserved=128 * _MEGABYTE),
        start_seconds=60,
        stop_seconds=30,
    )

    def draft(self, application: Application) -> Draft:
        """Return the service; it counts as healthy when its health path answers below 400."""
        options: Options = application.options
        heap = application.resources.memory * 3 // 4 // _MEGABYTE
        return Draft(
            image=application.image,
            user=options.user,
            command=options.command,
            healthcheck=http.node(options.container_port, options.health_path),
            probe=probe(application, options),
            target_port=options.container_port,
            variables={
                "NODE_ENV": "development" if application.debug else "production",
                # V8 takes a share of the memory that depends on its version; the rest is for buffers, threads, code.
                "NODE_OPTIONS": f"--max-old-space-size={heap}",
                "PORT": str(options.container_port),
            },
            metrics=metrics(options),
            desk=Desk(options.command, {"PORT": application.desk_port(options.container_port)}),
        )
