"""What the kinds that run the project's own programs share: their user, their port, the paths that they answer."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from envmgr.catalog.kind import Application, Metrics
from envmgr.model.stack import HttpProbe
from envmgr.spec.values import Strict

UserId = Annotated[str, Field(pattern=r"^[1-9][0-9]*:[1-9][0-9]*$")]
Path = Annotated[str, Field(pattern=r"^/[!-~]*$")]
FilePath = Annotated[str, Field(pattern=r"^(/[A-Za-z0-9_.-]+)+$")]
"""One that may stand in a configuration file or in a mount as it is."""
UnprivilegedPort = Annotated[int, Field(ge=1024, le=65535)]
"""What a program without root and capabilities may listen on, whatever the host's settings."""


class ProgramOptions(Strict):
    """What every kind that runs the project's own image adds to a table."""

    user: UserId = "10001:10001"
    """Numeric uid:gid inside the image."""


class WebOptions(ProgramOptions):
    """What every kind that answers HTTP adds to a table."""

    container_port: UnprivilegedPort = 8000
    """Where it listens inside its container; the port on the host stands in `[environments.NAME.ports]`."""
    health_path: Path = "/health"
    """Below 400 is healthy."""
    metrics_path: Path | None = None
    """Where it answers in Prometheus's text format; it is not scraped when left out."""


def probe(application: Application, options: WebOptions) -> HttpProbe | None:
    """Return the question from outside; nothing that publishes no port can be asked."""
    return HttpProbe(application.port, options.health_path) if application.port else None


def metrics(options: WebOptions) -> Metrics | None:
    """Return where a monitor finds its figures."""
    return Metrics(options.container_port, options.metrics_path) if options.metrics_path else None
