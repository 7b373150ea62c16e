"""Make a volume that a numeric user can write to, with what an image puts into it; nothing is started for it."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from posixpath import dirname
from typing import TYPE_CHECKING

from envmgr import naming
from envmgr.engine.api import Api
from envmgr.engine.protocol import Opening
from envmgr.errors import EngineError

if TYPE_CHECKING:
    import tarfile

ABSENT, CONFLICT = 404, 409
MARK = ".envmgr"


def create(api: Api, volume: str, labels: Mapping[str, str], opening: Opening) -> None:
    """Create a volume and give a user what is in it, unless he may write there already.

    A container that is made with an empty volume fills it with what the image has at that place, and gives it the owner
    and mode of the folder there (moby, `daemon/create_unix.go`). An image without such a folder leaves it to root. One
    with an empty folder of root's takes it back at each container that is made: a file in the volume ends that.
    """
    for is_marked in (False, True):
        with _made(api, volume, labels, opening) as container:
            content = _read(api, container, opening.target)
            if _may_write(content, opening.user):
                return
            given = _given(content, opening.user, is_marked=is_marked)
            api.call("PUT", f"/containers/{container}/archive", params={"path": dirname(opening.target)}, body=given)


@contextmanager
def _made(api: Api, volume: str, labels: Mapping[str, str], opening: Opening) -> Iterator[str]:
    """Make a container, and the volume with it, that never runs; it stays when this is cut, and says so by its name."""
    discard(api, volume)
    options = {"Labels": dict(labels)}
    mount = {"Type": "volume", "Source": volume, "Target": opening.target, "VolumeOptions": options}
    body = {
        "Image": opening.image,
        "Entrypoint": ["true"],
        "Labels": {naming.LABEL_ONEOFF: "true"},
        "HostConfig": {"NetworkMode": "none", "Mounts": [mount]},
    }
    answer = api.call(
        "POST", "/containers/create", params={"name": naming.volume_opener(volume)}, body=body, allowed=(ABSENT,)
    )
    if answer.status == ABSENT:
        raise EngineError(
            f"no container can be made from {opening.image}: {answer.message}", help=f"docker pull {opening.image}"
        )
    yield str(answer.json()["Id"])
    discard(api, volume)


def discard(api: Api, volume: str) -> None:
    """Remove the container of a volume, with the nameless volumes that its image asks for; fine when there is none."""
    path = f"/containers/{naming.volume_opener(volume)}"
    api.call("DELETE", path, params={"force": 1, "v": 1}, allowed=(ABSENT, CONFLICT))


def _read(api: Api, container: str, target: str) -> bytes:
    return api.call("GET", f"/containers/{container}/archive", params={"path": target}).content


def _may_write(content: bytes, user: str) -> bool:
    import tarfile

    uid, gid = _numbers(user)
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        folder = next(iter(archive))
    digit = 6 if folder.uid == uid else 3 if folder.gid == gid else 0
    return folder.mode >> digit & 0o3 == 0o3


def _given(content: bytes, user: str, *, is_marked: bool) -> bytes:
    """Return the same files as a user's; with a mark where there is none."""
    import tarfile

    written = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(content)) as archive,
        tarfile.open(fileobj=written, mode="w", format=tarfile.PAX_FORMAT) as out,
    ):
        members = archive.getmembers()
        for member in members:
            out.addfile(_owned(member, user), archive.extractfile(member) if member.isreg() else None)
        if is_marked:
            out.addfile(_owned(tarfile.TarInfo(f"{members[0].name}/{MARK}"), user))
    return written.getvalue()


def _owned(member: tarfile.TarInfo, user: str) -> tarfile.TarInfo:
    member.uid, member.gid = _numbers(user)
    # Names would go before numbers, and the image may have others.
    member.uname = member.gname = ""
    member.pax_headers = {key: value for key, value in member.pax_headers.items() if key.startswith("SCHILY.xattr.")}
    member.mode |= 0o700 if member.isdir() else 0
    return member


def _numbers(user: str) -> tuple[int, int]:
    uid, _, gid = user.partition(":")
    return int(uid), int(gid or 0)
