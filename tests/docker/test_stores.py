"""Stores that two environments share, on a real engine: each reaches its own part of every one, and no other.

Qdrant, MinIO, Elasticsearch, Logstash and Kibana are stand-ins here.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import pytest

from tests.docker.conftest import Sandbox, eventually, make_sandbox

pytestmark = pytest.mark.docker

SPEC = """\
[project]
name = "{name}"

[networks]
range = "10.96.0.0/12"

[images]
recipes = "images"

[infra.qdrant]
collections = {{ notes = {{ size = 2, distance = "Dot" }} }}
memory = "192M"

[infra.minio]
buckets = ["uploads"]
memory = "256M"

[infra.elasticsearch]
memory = "192M"

[infra.logstash]
uses = ["elasticsearch"]
memory = "128M"

[infra.kibana]
uses = ["elasticsearch"]
memory = "128M"

[services.client]
kind = "container"
image = "docker.elastic.co/elasticsearch/elasticsearch:9.5.3"
command = ["sleep", "infinity"]
healthcheck = ["true"]
user = "1000:1000"
uses = ["qdrant", "minio", "elasticsearch", "logstash"]
memory = "64M"
stop_seconds = 1

[environments.dev]
[environments.prod]
"""

# What a service is given, and one request of each store with it; prints the status of the answer.
QDRANT = """\
curl -s -o /tmp/body -w '%{http_code}' -X "$1" -H "api-key: $(cat "$QDRANT_API_KEY_FILE")" \
-H 'Content-Type: application/json' ${3:+-d "$3"} "$QDRANT_URL$2"
"""
S3 = """\
curl -s -o /tmp/body -w '%{http_code}' -X "$1" --aws-sigv4 "aws:amz:$S3_REGION:s3" \
-u "$(cat "$S3_ACCESS_KEY_ID_FILE"):$(cat "$S3_SECRET_ACCESS_KEY_FILE")" ${3:+--data-binary "$3"} "$S3_ENDPOINT_URL$2"
"""
ELASTICSEARCH = """\
curl -s -o /tmp/body -w '%{http_code}' -X "$1" -H 'Content-Type: application/json' \
-u "$(cat "$ELASTICSEARCH_USERNAME_FILE"):$(cat "$ELASTICSEARCH_PASSWORD_FILE")" ${3:+-d "$3"} "$ELASTICSEARCH_URL$2"
"""
SEND = """\
import os, socket, sys
with socket.create_connection((os.environ["LOGSTASH_HOST"], int(os.environ["LOGSTASH_PORT"])), timeout=10) as one:
    one.sendall(sys.argv[1].encode() + b"\\n")
"""


class Stores:
    """The base with all stores, and two environments with one service each."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    def inside(self, target: str, service: str, *argv: str) -> str:
        """Run a program in a container; it must succeed."""
        container = f"{self.sandbox.name}-{target}-{service}-1"
        done = subprocess.run(["docker", "exec", container, *argv], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def ask(self, environment: str, script: str, method: str, path: str, body: str = "") -> tuple[int, str]:
        """Ask a store as an environment's service; return the status and the body."""
        status = self.inside(environment, "client", "sh", "-c", script, "ask", method, path, body)
        return int(status), self.inside(environment, "client", "cat", "/tmp/body")

    def secret(self, target: str, name: str) -> str:
        """Return a value of the operator's file."""
        lines = (self.sandbox.folder / f".env.{target}").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)[name]


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    sandbox = make_sandbox(tmp_path_factory.mktemp("stores") / "project")
    sandbox.write(SPEC.format(name=sandbox.name))
    try:
        sandbox.ok("up", "dev", "prod", timeout=600)
        yield Stores(sandbox)
    finally:
        sandbox.remove()


def test_each_environment_has_its_collections_and_a_key_for_them_alone(stores: Stores):
    for environment, other in (("dev", "prod"), ("prod", "dev")):
        point = json.dumps({"points": [{"id": 1, "vector": [1, 2]}]})
        path = f"/collections/{environment}_notes"
        assert stores.ask(environment, QDRANT, "PUT", f"{path}/points?wait=true", point)[0] == 200
        assert stores.ask(environment, QDRANT, "GET", f"{path}/points/1")[0] == 200
        listed = json.loads(stores.ask(environment, QDRANT, "GET", "/collections")[1])["result"]["collections"]
        assert listed == [{"name": f"{environment}_notes"}]
        for method, refused in (("GET", f"/collections/{other}_notes/points/1"), ("DELETE", path)):
            assert stores.ask(environment, QDRANT, method, refused)[0] == 403


