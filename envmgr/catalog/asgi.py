"""An ASGI web application, served by uvicorn."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from envmgr.catalog import http
from envmgr.catalog.kind import Application, Defaults, Desk, Draft
from envmgr.catalog.programs import WebOptions, metrics, probe
from envmgr.model.stack import Resources

_MEGABYTE = 1024**2


class Options(WebOptions):
    """What `kind = "asgi"` adds to a table."""

    app: Annotated[str, Field(pattern=r"^[\w.]+:[\w.]+$")]
    """module:attribute."""


class Asgi:
    """The kind `asgi`."""

    name = "asgi"
    Options = Options
    defaults = Defaults(
        Resources(cpus=1.0, memory=512 * _MEGABYTE, pids=256, memory_reserved=128 * _MEGABYTE),
        start_seconds=60,
        stop_seconds=30,
    )

    def draft(self, application: Application) -> Draft:
        """Return the web service; it counts as healthy when its health path answers below 400."""
        options: Options = application.options
        port = application.desk_port(options.container_port)
        level = ("--log-level", application.log_level.lower())
        return Draft(
            image=application.image,
            user=options.user,
            command=(
                *("uvicorn", options.app, "--host", "0.0.0.0"),  # noqa: S104 - inside the container
                *("--port", str(options.container_port), "--workers", str(application.workers)),
                *(*level, "--no-server-header"),
                *("--timeout-graceful-shutdown", "20"),
            ),
            healthcheck=http.python(options.container_port, options.health_path),
            probe=probe(application, options),
            target_port=options.container_port,
            variables={"WEB_CONCURRENCY": str(application.workers)},
            metrics=metrics(options),
            is_python=True,
            desk=Desk(("uvicorn", options.app, "--host", "127.0.0.1", "--port", port, *level)),
        )
