"""Where images come from: chosen once per host, kept by the volumes, never silently changed."""

from __future__ import annotations

import pytest

from tests.docker.conftest import Sandbox, docker, free_port

pytestmark = pytest.mark.docker

SPEC = """\
[project]
name = "{name}"

[networks]
range = "10.96.0.0/12"

[infra.redis]
version = "8.0"
port = {port}
memory = "64M"

[environments.dev]
"""


@pytest.fixture
def redis(sandbox: Sandbox) -> Sandbox:
    sandbox.write(SPEC.format(name=sandbox.name, port=free_port()))
    return sandbox


def volume(sandbox: Sandbox, **labels: str) -> None:
    """Make the volume as an earlier envmgr, or somebody else, may have left it."""
    flags = [part for key, value in labels.items() for part in ("--label", f"envmgr.{key.replace('_', '.')}={value}")]
    mine = f"envmgr.project={sandbox.name}"
    docker("volume", "create", "--label", mine, *flags, f"{sandbox.name}-infra-redis-data")


def test_the_choice_holds_once_there_is_data(redis: Sandbox) -> None:
    first = redis.ok("up", "infra")
    assert "no registry answers" in first.err
    labels = docker("volume", "inspect", "-f", "{{json .Labels}}", f"{redis.name}-infra-redis-data")
    assert '"envmgr.image.source":"recipes"' in labels
    assert '"envmgr.image.major":"8"' in labels
    other = redis.run("up", "infra", "--images", "registry")
    assert other.code == 2
    assert "volumes were written by images from recipes" in other.err
    again = redis.ok("up", "infra")
    assert "no registry answers" not in again.err
    assert redis.ok("up", "infra", "--json").json["changed"] == 0


def test_a_registry_that_is_down_later_is_an_error(redis: Sandbox) -> None:
    volume(redis, image_source="registry", image_major="8")
    (redis.folder / ".env.infra").write_text("REDIS_ADMIN_PASSWORD=kept-from-then\n")
    result = redis.run("up", "infra")
    assert result.code == 4, result.err
    assert "redis:8.0 could not be pulled" in result.err
    assert redis.containers() == {}


def test_another_major_version_is_refused(redis: Sandbox) -> None:
    volume(redis, image_source="recipes", image_major="7")
    result = redis.run("up", "infra")
    assert result.code == 4
    assert "was written by version 7, the spec says 8" in result.err
    assert redis.containers() == {}


def test_a_volume_of_unknown_origin_asks_which_images_wrote_it(redis: Sandbox) -> None:
    volume(redis)
    result = redis.run("up", "infra")
    assert result.code == 2
    assert "which images wrote to it is unknown" in result.err
    assert redis.containers() == {}
    (redis.folder / ".env.infra").write_text("REDIS_ADMIN_PASSWORD=0123456789abcdefghij\n")
    redis.ok("up", "infra", "--images", "recipes")


def test_a_lost_password_of_the_base_is_never_made_anew(redis: Sandbox) -> None:
    redis.ok("up", "infra")
    before = redis.identity("infra")
    (redis.folder / ".env.infra").unlink()
    result = redis.run("up", "infra")
    assert result.code == 3
    assert "lacks REDIS_ADMIN_PASSWORD" in result.err
    assert redis.identity("infra") == before


def test_destroying_the_base_shows_its_volume_and_frees_the_choice(redis: Sandbox) -> None:
    redis.ok("up", "infra")
    result = redis.ok("destroy", "infra", "--yes")
    assert f"volume {redis.name}-infra-redis-data" in result.err
    assert docker("volume", "ls", "-q", "--filter", f"label=envmgr.project={redis.name}") == ""
    assert docker("network", "ls", "-q", "--filter", f"label=envmgr.project={redis.name}") == ""
    redis.ok("up", "infra")
