"""Facts of a service: the same for two ways to say one thing, and different as soon as one thing is missing."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from envmgr.importing.facts import Reading, differing, facts

BODY: dict[str, Any] = {
    "command": ["serve", "--fast"],
    "entrypoint": ["/tini"],
    "restart": "always",
    "hostname": "web",
    "cap_add": ["SYS_NICE", "NET_RAW"],
    "labels": {"com.example.a": "1", "com.example.b": ""},
    "dns": ["10.0.0.2"],
    "ulimits": {"nofile": {"soft": 1, "hard": 2}},
    "tmpfs": ["/run"],
    "stop_signal": "SIGQUIT",
    "ports": [
        {"target": 80, "published": "8000", "protocol": "tcp"},
        {"target": 53, "published": "53", "protocol": "udp"},
    ],
    "volumes": [
        {"type": "bind", "source": "/src", "target": "/srv", "read_only": True, "bind": {"propagation": "rslave"}},
        {"type": "volume", "source": "data", "target": "/data", "volume": {"nocopy": True}},
        {"type": "tmpfs", "target": "/scratch", "tmpfs": {"size": "1024"}},
    ],
    "secrets": [{"source": "key", "target": "/run/secrets/key"}],
    "configs": [{"source": "conf", "target": "/etc/conf"}],
    "healthcheck": {"test": ["CMD", "true"], "interval": "10s", "retries": 4},
    "deploy": {"replicas": 2, "resources": {"limits": {"memory": "1048576"}}, "labels": {"tier": "web"}},
    "networks": {"back": {"ipv4_address": "10.0.0.9"}},
    "x-other": {"deep": [1, {"a": "b"}]},
}


def reading(body: dict[str, Any]) -> Reading:
    return Reading(
        body=body,
        image="a:1",
        variables={"MODE": "fast", "UNSET": None},
        secrets={"key": "file /key"},
        configs={"conf": {"file": "/conf"}},
        depends_on={"db": {"condition": "service_healthy", "required": False}},
    )


def paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the place of every leaf, and of every entry of a list."""
    if isinstance(value, dict):
        return [place for key, inner in value.items() for place in paths(inner, (*at, key))]
    if isinstance(value, list):
        return [place for index, inner in enumerate(value) for place in ((*at, index), *paths(inner, (*at, index)))]
    return [at]


def without(body: dict[str, Any], place: tuple[Any, ...]) -> dict[str, Any]:
    changed = copy.deepcopy(body)
    inner = changed
    for key in place[:-1]:
        inner = inner[key]
    del inner[place[-1]]
    return changed


NEEDED = {("target",), ("type",), ("source",), ("protocol",)}
"""Keys without which Compose would not have printed the entry."""


@pytest.mark.parametrize("place", [p for p in paths(BODY) if (p[-1],) not in NEEDED], ids=str)
def test_each_thing_that_is_taken_away_is_seen(place: tuple[Any, ...]):
    assert list(differing(facts(reading(BODY)), facts(reading(without(BODY, place))))) != []


def test_the_same_is_the_same():
    assert list(differing(facts(reading(BODY)), facts(reading(copy.deepcopy(BODY))))) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"healthcheck": {"test": ["CMD-SHELL", "x"]}}, {"healthcheck": {"test": ["CMD", "/bin/sh", "-c", "x"]}}),
        ({"mem_limit": "1048576"}, {"deploy": {"resources": {"limits": {"memory": "1048576"}}}}),
        ({"scale": 3}, {"deploy": {"replicas": 3}}),
        ({"cap_add": ["A", "B"]}, {"cap_add": ["B", "A"]}),
        ({"restart": "no", "tty": False, "command": None}, {}),
        (
            {"gpus": [{"count": -1}]},
            {
                "deploy": {
                    "resources": {
                        "reservations": {"devices": [{"count": -1, "driver": "nvidia", "capabilities": ["gpu"]}]}
                    }
                }
            },
        ),
        (
            {"configs": [{"source": "conf", "target": "/etc/conf"}]},
            {
                "volumes": [
                    {
                        "type": "bind",
                        "source": "/conf",
                        "target": "/etc/conf",
                        "read_only": True,
                        "bind": {"create_host_path": False},
                    }
                ]
            },
        ),
    ],
)
def test_two_ways_to_say_one_thing_are_one(one: dict[str, Any], other: dict[str, Any]):
    assert facts(reading(one)) == facts(reading(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"command": ["a", "b"]}, {"command": ["b", "a"]}),
        ({"dns": ["1", "2"]}, {"dns": ["2", "1"]}),
        ({"read_only": True}, {}),
        (
            {"ports": [{"target": 80, "published": "80"}]},
            {"ports": [{"target": 80, "published": "80", "protocol": "udp"}]},
        ),
    ],
)
def test_order_and_words_that_mean_something_are_not_forgiven(one: dict[str, Any], other: dict[str, Any]):
    assert facts(reading(one)) != facts(reading(other))
