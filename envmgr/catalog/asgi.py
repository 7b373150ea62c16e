"""An ASGI web application, served by uvicorn."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from envmgr.catalog.kind import Application, Defaults, Draft
from envmgr.catalog.python import Path, ProgramOptions, http_healthcheck
from envmgr.model.stack import HttpProbe, Resources

_MEGABYTE = 1024**2
_PORT = 8000


class Options(ProgramOptions):
    """What `kind = "asgi"` adds to a table."""

    app: Annotated[str, Field(pattern=r"^[\w.]+:[\w.]+$")]
    """module:attribute."""
    health_path: Path = "/health"


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
        return Draft(
            image=application.image,
            user=options.user,
            command=(
                *("uvicorn", options.app, "--host", "0.0.0.0", "--port", str(_PORT)),  # noqa: S104 - inside the container
                *("--workers", str(application.workers), "--log-level", application.log_level.lower()),
                *("--no-server-header", "--timeout-graceful-shutdown", "20"),
            ),
            healthcheck=http_healthcheck(_PORT, options.health_path),
            probe=HttpProbe(application.port, options.health_path) if application.port else None,
            target_port=_PORT,
            variables={"WEB_CONCURRENCY": str(application.workers)},
        )
