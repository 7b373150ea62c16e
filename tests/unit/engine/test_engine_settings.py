"""How a container was made, read from what an engine says of it."""

from __future__ import annotations

from typing import Any

import pytest

from envmgr import naming
from envmgr.engine import settings
from envmgr.model.observed import Mount, ObservedHealthcheck, Settings
from envmgr.model.stack import Healthcheck, Publication
from tests.unit.engine.test_engine_snapshot import recorded


def read(config: dict[str, Any] | None = None, host: dict[str, Any] | None = None) -> Settings:
    return settings.of_container(config or {}, host or {})


def test_a_recorded_container():
    document = recorded("container_app")
    found = settings.of_container(document["Config"], document["HostConfig"])
    assert found.command == ("sh", "-c", "echo hello; sleep 100000")
    assert found.variables == {"LEVEL": "a=b", "PATH": "/bin"}
    assert (found.memory, found.cpus, found.has_init, found.is_read_only) == (64 << 20, 0.5, True, False)
    assert found.ports == (
        Publication(8000, 18311, "127.0.0.1", "tcp"),
        Publication(9000, 18312, "127.0.0.1", "udp"),
    )


def test_an_engine_that_says_nothing():
    assert read() == Settings(logging={"": ""})


def test_a_capability_is_named_as_compose_names_it():
    assert read(host={"CapDrop": ["CAP_NET_BIND_SERVICE", "ALL"]}).dropped == ("ALL", "NET_BIND_SERVICE")


def test_values_of_the_operators_files_never_get_in():
    revision = naming.revision({"TOKEN": "0123456789ab", "URL": "ab0123456789"})
    found = read({"Env": ["MODE=calm", "URL=db://secret", f"{naming.REVISION}={revision}", "TOKEN=secret"]})
    assert found.variables == {"MODE": "calm"}
    assert "secret" not in repr(found)


@pytest.mark.parametrize(
    ("requests", "expected"),
    [
        (None, ""),
        ([{"Count": 2, "Capabilities": [["gpu"]]}], "2"),
        ([{"Count": -1, "Capabilities": [["gpu", "utility"]]}], "all"),
        ([{"Count": 1, "Capabilities": [["tpu"]]}], ""),
    ],
)
def test_devices(requests: Any, expected: str):
    assert read(host={"DeviceRequests": requests}).gpus == expected


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ({}, "no"),
        ({"Name": ""}, "no"),
        ({"Name": "always", "MaximumRetryCount": 0}, "always"),
        ({"Name": "on-failure", "MaximumRetryCount": 3}, "on-failure:3"),
    ],
)
def test_restart_policies(policy: dict, expected: str):
    assert read(host={"RestartPolicy": policy}).restart == expected


def test_mounts_that_were_asked_for_and_no_others():
    host = {
        "Binds": ["play-data:/data:rw", "/host/file:/etc/file:ro,z"],
        "Mounts": [
            {"Type": "volume", "Source": "play-more", "Target": "/more", "ReadOnly": True},
            {"Type": "bind", "Source": "/host/secret", "Target": "/run/secrets/A", "ReadOnly": True},
            {"Type": "tmpfs", "Target": "/tmp"},
        ],
    }
    assert read(host=host).mounts == (
        Mount("play-data", "/data"),
        Mount("", "/etc/file", is_read_only=True),
        Mount("play-more", "/more", is_read_only=True),
        Mount("", "/run/secrets/A", is_read_only=True),
    )


@pytest.mark.parametrize("test", [[], ["NONE"], None])
def test_a_healthcheck_that_is_none(test: Any):
    assert read({"Healthcheck": {"Test": test}}).healthcheck is None


def test_a_healthcheck_in_seconds():
    check = {"Test": ["CMD", "true"], "Interval": 1_500_000_000, "Timeout": 5_000_000_000, "Retries": 3}
    assert read({"Healthcheck": check | {"StartPeriod": 90_000_000_000}}).healthcheck == ObservedHealthcheck(
        Healthcheck(("CMD", "true"), interval=1.5, timeout=5, retries=3, start_interval=0), 90
    )


def test_a_process_limit_of_none():
    assert [read(host={"PidsLimit": limit}).pids for limit in (None, 0, -1, 64)] == [0, 0, 0, 64]
