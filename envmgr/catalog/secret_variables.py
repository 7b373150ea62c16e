"""Programs that take a secret from a variable alone: a script reads its file at the start, so no env file holds it."""

from __future__ import annotations

from collections.abc import Mapping

from envmgr.catalog.kind import Server
from envmgr.model.stack import ConfigMount

_TARGET = "/etc/envmgr/start.sh"

START = ("sh", _TARGET)
"""The command that runs the script."""


def start_script(server: Server, variables: Mapping[str, str], program: str) -> ConfigMount:
    """Return the script: each variable gets what the secret of that name holds, then the program takes its place."""
    path = f"config/{server.target}/{server.name}/start.sh"
    return ConfigMount(path, _TARGET, "start/start.sh.j2", {"variables": variables, "program": program})
