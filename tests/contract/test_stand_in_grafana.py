"""What the stand-in for Grafana speaks: a password, provisioned files, and questions that Prometheus really answers."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.contract.image_bench import Bench, Images, docker, mounted
from tests.contract.stand_in_bench import HARDENED, Served, of_one_module, serve

pytestmark = pytest.mark.docker

HEALTH = "/api/health"
ADMIN = ("chief", "filed-secret")
SETTINGS = (
    "--user=472:472",
    "--env=GF_SECURITY_ADMIN_USER=chief",
    "--env=GF_SECURITY_ADMIN_PASSWORD__FILE=/run/secrets/password",
)
SOURCE = "/etc/grafana/provisioning/datasources/prometheus.yml"
PROVIDER = "/etc/grafana/provisioning/dashboards/own.yml"
SOURCES = """\
apiVersion: 1
datasources:
  - {name: Prometheus, uid: prom, type: prometheus, access: proxy, url: "http://prometheus:9090", isDefault: true}
  - {name: Gone, uid: gone, type: prometheus, url: "http://127.0.0.1:1"}
"""
FOLDERS = "apiVersion: 1\nproviders:\n  - {name: own, type: file, options: {path: /etc/grafana/dashboards}}\n"
DASHBOARD = {"uid": "overview", "title": "Overview", "tags": ["own"], "panels": [{"id": 1, "type": "timeseries"}]}


def files(folder: Path, **replaced: str) -> list[str]:
    contents = {
        SOURCE: replaced.get("sources", SOURCES),
        PROVIDER: replaced.get("folders", FOLDERS),
        "/etc/grafana/dashboards/overview.json": replaced.get("dashboard", json.dumps(DASHBOARD)),
        "/run/secrets/password": "filed-secret\n",
    }
    return [mounted(folder, path, content) for path, content in contents.items()]


@pytest.fixture(scope="module")
def grafana(images, tmp_path_factory) -> Iterator[Served]:
    with of_one_module() as bench:
        network = f"--network={bench.network()}"
        bench.start(
            images["prometheus"], *HARDENED, network, "--network-alias=prometheus", "--tmpfs=/prometheus:uid=65534"
        )
        data = f"--volume={bench.volume()}:/var/lib/grafana"
        yield start(bench, images, tmp_path_factory.mktemp("grafana"), network, data)


def start(bench: Bench, images: Images, folder: Path, *options: str) -> Served:
    return serve(bench, images["grafana"], 3000, HEALTH, *SETTINGS, *files(folder), *options)


def ask(grafana: Served, path: str, method: str = "GET", **options) -> httpx.Response:
    return grafana.ask(method, path, auth=ADMIN, **options)


def test_health_and_the_login_page_need_no_password(grafana):
    assert grafana.ask("GET", HEALTH).json() == {"database": "ok", "version": "12.3.1", "commit": "stand-in"}
    assert "A stand-in for Grafana" in grafana.ask("GET", "/login").text
    assert grafana.ask("GET", "/").headers["location"] == "/login"
    assert "curl" in docker("exec", grafana.container, "sh", "-c", "command -v curl").stdout


@pytest.mark.parametrize("path", ["/api/datasources", "/api/search", "/api/dashboards/uid/overview", "/api/anything"])
def test_everything_else_needs_it(grafana, path):
    nobody, guessed = grafana.ask("GET", path), grafana.ask("GET", path, auth=("chief", "guessed"))
    assert (nobody.status_code, nobody.json()["message"]) == (401, "Unauthorized")
    assert (guessed.status_code, guessed.json()["message"]) == (401, "Invalid username or password")


def test_provisioned_files_are_there(grafana):
    assert [one["uid"] for one in ask(grafana, "/api/datasources").json()] == ["prom", "gone"]
    assert ask(grafana, "/api/datasources/uid/prom").json()["url"] == "http://prometheus:9090"
    (found,) = ask(grafana, "/api/search?query=over").json()
    assert (found["uid"], found["type"], found["tags"]) == ("overview", "dash-db", ["own"])
    assert ask(grafana, "/api/search?query=none").json() == []
    assert ask(grafana, "/api/dashboards/uid/overview").json()["dashboard"] == DASHBOARD


def test_prometheus_answers(grafana):
    assert ask(grafana, "/api/datasources/uid/prom/health").json()["status"] == "OK"
    proxied = ask(grafana, "/api/datasources/proxy/uid/prom/api/v1/query?query=2*21")
    assert proxied.json()["data"]["result"][1] == "42"
    queries = [{"refId": "A", "datasource": {"uid": "prom"}, "expr": "vector(42)", "instant": True}]
    queries += [{"refId": "B", "datasource": {"uid": "prom"}, "expr": "vector(7)", "intervalMs": 60_000}]
    answered = ask(grafana, "/api/ds/query", "POST", json={"queries": queries, "from": "now-5m", "to": "now"})
    results = {name: one["frames"][0]["data"]["values"][1] for name, one in answered.json()["results"].items()}
    assert results == {"A": [42], "B": [7] * 6}


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("/api/dashboards/uid/none", 404, "Dashboard not found"),
        ("/api/datasources/uid/none", 404, "Data source not found"),
        ("/api/datasources/uid/gone/health", 400, "127.0.0.1:1 does not answer"),
        ("/api/datasources/proxy/uid/gone/api/v1/query", 502, "127.0.0.1:1 does not answer"),
        ("/api/datasources/proxy/uid/prom/api/v1/query?query=(", 400, "parse error"),
        ("/api/annotations", 501, "does not speak GET /api/annotations"),
    ],
)
def test_what_cannot_be_answered_says_why(grafana, path, status, message):
    answer = ask(grafana, path)
    assert (answer.status_code, message in answer.text) == (status, True)


def test_a_question_that_is_none_is_refused(grafana):
    assert ask(grafana, "/api/ds/query", "POST", json={"queries": [{}]}).status_code == 400
    bad = [{"refId": "A", "datasource": {"uid": "prom"}, "expr": "("}]
    answer = ask(grafana, "/api/ds/query", "POST", json={"queries": bad})
    assert (answer.status_code, "parse error" in answer.json()["results"]["A"]["error"]) == (400, True)


def test_the_first_password_stays_until_it_is_changed(images, bench, tmp_path):
    data = f"--volume={bench.volume()}:/var/lib/grafana"
    first = start(bench, images, tmp_path, data)
    change = {"oldPassword": "filed-secret", "newPassword": "another-secret"}
    refused = ask(first, "/api/user/password", "PUT", json={**change, "oldPassword": "guessed"})
    assert refused.status_code == 401
    assert ask(first, "/api/user/password", "PUT", json=change).status_code == 200
    first.restart(HEALTH)
    assert ask(first, "/api/search").status_code == 401
    assert first.ask("GET", "/api/search", auth=("chief", "another-secret")).status_code == 200


@pytest.mark.parametrize(
    ("replaced", "message"),
    [
        ({"sources": "datasources: [{name: A, type: loki, url: x}]"}, "a data source needs a name, a URL and the type"),
        ({"sources": "datasources: ["}, "prometheus.yml cannot be read"),
        ({"folders": "providers: [{options: {path: /none}}]"}, "/none is no folder of dashboards"),
        ({"dashboard": "{}"}, "overview.json is no dashboard"),
    ],
)
def test_broken_files_are_named(images, bench, tmp_path, replaced, message):
    options = [*HARDENED, *SETTINGS, *files(tmp_path, **replaced), "--tmpfs=/var/lib/grafana:uid=472"]
    assert message in bench.refused(images["grafana"], *options)
