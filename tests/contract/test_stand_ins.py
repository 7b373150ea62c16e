"""What every stand-in has in common: it says what it is, runs without rights, ends at once, and weighs little."""

import json

import pytest

from tests.contract.image_bench import confined_to, confinement, docker, inspect, output, stop_seconds
from tests.contract.stand_in_bench import HARDENED, Served

pytestmark = pytest.mark.docker

SINGLE = "--env=discovery.type=single-node"
# Uid, port, a path and what it answers without a password, and what it needs to start.
STARTS = {
    "qdrant": (1000, 6333, "/readyz", 200, ("--tmpfs=/qdrant/storage:uid=1000",)),
    "minio": (1000, 9000, "/minio/health/ready", 200, ("--tmpfs=/data:uid=1000",)),
    "grafana": (472, 3000, "/api/health", 200, ("--tmpfs=/var/lib/grafana:uid=472",)),
    "elasticsearch": (1000, 9200, "/", 401, (SINGLE, "--tmpfs=/usr/share/elasticsearch/data:uid=1000")),
    "kibana": (1000, 5601, "/login", 200, ()),
}
MEGABYTE = 1024**2
_ANONYMOUS = r"cat /proc/[0-9]*/status | awk '/^RssAnon:/ {kilobytes += $2} END {print kilobytes * 1024}'"


@pytest.mark.parametrize("name", [*STARTS, "logstash"])
def test_an_image_says_that_it_is_a_stand_in_and_for_what(images, name):
    labels = json.loads(docker("image", "inspect", "--format", "{{json .Config.Labels}}", images[name]).stdout)
    recipe = images.recipes[name]
    assert labels["envmgr.stand-in"] == recipe.stand_in
    assert labels["org.opencontainers.image.title"] == name
    version = labels["org.opencontainers.image.version"]
    assert version in recipe.image
    assert version in recipe.replaces


@pytest.mark.parametrize("name", [*STARTS, "logstash"])
def test_an_image_holds_no_trace_of_its_build(images, name):
    folders = ("/var/lib/apt/lists", "/var/cache/apt", "/var/log", "/root/.cache")
    found = docker("run", "--rm", "--entrypoint=find", images[name], *folders, "-type", "f", check=False).stdout
    assert [line for line in found.splitlines() if not line.endswith("/lock")] == []


@pytest.mark.parametrize("name", STARTS)
def test_a_stand_in_runs_without_rights_in_little_memory_and_ends_at_once(images, bench, name):
    uid, port, path, status, needs = STARTS[name]
    options = (*HARDENED, "--init", f"--user={uid}:{uid}", f"--publish=127.0.0.1::{port}", *needs)
    served = Served(bench.start(images[name], *options), port)
    served.wait_for(path, status)
    assert "a stand-in, not the real server" in output(served.container)
    assert confinement(served.container) == confined_to(str(uid))
    assert int(served.shell(_ANONYMOUS)[1]) < 120 * MEGABYTE
    assert stop_seconds(served.container) < 10
    assert inspect(served.container, "{{.State.ExitCode}}") in ("0", "143")