def test_each_environment_has_its_bucket_and_a_key_for_it_alone(stores: Stores):
    for environment, other in (("dev", "prod"), ("prod", "dev")):
        assert stores.ask(environment, S3, "PUT", f"/{environment}-uploads/a", environment)[0] == 200
        assert stores.ask(environment, S3, "GET", f"/{environment}-uploads/a") == (200, environment)
        for method, refused in (
            *(("GET", f"/{other}-uploads/a"), ("PUT", f"/{other}-uploads/b"), ("DELETE", f"/{other}-uploads/a")),
            *(("GET", f"/{other}-uploads?list-type=2"), ("PUT", f"/{environment}-more")),
        ):
            assert stores.ask(environment, S3, method, refused, "x" if method == "PUT" else "")[0] == 403, refused


def test_each_environment_has_its_indices_and_a_user_for_them_alone(stores: Stores):
    for environment, other in (("dev", "prod"), ("prod", "dev")):
        for index in (f"{environment}_notes", f"{environment}-logs"):
            assert stores.ask(environment, ELASTICSEARCH, "PUT", f"/{index}/_doc/1", '{"a": 1}')[0] == 201
        for method, refused, body in (
            ("PUT", f"/{other}_notes/_doc/2", '{"a": 1}'),
            ("GET", f"/{other}_notes/_doc/1", ""),
            ("DELETE", f"/{other}_notes", ""),
            ("GET", "/_security/user", ""),
        ):
            assert stores.ask(environment, ELASTICSEARCH, method, refused, body)[0] == 403, refused


def test_an_event_reaches_the_index_of_its_environment_and_day(stores: Stores):
    event = json.dumps({"environment": "Dev", "message": "hello"})
    stores.inside("dev", "client", "python", "-c", SEND, event)
    script = "curl -s -u \"elastic:$(cat /run/secrets/ELASTICSEARCH_ADMIN_PASSWORD)\" 'http://127.0.0.1:9200/events-dev-*/_count'"
    eventually(
        lambda: json.loads(stores.inside("infra", "elasticsearch", "sh", "-c", script)).get("count") == 1,
        "the event is counted",
    )


def test_health_enters_every_store_as_every_environment(stores: Stores):
    assert stores.sandbox.run("health").code == 0


def test_no_value_stands_in_what_docker_shows_of_a_server(stores: Stores):
    shown = json.dumps(stores.sandbox.containers("infra"))
    for name in ("QDRANT", "MINIO", "ELASTICSEARCH"):
        assert stores.secret("infra", f"{name}_ADMIN_PASSWORD") not in shown
    for name in ("LOGSTASH_PASSWORD", "KIBANA_PASSWORD", "KIBANA_ENCRYPTION_KEY"):
        assert stores.secret("infra", name) not in shown


def test_bringing_it_up_again_changes_nothing(stores: Stores):
    before = stores.sandbox.identity("infra", "dev", "prod")
    stores.sandbox.ok("up", "dev", "prod")
    assert stores.sandbox.identity("infra", "dev", "prod") == before


def test_a_collection_of_another_size_is_refused_with_what_to_do(stores: Stores):
    stores.sandbox.edit("size = 2", "size = 3")
    refused = stores.sandbox.run("up", "dev")
    stores.sandbox.edit("size = 3", "size = 2")
    assert refused.code == 4
    assert "dev_notes is there with another size or distance than 3 and Dot" in refused.err


def test_what_is_destroyed_takes_nothing_of_the_other_with_it(stores: Stores):
    shown = stores.sandbox.ok("destroy", "dev", "--yes")
    for title in ("Qdrant collections dev_*", "object storage dev-*", "Elasticsearch indices dev_*"):
        assert title in shown.out + shown.err
    assert stores.ask("prod", QDRANT, "GET", "/collections/prod_notes/points/1")[0] == 200
    assert stores.ask("prod", S3, "GET", "/prod-uploads/a") == (200, "prod")
    assert stores.ask("prod", ELASTICSEARCH, "GET", "/prod_notes/_doc/1")[0] == 200
    listed = stores.inside("infra", "minio", "ls", "/data/buckets")
    assert listed.split() == ["prod-uploads"]
