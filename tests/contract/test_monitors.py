"""A door and monitors over real environments: where requests end, what is scraped, what each login may see."""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from envmgr.catalog.grafana_dashboards import DASHBOARDS
from tests.docker.conftest import ROOT, Sandbox, docker, eventually, free_port, make_sandbox

pytestmark = pytest.mark.docker

SPEC = """\
[project]
name = "{name}"

[networks]
range = "10.96.0.0/12"

[images]
recipes = "images"

[infra.nginx]
port = {door}
ports = {{ https = {tls} }}
tls = "files"
certificate = "certs/chain.pem"
key = "certs/key.pem"
client_max_body_size = "48M"
rate_limits = {{ "/api/" = 10 }}
cache_seconds = {{ "/static/" = 60 }}
timeout_seconds = 3
memory = "64M"

[infra.postgres]
memory = "128M"
cpus = 0.5

[infra.redis]
memory = "64M"

[infra.prometheus]
port = {prometheus}
scrape_interval = "1s"
uses = ["alertmanager"]
memory = "256M"

[infra.alertmanager]
port = {alertmanager}
memory = "64M"

[infra.postgres-exporter]
uses = ["postgres"]

[infra.redis-exporter]
uses = ["redis"]

[infra.nginx-exporter]
uses = ["nginx"]

[infra.node-exporter]

[builds.seen]
context = "monitored"

[services.web]
kind = "asgi"
build = "seen"
app = "app:app"
metrics_path = "/metrics"
routes = ["/"]
uses = ["postgres", "redis"]
memory = "64M"
cpus = 0.5
replicas = 2

[services.files]
kind = "asgi"
build = "seen"
app = "app:app"
routes = ["/files"]
memory = "64M"
cpus = 0.5

[environments.dev]
hosts = ["dev.localhost"]

[environments.stage]
hosts = ["stage.localhost", "other.localhost"]
"""


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.text)


@dataclass(frozen=True)
class Site:
    """A base with a door and monitors, and two environments of which `dev` is up."""

    sandbox: Sandbox
    ports: dict[str, int]

    def ask(
        self, host: str, path: str = "/", *, method: str = "GET", body: bytes | None = None, **headers: str
    ) -> Answer:
        """Ask the door for a page of a host."""
        return answer(
            http.client.HTTPConnection("127.0.0.1", self.ports["door"], timeout=20), host, path, method, body, headers
        )

    def query(self, text: str) -> list[dict[str, Any]]:
        """Ask Prometheus."""
        connection = http.client.HTTPConnection("127.0.0.1", self.ports["prometheus"], timeout=20)
        found = answer(connection, "localhost", f"/api/v1/query?{urlencode({'query': text})}", "GET", None, {}).json
        assert found["status"] == "success", found
        return [{**one["metric"], "value": float(one["value"][1])} for one in found["data"]["result"]]

    def targets(self) -> set[tuple[str, str, str]]:
        """Return (environment, service, health) of what Prometheus knows; "unknown" before the first scrape."""
        connection = http.client.HTTPConnection("127.0.0.1", self.ports["prometheus"], timeout=20)
        found = answer(connection, "localhost", "/api/v1/targets?state=active", "GET", None, {}).json
        targets = found["data"]["activeTargets"]
        return {(one["labels"]["environment"], one["labels"]["service"], one["health"]) for one in targets}

    def inside(self, service: str, script: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a script inside a container of the base."""
        flags = [part for name, value in variables.items() for part in ("--env", f"{name}={value}")]
        command = ["docker", "exec", *flags, f"{self.sandbox.name}-infra-{service}-1", "sh", "-c", script]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    def secret(self, target: str, name: str) -> str:
        """Return a value of the operator's file."""
        lines = (self.sandbox.folder / f".env.{target}").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)[name]


