"""What the stand-ins for Kibana and Logstash do with the one for Elasticsearch: a status, and events on their way."""

import json
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from tests.contract.image_bench import Bench, docker, mounted, output, wait_until
from tests.contract.stand_in_bench import HARDENED, Served, of_one_module, serve

pytestmark = pytest.mark.docker

ELASTIC = ("elastic", "elastic-secret")
USER = "--user=1000:1000"
HOST = "http://elasticsearch:9200"
KIBANA = (USER, f"--env=ELASTICSEARCH_HOSTS={HOST}", "--env=ELASTICSEARCH_USERNAME=kibana_system")
LOGIN = ("--env=WRITER=shipper", "--env=SECRET=shipper-secret")
PIPELINE = """\
# Comments, and a condition, as the rendered one has them.
input { tcp { port => 5000 codec => json_lines } }
filter {
  if ![environment] { mutate { add_field => { "environment" => "unknown" } } }
  mutate { lowercase => ["environment"] }
  mutate { gsub => ["environment", "[^a-z0-9-]", "-"] }
}
output {
  elasticsearch {
    hosts => ["http://elasticsearch:9200"]
    user => "${WRITER}"
    password => "${SECRET}"
    index => "events-%{[environment]}-%{+YYYY.MM.dd}"
    action => "create"
  }
}
"""


@dataclass(frozen=True)
class Stack:
    """An Elasticsearch on a network of its own, with accounts for both."""

    bench: Bench
    network: str
    elasticsearch: Served

    def ask(self, method: str, path: str, **options) -> httpx.Response:
        return self.elasticsearch.ask(method, path, auth=ELASTIC, **options)

    def events(self) -> list[dict]:
        hits = self.ask("GET", "/events-*/_search?size=1000").json()["hits"]["hits"]
        return [{"_index": hit["_index"], **hit["_source"]} for hit in hits]


@pytest.fixture(scope="module")
def stack(images) -> Iterator[Stack]:
    with of_one_module() as bench:
        network = f"--network={bench.network()}"
        own = (USER, network, "--network-alias=elasticsearch", "--env=ELASTIC_PASSWORD=elastic-secret")
        data = ("--env=discovery.type=single-node", f"--volume={bench.volume()}:/usr/share/elasticsearch/data")
        served = serve(bench, images["elasticsearch"], 9200, "/", *own, *data, status=401)
        made = Stack(bench, network, served)
        made.ask("POST", "/_security/user/kibana_system/_password", json={"password": "kibana-secret"})
        rights = [{"names": ["events-*"], "privileges": ["create_index", "create_doc"]}]
        made.ask("PUT", "/_security/role/shipper", json={"cluster": ["monitor"], "indices": rights})
        made.ask("PUT", "/_security/user/shipper", json={"password": "shipper-secret", "roles": ["shipper"]})
        yield made


# ---- Kibana


def test_kibana_is_available_while_elasticsearch_lets_it_in(stack, images):
    kibana = serve(
        *(stack.bench, images["kibana"], 5601, "/api/status", *KIBANA, stack.network),
        "--env=ELASTICSEARCH_PASSWORD=kibana-secret",
    )
    assert kibana.ask("GET", "/api/status").json() == {"status": {"overall": {"level": "available"}}}
    assert "A stand-in for Kibana" in kibana.ask("GET", "/login").text
    assert kibana.ask("GET", "/").headers["location"] == "/login"
    assert kibana.ask("GET", "/api/spaces").status_code == 501
    stack.ask("POST", "/_security/user/kibana_system/_password", json={"password": "another-secret"})
    refused = kibana.ask("GET", "/api/status")
    assert (refused.status_code, refused.json()["status"]["overall"]["summary"]) == (503, f"{HOST} answers 401")
    stack.ask("POST", "/_security/user/kibana_system/_password", json={"password": "kibana-secret"})
    assert kibana.shell("curl -sS -f http://127.0.0.1:5601/api/status")[0] == 0


