"""Set up python-on-whales so that the operator's environment does not reach its children."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from typing import TYPE_CHECKING

from envmgr.engine.context import Endpoint
from envmgr.engine.process import is_allowed
from envmgr.errors import EngineError

if TYPE_CHECKING:
    from python_on_whales import DockerClient


def client(endpoint: Endpoint, docker: str, names: Iterable[str]) -> DockerClient:
    """Return a client whose children see no variable of these names but the allowed ones."""
    from python_on_whales import DockerClient

    return DockerClient(client_call=client_call(endpoint, docker, names), client_type="docker")


def client_call(endpoint: Endpoint, docker: str, names: Iterable[str]) -> list[str]:
    """Return the docker command behind env(1).

    The library hands the whole environment on and takes nothing out. `env -i NAME=VALUE` would, and would show the
    password of a proxy to every user of the machine; `-u` names what is taken out and shows no value.
    """
    env = shutil.which("env")
    if env is None:
        raise EngineError("The env command is not on the PATH")
    given = [f"{name}={value}" for name, value in endpoint.variables().items()]
    removed = [part for name in sorted(names) if not is_allowed(name) for part in ("-u", name)]
    return [env, *removed, *given, docker]