def answer(
    connection: http.client.HTTPConnection,
    host: str,
    path: str,
    method: str,
    body: bytes | None,
    headers: dict[str, str],
) -> Answer:
    connection.request(method, path, body, {"Host": host, **headers})
    reply = connection.getresponse()
    found = {name.lower(): value for name, value in reply.getheaders()}
    text = reply.read().decode()
    connection.close()
    return Answer(reply.status, found, text)


def make_certificate(folder: Path) -> None:
    folder.mkdir()
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:dev.localhost,DNS:stage.localhost"]
    command += ["-keyout", str(folder / "key.pem"), "-out", str(folder / "chain.pem")]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    (folder / "key.pem").chmod(0o600)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    sandbox = make_sandbox(tmp_path_factory.mktemp("monitors") / "project")
    (sandbox.folder / "monitored").symlink_to(Path(__file__).parent / "monitored")
    make_certificate(sandbox.folder / "certs")
    ports: dict[str, int] = {}
    while len(set(ports.values())) < 4:
        ports = {name: free_port() for name in ("door", "tls", "prometheus", "alertmanager")}
    sandbox.write(SPEC.format(name=sandbox.name, **ports))
    try:
        sandbox.ok("up", "infra", timeout=600)
        sandbox.ok("up", "dev", timeout=600)
        yield Site(sandbox, ports)
    finally:
        sandbox.remove()


# ---- the door


def test_a_host_name_leads_to_its_environment_and_a_path_to_its_service(site: Site):
    assert site.ask("dev.localhost", "/a?b=%20c").json["path"] == "/a?b=%20c"
    assert site.ask("DEV.localhost").json["environment"] == "dev"
    names = {site.ask("dev.localhost", path).json["service"] for path in ("/files", "/files/a", "/files/")}
    assert names == {"files"}
    assert site.ask("dev.localhost", "/filesystem").json["service"] == "web"


def test_a_name_that_is_nobodys_is_told_so(site: Site):
    for host in ("prod.localhost", "localhost", "127.0.0.1", "web--dev"):
        found = site.ask(host)
        assert (found.status, found.text) == (421, f"No environment is reached by the name {host}.\n")


def test_health_is_the_doors_own_except_under_an_environments_name(site: Site):
    assert (site.ask("nobody.example", "/health").status, site.ask("nobody.example", "/health").text) == (200, "ok\n")
    assert site.ask("dev.localhost", "/health").text != "ok\n"
    assert site.ask("stage.localhost", "/health").status == 503


def test_an_environment_comes_and_goes_and_the_door_stays_as_it_is(site: Site):
    before = site.sandbox.identity("infra")
    found = site.ask("stage.localhost")
    assert (found.status, found.text) == (503, "stage does not answer. Try again in a few seconds.\n")
    assert (found.headers["retry-after"], found.headers["cache-control"]) == ("5", "no-store")
    try:
        site.sandbox.ok("up", "stage", timeout=600)
        eventually(lambda: site.ask("other.localhost").status == 200, "stage answers", 5)
        assert site.ask("stage.localhost").json["environment"] == "stage"
    finally:
        site.sandbox.ok("down", "stage")
    # From the first request on, though its last addresses are known for another second.
    gone = [site.ask("stage.localhost") for _ in range(3)]
    assert [(one.status, one.headers.get("retry-after")) for one in gone] == [(503, "5")] * 3
    assert site.ask("dev.localhost").json["environment"] == "dev"
    assert site.sandbox.identity("infra") == before


def test_the_name_of_a_service_that_is_down_leads_nowhere(site: Site):
    script = "cat /etc/resolv.conf; getent hosts web--stage; getent hosts web--dev"
    done = site.inside("nginx", script)
    assert "ndots:1" in done.stdout
    assert "web--dev" in done.stdout
    assert "web--stage" not in done.stdout


def test_what_a_service_answers_itself_stays_its_own_answer(site: Site):
    found = site.ask("dev.localhost", "/broken/502")
    assert (found.status, found.json["environment"]) == (502, "dev")
    assert "retry-after" not in found.headers


def test_a_service_that_takes_too_long_is_told_apart_from_one_that_is_down(site: Site):
    found = site.ask("dev.localhost", "/slow")
    assert (found.status, found.text) == (504, "dev did not finish its answer in time.\n")


