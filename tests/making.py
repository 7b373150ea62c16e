"""Short ways to make the values that tests need; what a test does not name is ordinary."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from envmgr.model.observed import Container, EngineHealth, Host, HostPort, Observed, State
from envmgr.model.stack import Image, Network, Resources, Service, Stack, System

MEGABYTE = 1024**2
GIGABYTE = 1024**3
NOW = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)


def seconds_ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def service(name: str = "app", **fields: Any) -> Service:
    given = {
        "kind": "asgi",
        "image": Image("registry.example/app:1.0"),
        "user": "10001:10001",
        "command": ("serve",),
        "resources": Resources(cpus=1.0, memory=512 * MEGABYTE, pids=64),
        "start_seconds": 60,
        "stop_seconds": 10,
    }
    return Service(name, **(given | fields))


def stack(*services: Service, target: str = "dev", project: str = "play", **fields: Any) -> Stack:
    given = {"networks": (), "volumes": (), "is_base": target == "infra"}
    return Stack(project, target, f"{project}-{target}", services, **(given | fields))


def system(*environments: Stack, base: Stack | None = None) -> System:
    return System("play", base or stack(target="infra"), environments, {})


def network(name: str, subnet: str, **fields: Any) -> Network:
    return Network("data", name, subnet, is_internal=True, **fields)


def container(service: str = "app", target: str = "dev", **fields: Any) -> Container:
    """Make a container that has been running for an hour."""
    given = {
        "id": f"{service}-id",
        "name": f"play-{target}-{service}-{fields.get('number', 1)}",
        "compose_project": f"play-{target}",
        "service": service,
        "number": 1,
        "image": "registry.example/app:1.0",
        "image_id": "sha256:1",
        "state": State.RUNNING,
        "health": EngineHealth.NONE,
        "exit_code": 0,
        "restart_count": 0,
        "is_oom_killed": False,
        "started_at": seconds_ago(3600),
        "finished_at": None,
        "labels": {},
        "networks": {},
        "ports": (),
        "revision": "",
    }
    return Container(**(given | fields))


def observed(*containers: Container, **fields: Any) -> Observed:
    return Observed(**({"containers": containers, "foreign": (), "networks": (), "volumes": ()} | fields))


def port(number: int, host_ip: str = "127.0.0.1") -> HostPort:
    return HostPort(host_ip, number)


def host(**fields: Any) -> Host:
    given = {
        "cpus": 8,
        "memory": 16 * GIGABYTE,
        "engine_version": "28.5.2",
        "compose_version": "5.6.1",
        "is_local": True,
        "free_disk": 100 * GIGABYTE,
    }
    return Host(**(given | fields))
