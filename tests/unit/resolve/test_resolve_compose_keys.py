"""Raw Compose keys: what envmgr writes itself, what Compose does not know, what gives the host away."""

from __future__ import annotations

from typing import Any

import pytest

from envmgr.resolve.compose_keys import RawKeys, check, weakened

PLACES = {"": "services.app", "compose": "services.app.compose"}


def problems(table: dict[str, Any], *options: str, is_server: bool = False) -> list[str]:
    return [str(problem) for problem in check(RawKeys(table, PLACES, options, is_server))]


def test_nothing_is_nothing():
    assert problems({}) == []


@pytest.mark.parametrize(
    "table",
    [
        {"hostname": "app", "domainname": "example.com", "working_dir": "/srv", "stdin_open": True},
        {"sysctls": {"net.core.somaxconn": 512}, "ulimits": {"nofile": {"soft": 1024, "hard": 2048}}},
        {"labels": {"com.example.team": "a $b"}, "extra_hosts": ["db:10.0.0.1"], "dns": "10.0.0.2"},
        {"healthcheck": {"interval": "30s", "retries": 5}, "logging": {"options": {"max-size": "50m"}}},
        {"deploy": {"resources": {"reservations": {"generic_resources": []}}, "labels": {"a": "b"}}},
        {"command": ["serve"], "entrypoint": "run", "environment": {"A": "1"}, "restart": "on-failure:5"},
        {"volumes": [{"type": "bind", "source": "../src", "target": "/app", "read_only": True}]},
        {"cap_add": ["NET_ADMIN"], "devices": ["/dev/fuse"], "read_only": False, "x-note": {"any": ["thing"]}},
        {"blkio_config": {"weight": 300}, "cpuset": "0,1", "cpu_shares": 512, "shm_size": "64m", "init": False},
        {"tmpfs": ["/tmp:size=64m"], "privileged": False, "annotations": {"a": "b"}, "pid": "service:other"},
    ],
)
def test_what_compose_knows_and_envmgr_leaves_alone(table: dict[str, Any]):
    assert problems(table) == []


OWNED = [
    ({"image": "a:1"}, "image", 'set "image" or "build" instead', 'set "image" instead'),
    ({"build": "."}, "build", 'set "build", a table of [builds]', 'set "image" instead'),
    ({"container_name": "a"}, "container_name", "services are reached by their names in the spec", None),
    ({"env_file": ".env"}, "env_file", 'set "variables" instead', ""),
    ({"networks": ["default"]}, "networks", 'set "uses", "after" or "egress" instead', 'set "uses" instead'),
    ({"network_mode": "host"}, "network_mode", 'set "uses", "after" or "egress" instead', 'set "uses" instead'),
    ({"ports": ["80:80"]}, "ports", "set the port in [environments.NAME.ports]", 'set "port" or "ports" instead'),
    ({"depends_on": ["db"]}, "depends_on", 'set "after" or "uses" instead', 'set "uses" instead'),
    ({"scale": 2}, "scale", 'set "replicas" instead', ""),
    ({"deploy": {"replicas": 2}}, "deploy.replicas", 'set "replicas" instead', ""),
    ({"secrets": ["a"]}, "secrets", "declare it in [variables] with secret = true", ""),
    ({"configs": ["a"]}, "configs", "", ""),
    ({"profiles": ["a"]}, "profiles", "", ""),
    ({"extends": "a"}, "extends", "", ""),
    ({"user": "5:5"}, "user", "", ""),
    ({"mem_limit": "1g"}, "mem_limit", 'set "memory" instead', None),
    ({"pids_limit": 9}, "pids_limit", 'set "pids" instead', None),
    ({"deploy": {"resources": {"limits": {"cpus": "1"}}}}, "deploy.resources.limits.cpus", 'set "cpus" instead', None),
    ({"gpus": "all"}, "gpus", 'set "gpus" beside "compose"', ""),
    ({"stop_grace_period": "5s"}, "stop_grace_period", 'set "stop_seconds" instead', None),
    ({"healthcheck": {"disable": True}}, "healthcheck.disable", "without it nothing is known to be ready", None),
    ({"healthcheck": {"start_period": "9s"}}, "healthcheck.start_period", 'set "start_seconds" instead', None),
]


