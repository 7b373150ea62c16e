"""The whole reference system: every server of its base at work for three environments side by side."""

from __future__ import annotations

import json
import tomllib

import httpx
import pytest

from tests.docker.conftest import ROOT, Chatbot, docker, eventually

pytestmark = pytest.mark.docker
ENVIRONMENTS = ("dev", "stage", "prod")
MEGABYTE = 1024**2


def at_the_door(chatbot: Chatbot, host: str, path: str = "/whoami") -> httpx.Response:
    return httpx.get(chatbot.at(8100, path), headers={"Host": host}, timeout=20)


def found(chatbot: Chatbot, environment: str, words: str) -> list[str]:
    answer = httpx.get(chatbot.url(environment, "/messages/search"), params={"q": words}, timeout=20)
    return [message["text"] for message in answer.raise_for_status().json()["messages"]]


def test_a_message_is_stored_embedded_and_found_in_its_own_environment_alone(chatbot: Chatbot) -> None:
    for environment in ENVIRONMENTS:
        text = f"a quick brown fox of {environment}"
        httpx.post(chatbot.url(environment, "/messages"), json={"text": text}, timeout=20).raise_for_status()
    for environment in ENVIRONMENTS:
        mine = f"a quick brown fox of {environment}"
        eventually(lambda e=environment, m=mine: m in found(chatbot, e, m), f"{environment} finds its message", 60)
    for environment in ENVIRONMENTS:
        others = [text for text in found(chatbot, environment, "quick brown fox") if " of " in text]
        assert {text.rpartition(" ")[2] for text in others} == {environment}


def test_a_file_lies_in_its_own_environments_bucket_alone(chatbot: Chatbot) -> None:
    for environment in ENVIRONMENTS:
        body = f"content of {environment}".encode()
        put = httpx.put(chatbot.url(environment, f"/files/{environment}.txt"), content=body, timeout=20)
        assert put.raise_for_status().json() == {"name": f"{environment}.txt", "size": len(body)}
        assert httpx.get(chatbot.url(environment, f"/files/{environment}.txt"), timeout=20).content == body
    for environment in ENVIRONMENTS:
        names = {one["name"] for one in httpx.get(chatbot.url(environment, "/files"), timeout=20).json()["files"]}
        assert names & {f"{one}.txt" for one in ENVIRONMENTS} == {f"{environment}.txt"}
    assert httpx.get(chatbot.url("dev", "/files/prod.txt"), timeout=20).status_code == 404


def test_the_door_leads_by_host_name_to_whichever_are_up(chatbot: Chatbot) -> None:
    for environment in ENVIRONMENTS:
        assert at_the_door(chatbot, f"{environment}.localhost").json()["environment"] == environment
    assert at_the_door(chatbot, "nobody.localhost").status_code == 421
    assert at_the_door(chatbot, "localhost", "/health").text == "ok\n"
    nginx = chatbot.sandbox.identity("infra")
    chatbot.sandbox.ok("down", "stage")
    try:
        down = at_the_door(chatbot, "stage.localhost")
        assert (down.status_code, "Retry-After" in down.headers) == (503, True)
        assert at_the_door(chatbot, "prod.localhost").status_code == 200
    finally:
        chatbot.sandbox.ok("up", "stage")
    assert at_the_door(chatbot, "stage.localhost").status_code == 200
    assert chatbot.sandbox.identity("infra") == nginx


def test_the_door_shows_the_applications_health_under_its_host_name(chatbot: Chatbot) -> None:
    answer = at_the_door(chatbot, "dev.localhost", "/health").json()
    assert answer["status"] == "ok"
    assert answer["checks"].keys() == {"postgres", "redis", "qdrant", "storage"}


def test_prometheus_scrapes_every_service_that_tells_figures(chatbot: Chatbot) -> None:
    def targets() -> dict[tuple[str, str], str]:
        listed = httpx.get(chatbot.at(9090, "/api/v1/targets"), timeout=20).json()["data"]["activeTargets"]
        return {(one["labels"].get("environment", ""), one["labels"]["service"]): one["health"] for one in listed}

    wanted = {(environment, "app") for environment in ENVIRONMENTS}
    wanted |= {("infra", name) for name in ("postgres-exporter", "redis-exporter", "node-exporter", "minio")}
    eventually(lambda: wanted <= {key for key, health in targets().items() if health == "up"}, "all are scraped", 90)
    query = {"query": 'sum by (environment) (http_requests_total{service="app"})'}
    result = httpx.get(chatbot.at(9090, "/api/v1/query"), params=query, timeout=20).json()["data"]["result"]
    assert {one["metric"]["environment"] for one in result} == set(ENVIRONMENTS)