def test_kibana_takes_its_settings_from_a_file(stack, images, tmp_path):
    text = 'server.port: 5602\nelasticsearch.hosts: ["${WHERE}"]\nelasticsearch.username: ""\n'
    options = (USER, mounted(tmp_path, "/etc/own/kibana.yml", text), "--env=WHERE=http://127.0.0.1:1")
    command = ("/usr/share/kibana/bin/kibana", "--config", "/etc/own/kibana.yml")
    kibana = serve(stack.bench, images["kibana"], 5602, "/api/status", *options, command=command, status=503)
    summary = kibana.ask("GET", "/api/status").json()["status"]["overall"]["summary"]
    assert summary == "http://127.0.0.1:1 does not answer: ConnectError"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("elasticsearch.username: elastic\n", "Kibana refuses the superuser"),
        ('elasticsearch.password: "${NOBODY_SET_IT}"\n', "Unknown environment variable referenced in config"),
        ("elasticsearch.hosts: [\n", "kibana.yml cannot be read"),
    ],
)
def test_kibana_refuses_a_wrong_configuration(images, bench, tmp_path, text, message):
    config = mounted(tmp_path, "/usr/share/kibana/config/kibana.yml", text)
    assert message in bench.refused(images["kibana"], *HARDENED, USER, config)


# ---- Logstash


@pytest.fixture(scope="module")
def logstash(stack, images, tmp_path_factory) -> Served:
    pipeline = mounted(tmp_path_factory.mktemp("pipeline"), "/usr/share/logstash/pipeline/logstash.conf", PIPELINE)
    options = (USER, stack.network, pipeline, *LOGIN, "--publish=127.0.0.1::5000")
    return serve(stack.bench, images["logstash"], 9600, "/", *options)


def send(logstash: Served, *lines: bytes) -> None:
    host, _, port = logstash.url("", 5000).removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(b"".join(line + b"\n" for line in lines))


def test_events_arrive_in_the_index_of_their_environment(stack, logstash):
    send(logstash, b'{"message": "one", "environment": "Dev"}', b'{"message": "two"}', b"no json")
    wait_until(lambda: len(stack.events()) == 3, "three events are there", seconds=20)
    events = {event["message"]: event for event in stack.events()}
    today = time.strftime("%Y.%m.%d", time.gmtime())
    assert events["one"]["_index"] == f"events-dev-{today}"
    assert events["two"]["_index"] == f"events-unknown-{today}"
    assert events["no json"]["tags"] == ["_jsonparsefailure"]
    assert events["one"]["@version"] == "1"
    assert logstash.ask("GET", "/_node/stats").json()["events"] == {"in": 3, "filtered": 3, "out": 3}
    assert logstash.ask("GET", "/").json()["version"] == "9.5.3"


def test_events_wait_for_elasticsearch(stack, logstash):
    docker("stop", "--timeout", "30", stack.elasticsearch.container)
    send(logstash, *(json.dumps({"message": f"late {number}"}).encode() for number in range(300)))
    wait_until(lambda: "does not answer, trying again" in output(logstash.container), "it tries", seconds=60)
    stack.elasticsearch.restart("/", status=401)
    wait_until(lambda: len([one for one in stack.events() if one["message"][:4] == "late"]) == 300, "all are there")


def test_what_elasticsearch_refuses_is_dropped_and_said(stack, logstash):
    send(logstash, json.dumps({"message": "bad", "environment": "x" * 300}).encode())
    wait_until(lambda: "an event is dropped" in output(logstash.container), "it is said", seconds=20)
    assert "invalid_index_name_exception" in output(logstash.container)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("json_lines", "plain", "another codec than json_lines"),
        ("tcp {", "udp {", "another input or output than one tcp"),
        ("lowercase =>", "uppercase =>", "the filter mutate does something"),
        ("${SECRET}", "${NOBODY_SET_IT}", "names the variable NOBODY_SET_IT, which is not set"),
        ("output {", "outputs {", "has a section 'outputs'"),
        ('"create"', "=>", "has => where a value is expected"),
        ("# Comments", "; Comments", "line 1 of the pipeline"),
    ],
)
def test_a_pipeline_that_it_cannot_run_is_refused(images, bench, tmp_path, old, new, message):
    assert old in PIPELINE
    pipeline = mounted(tmp_path, "/usr/share/logstash/pipeline/logstash.conf", PIPELINE.replace(old, new))
    assert message in bench.refused(images["logstash"], *HARDENED, USER, pipeline, *LOGIN)


def test_logstash_needs_a_pipeline(images, bench):
    assert "has no pipeline" in bench.refused(images["logstash"], *HARDENED, USER)