@pytest.mark.parametrize(("table", "path", "for_service", "for_server"), OWNED)
def test_what_envmgr_writes_itself_is_refused(
    table: dict[str, Any], path: str, for_service: str, for_server: str | None
):
    for is_server, hint in ((False, for_service), (True, for_service if for_server is None else for_server)):
        end = f" ({hint})" if hint else ""
        (found,) = problems(table, is_server=is_server)
        assert found == f"services.app.compose.{path}: envmgr writes this itself{end}"


@pytest.mark.parametrize(
    ("table", "path", "option"),
    [
        ({"user": "5:5"}, "user", "user"),
        ({"command": "run"}, "command", "command"),
        ({"environment": {"A": "1"}}, "environment.A", "variables"),
        ({"healthcheck": {"test": ["CMD", "true"]}}, "healthcheck.test", "healthcheck"),
        ({"healthcheck": {"test": ["CMD", "true"]}}, "healthcheck.test", "health_path"),
    ],
)
def test_what_a_kind_writes_from_its_own_keys_is_refused(table: dict[str, Any], path: str, option: str):
    message = f'services.app.compose.{path}: envmgr writes this itself (set "{option}" instead)'
    assert problems(table, option) == [message]


@pytest.mark.parametrize("label", ["envmgr.env", "com.docker.compose.project"])
def test_labels_by_which_containers_are_found_are_refused(label: str):
    found = f'services.app.compose.labels."{label}": envmgr and Compose find their containers by this label'
    assert problems({"labels": {label: "x", "other": "y"}}) == [found]


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({"read_onyl": True}, 'read_onyl: Compose knows no such key (did you mean "read_only"?)'),
        (
            {"healthcheck": {"intervall": "9s"}},
            'healthcheck.intervall: Compose knows no such key here (did you mean "interval"?)',
        ),
        ({"zzz": 1}, "zzz: Compose knows no such key"),
        ({"hostname": 1}, "hostname: expected text"),
        ({"init": {"a": 1}}, "init: expected true or false or text"),
        ({"ulimits": {"nofile": {"soft": 1}}}, "ulimits.nofile: expected hard in it"),
        ({"dns": {"a": 1}}, "dns: expected text or a list"),
        ({"dns": [1]}, "dns[0]: expected text"),
        ({"dns": ["a", "a"]}, "dns: something stands twice in this list"),
        ({"logging": {"options": {"a": True}}}, "logging.options.a: expected text or a number"),
        (
            {"deploy": {"update_config": {"order": "first"}}},
            "deploy.update_config.order: expected one of: start-first, stop-first",
        ),
        ({"volumes": [{"source": "../a", "target": "/a"}]}, "volumes[0]: expected type in it"),
        ({"cpu_percent": 101}, "cpu_percent: Compose does not take this: its schema says maximum 100"),
        ({"labels": ["a=b"]}, 'labels: expected a table (write labels = { name = "value" })'),
        ({"environment": ["A=b"]}, 'environment: expected a table (write environment = { NAME = "value" })'),
        ({"tmpfs": "/run"}, 'tmpfs: expected a list (write tmpfs = ["/run"])'),
        (
            {"volumes": ["../a:/a"]},
            'volumes[0]: expected a table (such as { type = "bind", source = "…", target = "…" })',
        ),
        (
            {"volumes": [{"type": "volume", "source": "a", "target": "/a"}]},
            'volumes[0]: envmgr writes volumes itself (set "volumes" instead)',
        ),
    ],
)
def test_what_compose_would_not_take_is_named(table: dict[str, Any], problem: str):
    assert problems(table) == [f"services.app.compose.{problem}"]


