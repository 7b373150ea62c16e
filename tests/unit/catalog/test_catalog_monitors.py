"""Prometheus, Alertmanager and Grafana: what is read, what is told, what is shown."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from envmgr.catalog.alertmanager import Alertmanager
from envmgr.catalog.exporters import BlackboxExporter
from envmgr.catalog.grafana import Grafana
from envmgr.catalog.grafana_dashboards import DASHBOARDS
from envmgr.catalog.kind import Client, Endpoint, Metrics, Server, Site
from envmgr.catalog.prometheus import Prometheus
from envmgr.catalog.registry import INFRA
from envmgr.errors import SpecError
from envmgr.model.needed import Needed, Origin
from envmgr.model.secret import SecretRef
from envmgr.model.stack import HttpProbe, Image, Resources, SecretMount, System
from envmgr.render.files import render
from tests.making import MEGABYTE


def server(kind: str, *peers: Server, port: int | None = None, target: str = "infra", **options: Any) -> Server:
    limits = Resources(0.5, 256 * MEGABYTE, 64)
    uses = {peer.name: peer for peer in peers}
    return Server("play", target, kind, INFRA[kind].Options(**options), limits, None, port, {}, uses, kind)


def endpoint(target: str, service: str, kind: str, port: int | None, path: str = "/metrics") -> Endpoint:
    host = service if target == "infra" else f"{service}--{target}"
    return Endpoint(target, service, kind, host, 8000, Metrics(port, path) if port else None)


def read(one: Server, *endpoints: Endpoint) -> dict[str, Any]:
    draft = Prometheus().oversee(Prometheus().draft(one), one, Site("play", endpoints))
    return dict(draft.configs[0].context)


SPEC = """\
[project]
name = "play"
[infra.prometheus]
uses = ["alertmanager", "blackbox-exporter"]
[infra.alertmanager]
{alertmanager}
[infra.grafana]
{grafana}
[infra.blackbox-exporter]
targets = ["https://chat.example/?a=1&b='2'"]
[infra.node-exporter]
[services.app]
kind = "asgi"
image = "registry.example/web:1"
app = "a:b"
metrics_path = "/metrics"
replicas = 3
[services.flower]
kind = "flower"
image = "registry.example/web:1"
app = "a:b"
[environments.dev]
[environments.prod]
"""


def files(system_of: Any, alertmanager: str = "", grafana: str = 'uses = ["prometheus"]') -> dict[str, str]:
    return render(system_of(SPEC.format(alertmanager=alertmanager, grafana=grafana)), Path("/nowhere"))


def document(system_of: Any, path: str, **spec: str) -> dict[str, Any]:
    return yaml.safe_load(files(system_of, **spec)[f"config/infra/{path}"])


# ---- Prometheus


def test_prometheus_as_it_is_by_default():
    draft = Prometheus().draft(server("prometheus", port=9090))
    assert (draft.image, draft.user) == (Image("prom/prometheus:v2.53.3"), "65534:65534")
    assert draft.command == (
        "--config.file=/etc/prometheus/prometheus.yml",
        "--storage.tsdb.path=/prometheus",
        "--storage.tsdb.retention.time=15d",
        "--storage.tsdb.retention.size=2GB",
    )
    assert (draft.volumes, draft.target_port) == ({"data": "/prometheus"}, 9090)
    assert draft.probe == HttpProbe(9090, "/-/ready")
    assert draft.healthcheck.test == ("CMD", "wget", "-q", "-T", "4", "-O", "-", "http://127.0.0.1:9090/-/healthy")
    assert draft.faces_environments
    assert Prometheus().draft(server("prometheus")).probe is None


def test_every_service_that_serves_metrics_is_read_under_its_kind():
    jobs = read(
        server("prometheus"),
        endpoint("infra", "redis-exporter", "redis-exporter", 9121),
        endpoint("infra", "redis", "redis", None),
        endpoint("dev", "app", "asgi", 8000),
        endpoint("prod", "app", "asgi", 8000),
    )["jobs"]
    assert [(one["name"], one["path"]) for one in jobs] == [("redis-exporter", "/metrics"), ("asgi", "/metrics")]
    assert jobs[1]["targets"] == [
        {"host": "app--dev", "port": 8000, "environment": "dev", "service": "app"},
        {"host": "app--prod", "port": 8000, "environment": "prod", "service": "app"},
    ]


def test_another_path_is_another_job_of_the_same_kind():
    jobs = read(server("prometheus"), endpoint("dev", "a", "asgi", 1), endpoint("dev", "b", "asgi", 1, "/m"))["jobs"]
    assert [(one["name"], one["kind"], one["path"]) for one in jobs] == [
        ("asgi", "asgi", "/metrics"),
        ("asgi-2", "asgi", "/m"),
    ]


def test_what_it_is_told_to_use():
    blackbox = server("blackbox-exporter", targets=("https://x.example/",))
    found = read(server("prometheus", server("alertmanager"), blackbox))
    assert found["alertmanagers"] == ["alertmanager:9093"]
    assert found["blackboxes"] == [
        {
            "name": "blackbox-exporter",
            "environment": "infra",
            "address": "blackbox-exporter:9115",
            "targets": ["https://x.example/"],
        }
    ]
    assert (read(server("prometheus"))["alertmanagers"], read(server("prometheus"))["blackboxes"]) == ([], [])


def test_each_container_of_a_service_is_a_target_and_one_that_is_down_is_none(system_of: Any):
    jobs = {one["job_name"]: one for one in document(system_of, "prometheus/prometheus.yml")["scrape_configs"]}
    assert [one["names"] for one in jobs["asgi"]["dns_sd_configs"]] == [["app--dev"], ["app--prod"]]
    assert {one["type"] for one in jobs["asgi"]["dns_sd_configs"]} == {"A"}
    assert [one["port"] for one in jobs["flower"]["dns_sd_configs"]] == [5555, 5555]
    labels = [(one["regex"], one["target_label"], one["replacement"]) for one in jobs["asgi"]["relabel_configs"]]
    assert labels == [
        ("app--dev", "environment", "dev"),
        ("app--dev", "service", "app"),
        ("app--prod", "environment", "prod"),
        ("app--prod", "service", "app"),
    ]
    assert len(jobs) == len(set(jobs)) == 7


def test_pages_are_asked_for_through_the_exporter(system_of: Any):
    jobs = {one["job_name"]: one for one in document(system_of, "prometheus/prometheus.yml")["scrape_configs"]}
    job = jobs["blackbox-exporter-pages"]
    assert job["static_configs"][0]["targets"] == ["https://chat.example/?a=1&b='2'"]
    assert job["relabel_configs"][-1] == {"target_label": "__address__", "replacement": "blackbox-exporter:9115"}


def alerts(system_of: Any, kept: tuple[str, ...] = ("node-exporter", "blackbox-exporter")) -> dict[str, dict[str, Any]]:
    groups = document(system_of, "prometheus/rules.yml")["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def test_only_what_the_metrics_can_tell_is_an_alert(system_of: Any):
    found = alerts(system_of)
    assert list(found) == [
        *("ServiceDown", "HighErrorRate", "MemoryExhaustion", "CPUExhaustion", "DiskFilling", "PageDown"),
    ]
    assert (found["ServiceDown"]["for"], found["ServiceDown"]["labels"]) == ("1m", {"severity": "critical"})
    # The limits are those of the operations guide: 10 % of requests, 80 % of memory, 75 % of processors, 85 % of disk.
    limits = {name: rule["expr"].split(" ")[-1] for name, rule in found.items() if " > " in rule["expr"]}
    assert limits == {
        "HighErrorRate": "0.10",
        "MemoryExhaustion": "0.80",
        "CPUExhaustion": "0.75",
        "DiskFilling": "0.85",
    }


def test_servers_are_watched_through_their_exporters():
    one = server("prometheus")
    site = Site("play", tuple(endpoint("infra", kind, kind, 1) for kind in ("redis-exporter", "postgres-exporter")))
    rules = Prometheus().oversee(Prometheus().draft(one), one, site).configs[1].context
    assert rules["servers"] == ["pg_up == 0", "redis_up == 0"]


# ---- Alertmanager


def test_alertmanager_shows_alerts_and_tells_nobody_by_default(system_of: Any):
    draft = Alertmanager().draft(server("alertmanager", port=9093))
    assert (draft.image, draft.user) == (Image("prom/alertmanager:v0.28.1"), "65534:65534")
    assert (draft.probe, draft.egress, draft.needed) == (HttpProbe(9093, "/-/ready"), False, ())
    assert document(system_of, "alertmanager/alertmanager.yml")["receivers"] == [{"name": "operator"}]


def test_a_webhook_is_told(system_of: Any):
    url = "https://hooks.example/a?b=1&c=2"
    found = document(system_of, "alertmanager/alertmanager.yml", alertmanager=f'webhook_url = "{url}"')
    assert found["receivers"] == [{"name": "operator", "webhook_configs": [{"url": url}]}]
    assert Alertmanager().draft(server("alertmanager", webhook_url=url)).egress


def test_a_webhook_whose_url_is_a_secret_stands_in_a_file(system_of: Any):
    draft = Alertmanager().draft(server("alertmanager", webhook_secret=True))
    name = "ALERTMANAGER_WEBHOOK_URL"
    assert draft.secrets == (SecretMount(name, (SecretRef(name, "infra"),)),)
    place = "infra.alertmanager.webhook_secret"
    assert draft.needed == (Needed(name, "infra", True, Origin.OPERATOR, place=place),)
    assert draft.egress
    found = document(system_of, "alertmanager/alertmanager.yml", alertmanager="webhook_secret = true")
    assert found["receivers"][0]["webhook_configs"] == [{"url_file": f"/run/secrets/{name}"}]


# ---- Grafana


def test_grafana_lets_nobody_in_without_a_password():
    draft = Grafana().draft(server("grafana", server("prometheus"), port=3000, login="ops"))
    password = SecretRef("GRAFANA_ADMIN_PASSWORD", "infra")
    assert draft.secrets == (SecretMount(password.name, (password,)),)
    assert draft.variables["GF_SECURITY_ADMIN_PASSWORD__FILE"] == "/run/secrets/GRAFANA_ADMIN_PASSWORD"
    assert draft.templated == {"GF_SECURITY_ADMIN_USER": (SecretRef("GRAFANA_ADMIN_USER", "infra"),)}
    assert draft.needed == (
        Needed("GRAFANA_ADMIN_USER", "infra", False, Origin.OPERATOR, is_required=False, default="ops"),
        Needed("GRAFANA_ADMIN_PASSWORD", "infra", True, Origin.GENERATED, place="infra.grafana"),
    )
    assert draft.login == "ops, GRAFANA_ADMIN_PASSWORD"
    assert not [name for name in draft.variables if "ANONYMOUS" in name]
    assert (draft.probe, draft.user, draft.egress) == (HttpProbe(3000, "/api/health"), "472:472", False)


def test_it_shows_the_prometheus_that_it_uses(system_of: Any):
    (source,) = document(system_of, "grafana/prometheus.yml")["datasources"]
    assert (source["uid"], source["url"], source["isDefault"]) == ("prometheus", "http://prometheus:9090", True)


@pytest.mark.parametrize(("uses", "line"), [("", 7), ('uses = ["alertmanager"]', 8)])
def test_without_a_prometheus_it_has_nothing_to_show(system_of: Any, uses: str, line: int):
    with pytest.raises(SpecError) as caught:
        files(system_of, grafana=uses)
    (problem,) = caught.value.problems
    assert (problem.path, problem.line) == ("infra.grafana.uses", line)
    assert problem.message == "it watches one prometheus, and names 0"


def test_the_dashboards_of_the_guide(system_of: Any):
    found = {
        p: json.loads(text)
        for p, text in files(system_of).items()
        if p.startswith("config/infra/grafana/") and p.endswith(".json")
    }
    assert sorted(one["title"] for one in found.values()) == [
        *("Application Overview", "Celery Task Monitoring", "Database Performance"),
        *("Request Metrics", "System Resources"),
    ]
    for one in found.values():
        places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in one["panels"]]
        assert len(set(places)) == len(places)
        assert {panel["datasource"]["uid"] for panel in one["panels"]} == {"prometheus"}
        assert one["uid"] == one["title"].lower().replace(" ", "-")


def test_every_query_has_its_brackets_and_its_labels():
    for dashboard in DASHBOARDS:
        for panel in dashboard.panels:
            for query, legend in panel.queries:
                assert query.count("(") == query.count(")"), query
                assert query.count("{") == query.count("}"), query
                assert "{{" not in query
                for label in re.findall(r"{{(\w+)}}", legend):
                    aggregated = re.search(r"by \(([^)]*)\)", query)
                    assert aggregated is None or label in aggregated[1].split(", "), (query, label)


# ---- all of them


@pytest.mark.parametrize("kind", [Prometheus(), Alertmanager(), Grafana(), BlackboxExporter()])
def test_an_environment_owns_nothing_in_a_monitor(kind: Any):
    bound = kind.bind(server("prometheus"), Client("dev", "dev_"))
    assert (bound.grants, bound.variables, bound.secrets, bound.needed) == ((), {}, (), ())


def test_whoever_needs_it_first_waits_for_it(system_of: Any):
    system: System = system_of(SPEC.format(alertmanager="", grafana='uses = ["prometheus"]'))
    assert [one.service for one in system.base.service("grafana").depends_on] == ["prometheus"]
    assert [one.service for one in system.base.service("prometheus").depends_on] == [
        "alertmanager",
        "blackbox-exporter",
    ]
    assert [one.name for one in system.base.services if one.faces_environments] == ["prometheus"]
