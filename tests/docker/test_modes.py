"""Whose server an environment uses: the base's, its own copy, or a managed one."""

from __future__ import annotations

import pytest

from tests.docker.conftest import Sandbox, docker, free_port, play_spec

pytestmark = pytest.mark.docker

OWN = """\
[infra.redis]
memory = "64M"
port = {port}

[environments.prod]
protected = true

[environments.prod.infra.redis]
mode = "own"
memory = "96M"
"""


def acl_users(sandbox: Sandbox, target: str) -> list[str]:
    """Return who may enter a Redis."""
    (container,) = sandbox.containers(target, "redis")
    script = 'redis-cli --no-auth-warning -a "$(cat /run/secrets/REDIS_ADMIN_PASSWORD)" ACL USERS'
    return sorted(docker("exec", container, "sh", "-c", script).split())


def test_an_environment_has_a_server_for_itself(sandbox: Sandbox) -> None:
    spec = play_spec(sandbox.name, extra='uses = ["redis"]', more=OWN.format(port=free_port()))
    sandbox.write(spec)
    sandbox.ok("up", "dev", "prod")
    assert acl_users(sandbox, "infra") == ["default", "dev_app", "health"]
    assert acl_users(sandbox, "prod") == ["default", "health", "prod_app"]
    mine = sandbox.containers("prod", "redis")[f"{sandbox.name}-prod-redis-1"]
    assert mine["HostConfig"]["Memory"] == 96 * 1024**2
    shared = sandbox.containers("infra", "redis")[f"{sandbox.name}-infra-redis-1"]
    assert f"{sandbox.name}-dev-data" in shared["NetworkSettings"]["Networks"]
    assert f"{sandbox.name}-prod-data" not in shared["NetworkSettings"]["Networks"]
    probes = {(p["target"], p["service"], p["what"]): p for p in sandbox.ok("health", "prod", "--json").json["probes"]}
    assert probes["prod", "redis", "Redis keys prod_*"]["is_good"]
    assert sandbox.ok("up", "dev", "prod", "--json").json["changed"] == 0


def test_what_an_environment_has_for_itself_goes_with_it(sandbox: Sandbox) -> None:
    sandbox.write(play_spec(sandbox.name, extra='uses = ["redis"]', more=OWN.format(port=free_port())))
    sandbox.ok("up", "prod")
    volume = f"{sandbox.name}-prod-redis-data"
    sandbox.ok("down", "prod")
    assert docker("volume", "ls", "-q", "--filter", f"name={volume}") == volume
    (sandbox.folder / ".env.prod").unlink()
    lost = sandbox.run("up", "prod")
    assert lost.code == 3
    assert f"prod already has data: volume {volume}" in lost.err
    sandbox.ok("destroy", "prod", "--protected", "--yes")
    assert docker("volume", "ls", "-q", "--filter", f"name={volume}") == ""
    assert sandbox.containers("infra", "redis")