def test_no_value_is_repeated():
    found = problems(
        {"hostname": 123456, "dns": {"hunter2": 1}, "deploy": {"mode": "hunter2"}, "labels": {"a": ["hunter2"]}}
    )
    assert len(found) == 4
    assert not [one for one in found if "hunter2" in one or "123456" in one]


def test_every_problem_comes_at_once_each_key_once():
    table = {"image": 1, "read_onyl": True, "hostname": 1, "network_mode": ["host"], "cap_add": "ALL"}
    assert sorted(problems(table)) == [
        "services.app.compose.cap_add: expected a list",
        "services.app.compose.hostname: expected text",
        'services.app.compose.image: envmgr writes this itself (set "image" or "build" instead)',
        'services.app.compose.network_mode: envmgr writes this itself (set "uses", "after" or "egress" instead)',
        'services.app.compose.read_onyl: Compose knows no such key (did you mean "read_only"?)',
    ]


def test_a_problem_is_placed_where_the_environment_wrote_it():
    places = {"": "services.app", "compose.deploy": "environments.prod.services.app.compose.deploy"}
    table = {"deploy": {"replicas": 2}, "x": 1}
    found = check(RawKeys(table, places, (), is_server=False))
    assert [one.path for one in found] == [
        "environments.prod.services.app.compose.deploy.replicas",
        "services.app.compose.x",
    ]


# ---- dangers

HOST = "this gives the container the whole host"


@pytest.mark.parametrize("value", [True, "true", "yes", "1"])
def test_a_privileged_container_is_refused(value: object):
    hint = ' (name what it needs in "cap_add" or "devices")'
    assert problems({"privileged": value}) == [f"services.app.compose.privileged: {HOST}{hint}"]


@pytest.mark.parametrize("key", ["pid", "ipc", "uts", "userns_mode", "cgroup"])
def test_a_namespace_of_the_host_is_refused(key: str):
    (found,) = problems({key: "host"})
    assert found.startswith(f"services.app.compose.{key}: this shares the host's ")


@pytest.mark.parametrize(
    "source",
    [
        *("/var/run/docker.sock", "/run/docker.sock", "/var/../run//docker.sock", "../../run/docker.sock"),
        *("/run/user/1000/docker.sock", "/", "/run", "/var/run/", "/var"),
    ],
)
def test_the_engines_own_socket_is_refused(source: str):
    mount = {"type": "bind", "source": source, "target": "/x", "read_only": True}
    hint = " (whoever reaches docker.sock is root on the host)"
    assert problems({"volumes": [mount]}) == [f"services.app.compose.volumes[0]: {HOST}{hint}"]
    assert f"services.app.compose.volumes[0]: {HOST}{hint}" in problems({"volumes": [f"{source}:/x"]})


def test_composes_own_way_to_the_socket_is_refused():
    assert problems({"use_api_socket": True}) == [f"services.app.compose.use_api_socket: {HOST}"]


def test_what_weakens_a_service_is_said():
    table = {
        "cap_add": ["NET_ADMIN"],
        "security_opt": ["seccomp=unconfined", "label:disable", "no-new-privileges:false", "apparmor=mine"],
        "devices": ["/dev/fuse:/dev/fuse", {"source": "/dev/sda", "target": "/dev/sda"}],
        "volumes": [{"type": "bind", "source": "/srv/data", "target": "/data"}, {"type": "tmpfs", "target": "/t"}],
        "ipc": "service:other",
        "group_add": ["docker"],
        "read_only": False,
        "logging": {"driver": "none"},
    }
    assert weakened(table) == (
        "gets the capability NET_ADMIN",
        "runs with seccomp=unconfined",
        "runs with label:disable",
        "runs with no-new-privileges:false",
        "reaches the device /dev/fuse",
        "reaches the device /dev/sda",
        "reaches /srv/data of the host",
        "shares shared memory with service:other",
        "has group_add",
        "can write its own root",
        "keeps no log",
    )


def test_what_weakens_nothing_is_not_said():
    assert weakened({"cap_drop": ["ALL"], "read_only": True, "labels": {"a": "b"}, "logging": {"options": {}}}) == ()
