"""Volumes that the user of a service can write to, whatever its image has at the mount point."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from tests.docker.conftest import Sandbox, docker

pytestmark = pytest.mark.docker

SPEC = """\
[project]
name = "{name}"

[networks]
range = "10.96.0.0/12"

[infra.store]
kind = "container"
image = "{image}"
user = "10007:10007"
command = ["sh", "-c", "echo kept >>/srv/rooted/mine && exec sleep infinity"]
healthcheck = ["test", "-s", "/srv/rooted/mine"]
volumes = {{ data = "/srv/rooted" }}
memory = "32M"
start_seconds = 20
stop_seconds = 1

[services.writer]
kind = "container"
image = "{image}"
user = "10008:10008"
command = ["sh", "-c", "echo kept >>/srv/absent/mine && exec sleep infinity"]
healthcheck = ["test", "-s", "/srv/absent/mine"]
uses = ["store"]
volumes = {{ mine = "/srv/absent" }}
memory = "32M"
start_seconds = 20
stop_seconds = 1

[environments.dev]
"""


@pytest.fixture
def rooted(sandbox: Sandbox) -> Iterator[str]:
    """An image with a folder of root's, where its services keep their data."""
    image = f"{sandbox.name}-rooted:1"
    recipe = "FROM envmgr-recipes/debian:trixie\nRUN mkdir -p /srv/rooted\n"
    build = ("docker", "build", "-q", "-t", image, "-")
    subprocess.run(build, input=recipe, text=True, check=True, capture_output=True)
    yield image
    docker("image", "rm", "-f", image, check=False)


def test_servers_and_services_write_to_their_new_volumes_and_find_them_again(sandbox: Sandbox, rooted: str) -> None:
    sandbox.write(SPEC.format(name=sandbox.name, image=rooted))
    sandbox.ok("up", "dev")
    assert sandbox.ok("up", "dev", "--json").json["changed"] == 0
    sandbox.ok("down", "dev", "infra")
    sandbox.ok("up", "dev")
    for target, service, path in (("infra", "store", "/srv/rooted"), ("dev", "writer", "/srv/absent")):
        assert docker("exec", f"{sandbox.name}-{target}-{service}-1", "cat", f"{path}/mine").split() == ["kept", "kept"]


def test_what_a_kill_left_while_a_volume_was_opened_is_finished(sandbox: Sandbox, rooted: str) -> None:
    sandbox.write(SPEC.format(name=sandbox.name, image=rooted))
    volume = f"{sandbox.name}-infra-store-data"
    owned = ("--label", f"envmgr.project={sandbox.name}", "--label", "envmgr.env=infra")
    docker("volume", "create", *owned, "--label", "envmgr.image.source=recipes", volume)
    docker("create", "--name", f"{volume}-opener", "-v", f"{volume}:/srv/rooted", rooted)
    sandbox.ok("up", "dev")
    sandbox.ok("destroy", "dev", "infra", "--yes")
    assert docker("ps", "-aq", "--filter", f"name={sandbox.name}") == ""
    assert docker("volume", "ls", "-q", "--filter", f"name={sandbox.name}") == ""
