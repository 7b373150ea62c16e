"""Run a program in a container that is made for this one call and goes by itself."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from envmgr import naming
from envmgr.engine import containers, execution
from envmgr.engine.api import Api
from envmgr.errors import EngineError
from envmgr.model.observed import ExecResult

ABSENT = 404
NOBODY = "65534:65534"
MEMORY = 256 * 1024**2
SPARE_SECONDS = 30
"""How long a container outlives its deadline when envmgr was killed and nobody removes it."""


def run(
    api: Api, image: str, argv: tuple[str, ...], variables: Mapping[str, str], timeout: float, beside: str = ""
) -> ExecResult:
    """Run a program and return its exit code and output.

    The container only sleeps; the program is an exec inside it, so that no variable shows in `docker inspect`.
    """
    container = _create(api, image, math.ceil(timeout) + SPARE_SECONDS, _place(api, beside))
    try:
        containers.start(api, container)
        return execution.run(api, container, argv, variables, timeout)
    finally:
        containers.remove(api, container, takes_nameless=True)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the program stands, and as whom."""

    user: str
    host_config: Mapping[str, Any]


def _place(api: Api, beside: str) -> _Place:
    if not beside:
        # Docker's own bridge: the way out exists before any network of the project does.
        return _Place(NOBODY, {"NetworkMode": "bridge"})
    answer = api.call("GET", f"/containers/{beside}/json", allowed=(ABSENT,))
    if answer.status == ABSENT:
        raise EngineError(f"nothing can stand beside {beside[:12]}: it has gone", help="envmgr status")
    user = answer.json()["Config"]["User"] or "0:0"
    return _Place(user, {"NetworkMode": f"container:{beside}", "VolumesFrom": [f"{beside}:ro"]})


def _create(api: Api, image: str, seconds: int, place: _Place) -> str:
    body = {
        "Image": image,
        "Entrypoint": ["sleep", str(seconds)],
        "Cmd": [],
        "User": place.user,
        "Labels": {naming.LABEL_ONEOFF: "true"},
        "HostConfig": {
            "AutoRemove": True,
            **place.host_config,
            "ReadonlyRootfs": True,
            "Tmpfs": {"/tmp": "size=16m,mode=1777,noexec,nosuid,nodev"},  # noqa: S108 - inside the container
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges"],
            "Memory": MEMORY,
            "PidsLimit": 64,
            "Init": True,
        },
    }
    answer = api.call("POST", "/containers/create", body=body, allowed=(ABSENT,))
    if answer.status == ABSENT:
        raise EngineError(f"no container can be made from {image}: {answer.message}", help=f"docker pull {image}")
    return str(answer.json()["Id"])
