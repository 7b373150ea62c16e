"""A built frontend: files that nginx serves, from the project's own image or from a volume."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import Field

from envmgr.catalog import http
from envmgr.catalog.kind import Application, Defaults, Desk, Draft
from envmgr.catalog.programs import FilePath, Path, ProgramOptions, UserId
from envmgr.model.stack import ConfigMount, HttpProbe, Resources, Tmpfs

_MEGABYTE = 1024**2
_PORT = 8080


class Options(ProgramOptions):
    """What `kind = "static"` adds to a table; its image is nginx's own or one that was made from it."""

    root: FilePath = "/usr/share/nginx/html"
    """Folder of the files inside the container."""
    spa: bool = False
    """Paths that are no file show index.html: the application in the browser routes them."""
    immutable: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9]{1,10}$")], ...] = ()
    """Endings of files that never change under their name, such as `js`; all others are asked for each time."""
    health_path: Path = "/"
    """Below 400 is healthy; nginx itself answers `/-/healthy`, for a folder that may be empty."""
    user: UserId = "101:101"
    """Numeric uid:gid inside the image; 101 is the user `nginx` of nginx's own images."""


class Static:
    """The kind `static`."""

    name = "static"
    Options = Options
    defaults = Defaults(
        Resources(cpus=0.5, memory=64 * _MEGABYTE, pids=32, memory_reserved=16 * _MEGABYTE),
        start_seconds=30,
        stop_seconds=15,
    )

    def draft(self, application: Application) -> Draft:
        """Return the server of files; it counts as healthy when its health path, a real file, answers below 400."""
        options: Options = application.options
        return Draft(
            image=application.image,
            user=options.user,
            command=("nginx", "-g", "daemon off;"),
            healthcheck=http.curl_or_wget(_PORT, options.health_path),
            probe=HttpProbe(application.port, options.health_path) if application.port else None,
            target_port=_PORT,
            configs=(
                ConfigMount(
                    f"config/{application.environment}/{application.name}/nginx.conf",
                    "/etc/nginx/nginx.conf",
                    "static/nginx.conf.j2",
                    _context(options, application.resources),
                ),
            ),
            # Requests with a body are spooled here before they are refused, and the process id stands here.
            tmpfs=(Tmpfs("/tmp"),),  # noqa: S108 - a path inside the container
            # nginx finishes what it serves on SIGQUIT; on SIGTERM it drops it.
            stop_signal="SIGQUIT",
            # What serves a frontend's source while it is written is the project's own choice.
            desk=Desk(()),
        )


def _context(options: Options, resources: Resources) -> dict[str, object]:
    return {
        "port": _PORT,
        # `auto` counts the host's processors, not those that the container may use.
        "workers": math.ceil(resources.cpus),
        "root": options.root,
        "spa": options.spa,
        "immutable": list(options.immutable),
    }
