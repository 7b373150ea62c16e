"""The edge of an environment that is deployed blue-green: it leads each of its ports to the colour which serves.

Which one that is, a file says that nginx looks for at each request: a switch needs no reload, which would close idle
connections under their clients' feet, and a restart forgets nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from envmgr import naming
from envmgr.catalog import http
from envmgr.catalog.kind import Defaults, Draft
from envmgr.catalog.nginx import Options
from envmgr.model.edge import Listener
from envmgr.model.stack import ConfigMount, Image, Resources

_MEGABYTE = 1024**2
STATUS_PORT = 8081
FOLDER = "/run/edge"
FLAG = f"{FOLDER}/{naming.COLOURS[1]}"
"""While it is there, the second colour serves."""
PAGE = "maintenance.html"
"""While it is there, visitors get it instead of an answer."""
ALLOWED = "allowed"
"""Folder with a file for each network that is served all the same, by the beginning of its addresses."""
defaults = Defaults(
    Resources(cpus=0.5, memory=64 * _MEGABYTE, pids=64, memory_reserved=16 * _MEGABYTE),
    start_seconds=30,
    stop_seconds=20,
)


def draft(environment: str, listeners: Sequence[Listener]) -> Draft:
    """Return the edge: unprivileged, with one small volume that holds the choice."""
    context = {
        "environment": environment,
        "workers": 1,
        "connections": 1024,
        "status": STATUS_PORT,
        "flag": FLAG,
        "folder": FOLDER,
        "page": PAGE,
        "allowed": ALLOWED,
        "first": naming.COLOURS[0],
        "second": naming.COLOURS[1],
        "listeners": [
            {
                "port": one.port,
                "target": one.target,
                "health": one.health,
                "hosts": [naming.alias(one.service, naming.colour(environment, name)) for name in naming.COLOURS],
            }
            for one in listeners
        ],
    }
    path = f"config/{environment}/{naming.EDGE}/nginx.conf"
    test = ("nginx", "-t", "-q", "-c")
    return Draft(
        image=Image(f"nginx:{Options().version}"),
        user="101:101",
        command=("nginx", "-g", "daemon off;"),
        healthcheck=http.curl(STATUS_PORT, "/health"),
        volumes={"state": FOLDER},
        configs=(ConfigMount(path, "/etc/nginx/nginx.conf", "edge/nginx.conf.j2", context, test),),
        # On SIGQUIT it finishes what it serves; on SIGTERM it would drop it.
        stop_signal="SIGQUIT",
    )