def test_a_service_learns_who_asked_and_not_what_that_one_claims(site: Site):
    claims = {
        "X-Forwarded-For": "6.6.6.6",
        "X-Real-IP": "6.6.6.6",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "evil",
    }
    host = f"dev.localhost:{site.ports['door']}"
    seen = site.ask(host, **claims).json["headers"]
    assert seen["x-forwarded-for"] == seen["x-real-ip"] != "6.6.6.6"
    assert (seen["x-forwarded-proto"], seen["x-forwarded-host"], seen["host"]) == ("http", host, host)


def test_headers_for_security_are_added_where_a_service_sends_none(site: Site):
    plain, own = site.ask("dev.localhost").headers, site.ask("dev.localhost", "/framed").headers
    assert (plain["x-frame-options"], own["x-frame-options"]) == ("SAMEORIGIN", "DENY")
    assert (plain["x-content-type-options"], plain["server"]) == ("nosniff", "nginx")
    assert site.ask("dev.localhost", "/static/a.js").headers["cache-control"] == "public, max-age=60"
    assert "cache-control" not in plain


def test_a_body_passes_that_would_not_fit_into_what_the_door_may_write(site: Site):
    size = 40 * 1024 * 1024
    found = site.ask("dev.localhost", "/upload", method="POST", body=os.urandom(1024) * (size // 1024))
    assert (found.status, found.json["size"]) == (200, size)


def test_a_body_above_the_limit_is_refused(site: Site):
    connection = http.client.HTTPConnection("127.0.0.1", site.ports["door"], timeout=20)
    connection.putrequest("POST", "/upload", skip_host=True)
    connection.putheader("Host", "dev.localhost")
    connection.putheader("Content-Length", str(49 * 1024 * 1024))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


def test_a_websocket_passes(site: Site):
    text, mask = b"through the door", b"mask"
    with socket.create_connection(("127.0.0.1", site.ports["door"]), timeout=20) as one:
        key = base64.b64encode(os.urandom(16)).decode()
        lines = ["GET /ws HTTP/1.1", "Host: dev.localhost", "Upgrade: websocket", "Connection: Upgrade"]
        lines += [f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", "", ""]
        one.sendall("\r\n".join(lines).encode())
        stream = one.makefile("rb")
        assert b"101" in stream.readline()
        while stream.readline().strip():
            pass
        masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(text))
        one.sendall(bytes([0x81, 0x80 | len(text)]) + mask + masked)
        assert stream.read(2 + len(text)) == bytes([0x81, len(text)]) + text


def test_a_client_that_asks_too_often_is_told_to_wait(site: Site):
    statuses = [site.ask("dev.localhost", "/api/chat").status for _ in range(8)]
    # Ten a minute, a fifth of it at once beside the first.
    assert statuses[:3] == [200, 200, 200]
    assert statuses[3:] == [429] * 5
    assert site.ask("dev.localhost", "/other").status == 200
    assert site.ask("stage.localhost", "/api/chat").status == 503, "each environment counts for itself"


def test_https_with_the_operators_own_certificate(site: Site):
    context = ssl.create_default_context(cafile=str(site.sandbox.folder / "certs" / "chain.pem"))
    connection = http.client.HTTPSConnection("dev.localhost", site.ports["tls"], timeout=20, context=context)
    raw = socket.create_connection(("127.0.0.1", site.ports["tls"]), timeout=20)
    connection.sock = context.wrap_socket(raw, server_hostname="dev.localhost")
    seen = answer(connection, "dev.localhost", "/", "GET", None, {}).json["headers"]
    assert seen["x-forwarded-proto"] == "https"


def test_nothing_of_it_can_be_written_but_its_tmpfs_and_nobody_else_reads_the_key(site: Site):
    done = site.inside(
        "nginx", "id -u; ls -ln /run/secrets/NGINX_TLS_KEY | cut -c1-10; touch /etc/nginx/x; touch /tmp/x"
    )
    # Who is not root keeps others out by the folder that holds the file on the host.
    assert done.stdout.split() == ["101", "-r--------" if os.geteuid() == 0 else "-r--r--r--"]
    assert "Read-only file system" in done.stderr


# ---- Prometheus


BASE = {"prometheus", "alertmanager", "postgres-exporter", "redis-exporter", "nginx-exporter", "node-exporter"}


def test_everything_that_serves_metrics_is_scraped_and_an_environment_that_is_down_is_no_target(site: Site):
    expected = {("infra", name, "up") for name in BASE} | {("dev", "web", "up")}
    eventually(lambda: site.targets() == expected, f"{expected}: {site.targets()}", 40)


def test_each_container_of_a_service_is_scraped(site: Site):
    eventually(lambda: len(site.query('up{environment="dev", service="web"} == 1')) == 2, "two of web", 40)
    found = site.query('up{environment="dev", service="web"}')
    assert {one["job"] for one in found} == {"asgi"}
    assert len({one["instance"] for one in found}) == 2


def test_requests_through_the_door_are_counted(site: Site):
    for _ in range(5):
        site.ask("dev.localhost", "/counted")
    count = 'sum(http_requests_total{path="/counted", environment="dev"})'
    eventually(lambda: [one["value"] for one in site.query(count)] == [5.0], "five requests", 20)


def test_exporters_enter_what_they_watch(site: Site):
    for metric in ("pg_up", "redis_up", "nginx_up"):
        eventually(lambda: [one["value"] for one in site.query(metric)] == [1.0], f"{metric} is 1", 40)  # noqa: B023
    assert {one["datname"] for one in site.query("pg_database_size_bytes")} >= {f"dev_{site.sandbox.name}", "postgres"}
    assert site.query("redis_memory_max_bytes")[0]["value"] == 48 * 1024 * 1024
    assert site.query("node_memory_MemTotal_bytes")[0]["value"] > 0
    assert [one["mountpoint"] for one in site.query("node_filesystem_size_bytes")] == ["/"]


def test_it_tells_the_alertmanager(site: Site):
    connection = http.client.HTTPConnection("127.0.0.1", site.ports["prometheus"], timeout=20)
    found = answer(connection, "localhost", "/api/v1/alertmanagers", "GET", None, {}).json["data"]
    assert [one["url"] for one in found["activeAlertmanagers"]] == ["http://alertmanager:9093/api/v2/alerts"]
    connection = http.client.HTTPConnection("127.0.0.1", site.ports["alertmanager"], timeout=20)
    assert answer(connection, "localhost", "/api/v2/status", "GET", None, {}).json["cluster"]["status"] == "disabled"


def test_every_rule_is_evaluated_without_an_error(site: Site):
    connection = http.client.HTTPConnection("127.0.0.1", site.ports["prometheus"], timeout=20)
    groups = answer(connection, "localhost", "/api/v1/rules", "GET", None, {}).json["data"]["groups"]
    rules = {rule["name"]: rule["health"] for group in groups for rule in group["rules"]}
    assert rules == dict.fromkeys(rules, "ok")
    assert {"ServiceDown", "HighErrorRate", "ServerDown", "RedisMemoryExhaustion", "CPUExhaustion"} <= set(rules)


def test_every_query_of_every_dashboard_is_one(site: Site):
    queries = [query for one in DASHBOARDS for panel in one.panels for query, _ in panel.queries]
    assert len(queries) > 30
    for query in queries:
        site.query(query.replace("$environment", ".*"))
    with pytest.raises(AssertionError, match="parse error"):
        site.query(queries[0].replace("(", ""))


def test_a_monitor_that_would_refuse_its_new_configuration_keeps_the_old_one(site: Site):
    wrong = {
        "prometheus/prometheus.yml.j2": ("evaluation_interval:", "evaluation_intervall:"),
        "prometheus/rules.yml.j2": ("groups:", "groupes:"),
        "alertmanager/alertmanager.yml.j2": ("repeat_interval:", "repeat_intervall:"),
    }
    before = site.sandbox.identity("infra")
    folder = site.sandbox.folder / "templates"
    try:
        for name, change in wrong.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text((ROOT / "templates" / name).read_text().replace(*change))
        refused = site.sandbox.run("up", "infra")
        for name, (_, word) in wrong.items():
            (folder / name).write_text("# another comment\n" + (ROOT / "templates" / name).read_text())
            target = f"/etc/{name.removesuffix('.j2')}"
            assert re.search(rf"{target} of \w+ in infra: .*field {word[:-1]} not found", refused.err), refused.err
        assert refused.code == 3
        assert site.sandbox.identity("infra") == before
        site.sandbox.ok("up", "infra")
        changed = {name for name, one in site.sandbox.identity("infra").items() if before[name] != one}
        assert changed == {f"{site.sandbox.name}-infra-{name}-1" for name in ("prometheus", "alertmanager")}
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        site.sandbox.ok("up", "infra")


# ---- what each login may see


def test_the_login_of_the_postgres_exporter_reads_no_data(site: Site):
    psql = "psql -X -A -t -h 127.0.0.1 -U infra_postgres_exporter"
    password = site.secret("infra", "POSTGRES_EXPORTER_PASSWORD")
    assert site.inside("postgres", f"{psql} -d postgres -c 'SELECT 1'", PGPASSWORD=password).stdout == "1\n"
    refused = site.inside("postgres", f"{psql} -d dev_{site.sandbox.name} -c 'SELECT 1'", PGPASSWORD=password)
    assert "permission denied for database" in refused.stderr
    create = site.inside("postgres", f"{psql} -d postgres -c 'CREATE TABLE a ()'", PGPASSWORD=password)
    assert "permission denied for schema public" in create.stderr
    wrong = site.inside("postgres", f"{psql} -d postgres -c 'SELECT 1'", PGPASSWORD="wrong")
    assert "password authentication failed" in wrong.stderr


def test_the_user_of_the_redis_exporter_reaches_no_key_and_changes_nothing(site: Site):
    cli = "redis-cli --no-auth-warning --user infra_redis_exporter"
    password = site.secret("infra", "REDIS_EXPORTER_PASSWORD")
    assert "redis_version" in site.inside("redis", f"{cli} INFO server", REDISCLI_AUTH=password).stdout
    for command in (
        "GET dev_a",
        "KEYS '*'",
        "CONFIG SET maxmemory 1",
        "ACL LIST",
        "FLUSHALL",
        "CLIENT LIST",
        "MONITOR",
    ):
        assert "NOPERM" in site.inside("redis", f"{cli} {command}", REDISCLI_AUTH=password).stdout, command
    assert "WRONGPASS" in site.inside("redis", f"{cli} PING", REDISCLI_AUTH="wrong").stderr


def test_a_login_that_somebody_took_away_is_given_back(site: Site):
    drop = (
        "psql -X -U postgres -d postgres -c 'DROP OWNED BY infra_postgres_exporter; DROP ROLE infra_postgres_exporter'"
    )
    assert site.inside("postgres", drop).returncode == 0
    health = site.sandbox.run("health", "infra", "--json")
    assert health.code == 5
    site.sandbox.ok("up", "infra", timeout=300)
    assert site.sandbox.ok("health", "infra").code == 0
    eventually(lambda: [one["value"] for one in site.query("pg_up")] == [1.0], "pg_up is 1", 40)


# ---- the outside probe of an image that holds no program


def test_an_exporter_that_has_lost_its_door_is_not_healthy(site: Site):
    name = f"{site.sandbox.name}-infra-nginx-exporter-1"
    docker("pause", name)
    try:
        found = site.sandbox.run("health", "infra", "--json")
        assert found.code == 5
    finally:
        docker("unpause", name)
    eventually(lambda: site.sandbox.run("health", "infra").code == 0, "it is healthy again", 30)