def test_the_applications_figures_have_the_guides_names(chatbot: Chatbot) -> None:
    text = httpx.get(chatbot.url("dev", "/metrics"), timeout=20).text
    for name in ("http_requests_total{", "http_request_duration_seconds_sum", "http_requests_active", "db_connections"):
        assert name in text, name


def test_grafana_lets_nobody_in_without_its_password(chatbot: Chatbot) -> None:
    assert httpx.get(chatbot.at(3000, "/api/health"), timeout=20).status_code == 200
    assert httpx.get(chatbot.at(3000, "/api/search"), timeout=20).status_code == 401
    lines = (chatbot.sandbox.folder / ".env.infra").read_text().splitlines()
    values = dict(line.split("=", 1) for line in lines if "=" in line)
    login = ("admin", values["GRAFANA_ADMIN_PASSWORD"].strip("'"))
    boards = httpx.get(chatbot.at(3000, "/api/search"), auth=login, timeout=20).json()
    wanted = {"Application Overview", "Request Metrics", "Database Performance", "Celery Task Monitoring"}
    assert {board["title"] for board in boards} >= wanted


def test_what_stands_in_for_a_server_is_named(chatbot: Chatbot) -> None:
    stacks = chatbot.sandbox.ok("status", "infra", "--json").json["stacks"]
    stand_ins = {row["service"] for row in stacks[0]["rows"] if row["stand_in"]}
    assert stand_ins == {"qdrant", "minio", "grafana"}
    assert "stand-in: infra qdrant is qdrant-client" in chatbot.sandbox.ok("status", "infra").out
    images = {one["reference"]: one for one in chatbot.sandbox.ok("images", "list", "infra", "--json").json["images"]}
    assert images["postgres:17"]["stand_in"] == ""
    assert any(one["stand_in"] for one in images.values())


def test_everything_is_healthy_together_within_the_hosts_memory(
    chatbot: Chatbot, capsys: pytest.CaptureFixture[str]
) -> None:
    health = chatbot.sandbox.ok("health", "--json").json
    base = tomllib.loads((ROOT / "envmgr.toml").read_text())["infra"]
    asked = {(probe["target"], probe["service"]) for probe in health["probes"]}
    assert {("infra", name) for name in base} | {(e, "app") for e in ENVIRONMENTS} <= asked
    names = list(chatbot.sandbox.containers())
    lines = docker("stats", "--no-stream", "--format", "{{json .}}", *names).splitlines()
    used = sum(_bytes(json.loads(line)["MemUsage"].split(" / ")[0]) for line in lines)
    total = int(docker("info", "--format", "{{.MemTotal}}"))
    with capsys.disabled():
        print(f"\n{len(lines)} containers use {used / MEGABYTE:.0f} MiB of {total / MEGABYTE:.0f} MiB", end=" ")
    assert used < total / 2


def _bytes(text: str) -> float:
    units = {"GiB": 1024**3, "MiB": MEGABYTE, "KiB": 1024, "kB": 1000, "B": 1}
    unit = next(one for one in units if text.endswith(one))
    return float(text.removesuffix(unit)) * units[unit]


def test_no_environment_reaches_another_or_what_of_the_base_is_not_for_it(chatbot: Chatbot) -> None:
    proof = chatbot.sandbox.run("prove", "--json").json
    outcomes = {(one["area"], one["what"], one["outcome"]) for one in proof["findings"]}
    assert {area for area, _, outcome in outcomes if outcome == "refused"} >= {
        *("postgres", "redis", "minio", "qdrant", "network", "files", "host"),
    }
    # A program of this machine that listens on all of its addresses is nothing that the system could close.
    assert {(area, what) for area, what, outcome in outcomes if outcome in ("open", "exposed")} <= {
        ("host", "reach listeners"),
    }
    assert {(area, what) for area, what, outcome in outcomes if outcome == "not tried"} <= {
        ("qdrant", "list the server's snapshots"),
        ("host", "reach listeners"),
    }
    assert ("host", "what prometheus measures: every environment can read it", "shared") in outcomes


def test_nothing_is_left_to_do_and_nothing_to_explain(chatbot: Chatbot) -> None:
    plan = chatbot.sandbox.ok("plan", "--json")
    assert plan.json["steps"] == []
    assert "healthy" in chatbot.sandbox.ok("why", "dev").out
