"""A container that stands beside another: in its network namespace, with its files, as its user."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from envmgr import naming
from envmgr.engine import containers
from envmgr.engine.api import Api
from envmgr.engine.oneoff import ABSENT, MEMORY, SPARE_SECONDS
from envmgr.errors import EngineError


@contextmanager
def companion(api: Api, container_id: str, image: str, user: str, seconds: int) -> Iterator[str]:
    """Run a container that only sleeps beside another, and remove it; what it is asked to do are execs inside it."""
    made = _create(api, container_id, image, user, seconds + SPARE_SECONDS)
    try:
        containers.start(api, made)
        yield made
    finally:
        containers.remove(api, made, takes_nameless=True)


def _create(api: Api, container_id: str, image: str, user: str, seconds: int) -> str:
    body = {
        "Image": image,
        "Entrypoint": ["sleep", str(seconds)],
        "Cmd": [],
        "User": user,
        "Healthcheck": {"Test": ["NONE"]},
        "Labels": {naming.LABEL_ONEOFF: "true"},
        "HostConfig": {
            "AutoRemove": True,
            # Not a network like its: the very same, with every interface, route and name that it has.
            "NetworkMode": f"container:{container_id}",
            "VolumesFrom": [f"{container_id}:ro"],
            "ReadonlyRootfs": True,
            "Tmpfs": {"/tmp": "size=16m,mode=1777,noexec,nosuid,nodev"},  # noqa: S108 - inside the container
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges"],
            "Memory": MEMORY,
            "PidsLimit": 128,
            "Init": True,
        },
    }
    answer = api.call("POST", "/containers/create", body=body, allowed=(ABSENT,))
    if answer.status == ABSENT:
        raise EngineError(f"no container can be made from {image}: {answer.message}", help=f"docker pull {image}")
    return str(answer.json()["Id"])
