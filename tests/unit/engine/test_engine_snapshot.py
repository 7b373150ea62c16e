from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from envmgr.engine import snapshot
from envmgr.errors import EngineError
from envmgr.model.observed import (
    EngineHealth,
    Event,
    ForeignContainer,
    HealthRun,
    HostPort,
    ObservedNetwork,
    State,
)

RECORDED = Path(__file__).parent / "recorded"


def recorded(name: str) -> Any:
    """Engine 28.5.2, Compose 5.6.1."""
    return json.loads((RECORDED / f"{name}.json").read_text())


def test_a_healthy_container():
    found = snapshot.container(recorded("container_app"))
    assert (found.name, found.compose_project, found.service, found.number) == (
        "chatbot-dev-app-1",
        "chatbot-dev",
        "app",
        1,
    )
    assert (found.state, found.health, found.exit_code, found.restart_count) == (
        State.RUNNING,
        EngineHealth.HEALTHY,
        0,
        0,
    )
    assert found.image == "envmgr-test/busybox:1"
    assert found.image_id.startswith("sha256:")
    assert len(found.id) == 64
    assert found.ports == (HostPort("127.0.0.1", 18311, "tcp"), HostPort("127.0.0.1", 18312, "udp"))
    assert found.networks == {
        "chatbot-dev-data": ("chatbot-dev-app-1", "app", "api"),
        "chatbot-dev-publish": ("chatbot-dev-app-1", "app"),
    }
    assert found.revision == "4f1d0c9a7b21"
    assert (found.memory_limit, found.cpu_limit) == (64 << 20, 0.5)
    assert found.labels["envmgr.env"] == "dev"
    assert found.started_at is not None
    assert found.started_at.tzinfo is not None
    assert found.finished_at is None
    assert (found.error, found.is_oom_killed) == ("", False)


def test_a_job_that_failed():
    found = snapshot.container(recorded("container_job"))
    assert (found.state, found.health, found.exit_code) == (State.EXITED, EngineHealth.NONE, 3)
    assert found.finished_at > found.started_at
    assert (found.ports, found.revision, found.memory_limit, found.cpu_limit) == ((), "", 0, 0.0)


def test_a_crash_loop():
    found = snapshot.container(recorded("container_loop"))
    assert (found.state, found.exit_code) == (State.RESTARTING, 1)
    assert found.restart_count > 1


def test_a_container_that_could_not_start_holds_no_port_and_says_why():
    found = snapshot.container(recorded("container_clash"))
    assert (found.state, found.ports, found.started_at) == (State.CREATED, (), None)
    assert "Bind for 127.0.0.1:18311 failed: port is already allocated" in found.error


def test_one_killed_for_memory():
    document = recorded("container_job")
    document["State"] |= {"OOMKilled": True, "ExitCode": 137}
    found = snapshot.container(document)
    assert (found.is_oom_killed, found.exit_code) == (True, 137)


def test_what_an_engine_leaves_out():
    document = recorded("container_app")
    document["Config"] |= {"Env": None, "Labels": None}
    document["NetworkSettings"] |= {"Networks": None, "Ports": {"80/tcp": None}}
    document["State"] |= {"Health": None, "StartedAt": "0001-01-01T00:00:00Z"}
    found = snapshot.container(document)
    assert (found.labels, found.networks, found.ports, found.revision) == ({}, {}, (), "")
    assert (found.service, found.number, found.health, found.started_at) == ("", 1, EngineHealth.NONE, None)


def test_moments_with_nanoseconds_and_with_an_offset():
    document = recorded("container_job")
    document["State"] |= {"StartedAt": "2026-11-22T08:47:07.791368591Z", "FinishedAt": "2026-11-22T10:47:08+02:00"}
    found = snapshot.container(document)
    assert found.started_at == datetime(2026, 11, 22, 8, 47, 7, 791368, UTC)
    assert found.finished_at == datetime(2026, 11, 22, 8, 47, 8, tzinfo=UTC)


def test_a_state_that_docker_does_not_have_is_not_guessed():
    document = recorded("container_job")
    document["State"]["Status"] = "configured"
    with pytest.raises(EngineError, match="'configured'"):
        snapshot.container(document)


def test_ours_by_envmgr_label_only():
    ours, web = recorded("containers")
    if ours["Names"] != ["/chatbot-dev-app-1"]:
        ours, web = web, ours
    assert snapshot.is_ours(ours, "chatbot")
    assert not snapshot.is_ours(ours, "chat")
    assert not snapshot.is_ours({**web, "Labels": {"com.docker.compose.project": "chatbot-dev"}}, "chatbot")
    assert not snapshot.is_ours({**web, "Labels": None}, "chatbot")


def test_somebody_elses_container():
    (web,) = (it for it in recorded("containers") if it["Names"] == ["/someone-web"])
    ports = (HostPort("0.0.0.0", 18399), HostPort("::", 18399))
    assert snapshot.foreign(web) == ForeignContainer("someone-web", "", ports)
    assert snapshot.foreign({"Id": "0123456789abcdef", "Names": None, "Ports": None}).name == "0123456789ab"


def test_an_exposed_port_is_not_a_published_one():
    listed = {"Id": "x", "Names": ["/a"], "Ports": [{"PrivatePort": 6379, "Type": "tcp"}]}
    assert snapshot.foreign(listed).ports == ()


def test_networks():
    found = {it.name: it for it in map(snapshot.network, recorded("networks"))}
    assert found["host"] == ObservedNetwork("host", (), {}, "", driver="host")
    assert found["chatbot-dev-data"].subnets == ("10.231.248.0/25",)
    assert found["chatbot-dev-data"].compose_project == "chatbot-dev"
    assert (found["chatbot-dev-data"].driver, found["chatbot-dev-data"].is_internal) == ("bridge", True)
    assert found["bridge"].options["com.docker.network.bridge.enable_icc"] == "true"


def test_volumes():
    (found,) = map(snapshot.volume, recorded("volumes")["Volumes"])
    assert found.name == "chatbot-dev-app-data"
    assert found.labels["envmgr.image.source"] == "recipes"
    assert (found.driver, found.options) == ("local", {})


def test_images():
    found = snapshot.image(recorded("image"))
    assert found.id.startswith("sha256:")
    assert found.labels["org.opencontainers.image.title"] == "redis"
    assert snapshot.image({"Id": "sha256:1", "Config": None}).labels == {}
    assert snapshot.image({"Id": "sha256:1", "Config": {"Labels": None}}).labels == {}


def test_health_runs():
    assert snapshot.health_runs(recorded("container_app"))[-1] == HealthRun(0, "fine\n")
    assert snapshot.health_runs(recorded("container_job")) == ()


def test_events():
    lines = (RECORDED / "events.jsonl").read_text().splitlines()
    found = [snapshot.event(json.loads(line)) for line in lines]
    assert [(it.action, it.service) for it in found] == [("die", "loop"), ("die", "loop"), ("health_status", "app")]
    assert len(found[0].container_id) == 64


def test_an_event_of_a_container_that_compose_did_not_make():
    message = {"Action": "start", "Actor": {"ID": "1", "Attributes": {"envmgr.service": "edge"}}}
    assert snapshot.event(message) == Event("start", "1", "edge")
