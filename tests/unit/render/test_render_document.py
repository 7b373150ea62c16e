"""A stack as a document: what is in it, and what changes a service's hash."""

from __future__ import annotations

from dataclasses import replace

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from envmgr import naming
from envmgr.model.secret import SecretRef
from envmgr.model.stack import (
    Build,
    Condition,
    ConfigMount,
    Dependency,
    Healthcheck,
    Image,
    Network,
    Publication,
    Resources,
    SecretMount,
    Service,
    Stack,
    System,
    Tmpfs,
    Volume,
    VolumeMount,
)
from envmgr.render.document import document, substitutes
from envmgr.render.files import render
from tests.making import MEGABYTE, service, stack

PASSWORD = SecretRef("PASSWORD", "dev")


def body(one: Service, hashes: dict[str, str] | None = None, **fields) -> dict:
    return document(stack(one, **fields), hashes or {})["services"][one.name]


def hash_of(one: Service, hashes: dict[str, str] | None = None, **fields) -> str:
    return body(one, hashes, **fields)["labels"][naming.LABEL_HASH]


def test_a_service_with_everything():
    one = service(
        image=Image("play-app:1", Build("app", "src", "Dockerfile", None)),
        command=("serve", "--all"),
        resources=Resources(1.5, 512 * MEGABYTE + 1, 64, cpus_reserved=0.25, memory_reserved=64 * MEGABYTE),
        start_seconds=1.5,
        replicas=2,
        variables={"B": "2", "A": "1"},
        secrets=(SecretMount("PASSWORD", (PASSWORD,)),),
        configs=(ConfigMount("config/app.conf", "/etc/app.conf", "app.conf.j2"),),
        ports=(Publication(8000, 9000),),
        volumes=(VolumeMount("app-data", "/data"),),
        tmpfs=(Tmpfs("/tmp", 32, "0700"),),
        networks=("data", "egress"),
        healthcheck=Healthcheck(("CMD", "true"), interval=10, timeout=2.5, retries=5, start_interval=0.25),
        depends_on=(Dependency("migrate", Condition.COMPLETED),),
        stop_signal="SIGINT",
        shm_megabytes=128,
    )
    egress = Network("egress", "play-dev-egress", "10.0.0.0/26", is_internal=False, masquerades=True)
    networks = (Network("data", "play-dev-data", "10.0.1.0/25", is_internal=True), egress)
    made = body(one, {"config/app.conf": "0" * 64}, networks=networks)
    assert len(made["labels"].pop(naming.LABEL_HASH)) == 16
    assert made["labels"].pop(naming.LABEL_CONFIGS) == f"config/app.conf:{'0' * 12}"
    assert made == {
        "image": "play-app:1",
        "pull_policy": "never",
        "command": ["serve", "--all"],
        "user": "10001:10001",
        "environment": {"A": "1", "B": "2"},
        "env_file": [{"path": "../.envmgr/dev/env/app.env", "format": "raw"}],
        "scale": 2,
        "read_only": True,
        "init": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "tmpfs": ["/tmp:size=32m,uid=10001,gid=10001,mode=0700,noexec,nosuid,nodev"],
        "shm_size": "128m",
        "pids_limit": 64,
        "deploy": {
            "resources": {
                "limits": {"cpus": "1.5", "memory": "536870913b", "pids": 64},
                "reservations": {"cpus": "0.25", "memory": "64M"},
            }
        },
        "secrets": [{"source": "app_PASSWORD", "target": "PASSWORD"}],
        "volumes": [
            {"type": "volume", "source": "app-data", "target": "/data"},
            {
                "type": "bind",
                "source": "./config/app.conf",
                "target": "/etc/app.conf",
                "read_only": True,
                "bind": {"create_host_path": False},
            },
        ],
        "networks": {"data": {"gw_priority": 2}, "egress": {"gw_priority": 1}},
        "sysctls": {"net.ipv4.ip_forward": "0"},
        "ports": [{"target": 8000, "published": "9000", "host_ip": "127.0.0.1", "protocol": "tcp"}],
        "depends_on": {"migrate": {"condition": "service_completed_successfully"}},
        "healthcheck": {
            "test": ["CMD", "true"],
            "interval": "10s",
            "timeout": "2500ms",
            "retries": 5,
            "start_period": "1500ms",
            "start_interval": "250ms",
        },
        "restart": "unless-stopped",
        "stop_signal": "SIGINT",
        "stop_grace_period": "10s",
        "logging": {"driver": "json-file", "options": {"max-size": "10m", "max-file": "3"}},
        "labels": {"envmgr.project": "play", "envmgr.env": "dev", "envmgr.service": "app", "envmgr.kind": "asgi"},
    }


def test_a_name_leads_to_the_data_network_even_between_two_that_publish_a_port():
    one = service(networks=("data", "publish"), aliases=("app--dev",))
    two = service("other", networks=("data",), aliases=("other--dev",))
    networks = tuple(Network(key, f"n-{key}", "10.0.0.0/25", is_internal=key == "data") for key in ("data", "publish"))
    assert body(one, networks=networks)["networks"] == {
        "data": {"aliases": ["app--dev"], "gw_priority": 2},
        "publish": None,
    }
    assert body(two, networks=networks)["networks"] == {"data": {"aliases": ["other--dev"]}}


def test_who_reaches_into_every_environment_asks_no_name_server_outside():
    networks = (Network("data", "n", "10.0.0.0/25", is_internal=True),)
    assert body(service(networks=("data",), faces_environments=True), networks=networks)["dns_opt"] == ["ndots:1"]
    assert "dns_opt" not in body(service(networks=("data",)), networks=networks)


def test_a_job_is_not_restarted_and_has_no_healthcheck():
    made = body(service(kind="job", is_job=True))
    assert (made["restart"], made["labels"]["envmgr.job"], "healthcheck" in made) == ("no", "true", False)


def test_the_rest_of_a_document():
    networks = (
        Network("data", "play-infra-data", "10.0.0.0/25", is_internal=True),
        Network("publish", "play-infra-publish", "10.0.0.128/26", is_internal=False, allows_neighbours=False),
        Network("egress", "play-infra-egress", "10.0.0.192/26", is_internal=False, masquerades=True),
        Network("other", "play-dev-data", "10.0.1.0/25", is_internal=True, is_external=True),
    )
    labels = {"envmgr.project": "play", "envmgr.env": "infra"}
    bridge = "com.docker.network.bridge."
    one = service("db", secrets=(SecretMount("PASSWORD", (PASSWORD,)),))
    base = stack(one, target="infra", networks=networks, volumes=(Volume("db-data", "play-infra-db-data", "db"),))
    made = document(base, {})
    del made["services"]
    assert made == {
        "name": "play-infra",
        "networks": {
            "data": {
                "name": "play-infra-data",
                "driver": "bridge",
                "internal": True,
                "driver_opts": {f"{bridge}gateway_mode_ipv4": "isolated"},
                "ipam": {"config": [{"subnet": "10.0.0.0/25"}]},
                "labels": labels,
            },
            "publish": {
                "name": "play-infra-publish",
                "driver": "bridge",
                "driver_opts": {f"{bridge}enable_icc": "false", f"{bridge}enable_ip_masquerade": "false"},
                "ipam": {"config": [{"subnet": "10.0.0.128/26"}]},
                "labels": labels,
            },
            "egress": {
                "name": "play-infra-egress",
                "driver": "bridge",
                "driver_opts": {f"{bridge}enable_icc": "true", f"{bridge}enable_ip_masquerade": "true"},
                "ipam": {"config": [{"subnet": "10.0.0.192/26"}]},
                "labels": labels,
            },
            "other": {"name": "play-dev-data", "external": True},
        },
        "volumes": {
            "db-data": {
                "name": "play-infra-db-data",
                "labels": labels | {"envmgr.service": "db", "envmgr.protect": "true"},
            }
        },
        "secrets": {"db_PASSWORD": {"file": "../.envmgr/infra/secrets/db/PASSWORD"}},
    }


@pytest.mark.parametrize(("target", "is_protected", "expected"), [("dev", False, False), ("prod", True, True)])
def test_an_environments_volumes_are_protected_when_it_is(target: str, is_protected: bool, expected: bool):
    one = stack(target=target, volumes=(Volume("a", "b", "c"),), is_protected=is_protected)
    assert (naming.LABEL_PROTECT in document(one, {})["volumes"]["a"]["labels"]) is expected


def test_a_stack_of_nothing_is_a_name():
    assert document(stack(target="infra"), {}) == {"name": "play-infra"}


def test_substitutes_name_only_what_a_recipe_replaces():
    one = stack(service("db", image=Image("postgres:17")), service("app"))
    replaced = {"image": "recipes/postgres:17", "pull_policy": "never"}
    assert substitutes(one, {"postgres:17": "recipes/postgres:17", "redis:8.0": "r"}) == {
        "name": "play-dev",
        "services": {"db": replaced},
    }
    assert substitutes(stack(service("app")), {"postgres:17": "recipes/postgres:17"}) is None


# ---- the hash

HASHES = {"config/a": "1" * 64, "config/b": "2" * 64}
CONFIGURED = service(configs=(ConfigMount("config/a", "/a", "a.j2"),))


def test_the_number_of_replicas_changes_no_hash():
    assert hash_of(service(replicas=1)) == hash_of(service(replicas=7))


@pytest.mark.parametrize(
    "fields",
    [
        {"uses": ("postgres",), "supplied": ("A",)},
        {"depends_on": (Dependency("migrate", Condition.COMPLETED),)},
        {"resources": Resources(1.0, 512 * MEGABYTE, 64, cpus_reserved=0.5)},
    ],
)
def test_what_a_container_does_not_carry_changes_no_hash(fields: dict):
    assert hash_of(service(**fields)) == hash_of(service())


def test_reserved_memory_is_carried_beside_reserved_cpus():
    both = Resources(1.0, 512 * MEGABYTE, 64, cpus_reserved=0.5, memory_reserved=64 * MEGABYTE)
    memory = Resources(1.0, 512 * MEGABYTE, 64, memory_reserved=64 * MEGABYTE)
    assert hash_of(service(resources=both)) == hash_of(service(resources=memory)) != hash_of(service())


@pytest.mark.parametrize(
    "fields",
    [
        {"image": Image("registry.example/app:1.1")},
        {"user": "10002:10001"},
        {"command": ("serve", "more")},
        {"variables": {"A": "1"}},
        {"resources": Resources(1.0, 512 * MEGABYTE, 65)},
        {"resources": Resources(1.0, 511 * MEGABYTE, 64)},
        {"start_seconds": 61, "healthcheck": Healthcheck(("CMD", "true"))},
        {"stop_seconds": 11},
        {"ports": (Publication(8000, 8000),)},
        {"secrets": (SecretMount("PASSWORD", (PASSWORD,)),)},
        {"networks": ("data",)},
        {"stop_signal": "SIGINT"},
        {"tmpfs": (Tmpfs("/tmp", 17),)},
    ],
)
def test_what_a_container_carries_changes_its_hash(fields: dict):
    networks = (Network("data", "n", "10.0.0.0/25", is_internal=True),)
    assert hash_of(service(**fields), networks=networks) != hash_of(service(), networks=networks)


def test_the_content_of_its_own_configuration_changes_a_hash():
    changed = HASHES | {"config/a": "3" * 64}
    assert hash_of(CONFIGURED, HASHES) != hash_of(CONFIGURED, changed)
    assert hash_of(CONFIGURED, HASHES) == hash_of(CONFIGURED, HASHES | {"config/b": "3" * 64})


# ---- any value, through the template


def rendered(value: str, chatbot_folder) -> str:
    one = service(variables={"VALUE": value}, command=("run", value))
    one = replace(one, healthcheck=Healthcheck(("CMD", "check", value)))
    whole: Stack = stack(one)
    return render(System("play", stack(target="infra"), (whole,), {}), chatbot_folder)["docker-compose.app.dev.yml"]


@given(st.text(st.characters(exclude_categories=("Cs",))))
def test_any_value_survives_in_a_document(repository, value: str):
    text = rendered(value, repository)
    doubled = value.replace("$", "$$")
    for read in (YAML(typ="safe", pure=True).load(text), yaml.load(text, yaml.CSafeLoader)):
        found = read["services"]["app"]
        assert found["environment"] == {"VALUE": doubled}
        assert found["command"] == ["run", doubled]
        assert found["healthcheck"]["test"] == ["CMD", "check", doubled]


TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


def doubled(value: object) -> object:
    if isinstance(value, dict):
        return {name: doubled(child) for name, child in value.items()}
    if isinstance(value, list):
        return [doubled(child) for child in value]
    return value.replace("$", "$$") if isinstance(value, str) else value


@example({"a": [[1, [2.5, []]], {}, [{}], {"b": [{"c": {}, "d": [[]]}]}]})
@given(st.dictionaries(TEXT, VALUES, min_size=1, max_size=4))
def test_any_raw_value_survives_in_a_document(repository, raw: dict[str, object]):
    one = service(compose={"x-raw": raw})
    text = render(System("play", stack(target="infra"), (stack(one),), {}), repository)["docker-compose.app.dev.yml"]
    for read in (YAML(typ="safe", pure=True).load(text), yaml.load(text, yaml.CSafeLoader)):
        assert repr(read["services"]["app"]["x-raw"]) == repr(doubled(raw))


# ---- raw Compose keys, laid over


def test_raw_keys_are_laid_over_by_composes_rules():
    one = service(
        command=("serve",),
        variables={"A": "1", "B": "2"},
        configs=(ConfigMount("config/a", "/etc/a", "a.j2"),),
        healthcheck=Healthcheck(("CMD", "true")),
        compose={
            "environment": {"B": "3", "C": "4"},
            "healthcheck": {"test": ["CMD", "false"], "interval": "60s"},
            "command": ["other"],
            "volumes": [{"type": "bind", "source": "../src", "target": "/app"}],
            "tmpfs": ["/tmp:size=64m", "/run:size=8m"],
            "security_opt": ["no-new-privileges:true", "apparmor=mine"],
            "cap_drop": ["NET_RAW"],
            "labels": {"com.example": "x"},
            "logging": {"driver": "local"},
            "read_only": False,
            "hostname": "app",
        },
    )
    found = body(one, {"config/a": ""})
    assert found["environment"] == {"A": "1", "B": "3", "C": "4"}
    assert (found["command"], found["healthcheck"]["test"]) == (["other"], ["CMD", "false"])
    assert (found["healthcheck"]["interval"], found["healthcheck"]["retries"]) == ("60s", 3)
    assert [mount["target"] for mount in found["volumes"]] == ["/etc/a", "/app"]
    assert found["tmpfs"] == ["/tmp:size=64m", "/run:size=8m"]
    assert found["security_opt"] == ["no-new-privileges:true", "apparmor=mine"]
    assert found["cap_drop"] == ["ALL", "NET_RAW"]
    assert (found["labels"]["com.example"], found["labels"]["envmgr.service"]) == ("x", "app")
    assert found["logging"] == {"driver": "local", "options": {"max-size": "10m", "max-file": "3"}}
    assert (found["read_only"], found["hostname"]) == (False, "app")


def test_a_raw_mount_takes_the_place_of_one_at_the_same_path():
    raw = {"type": "bind", "source": "../a", "target": "/etc/a", "read_only": True}
    one = service(configs=(ConfigMount("config/a", "/etc/a", "a.j2"),), compose={"volumes": [raw]})
    assert body(one, {"config/a": ""})["volumes"] == [raw]


def test_a_raw_key_changes_the_hash():
    assert (
        hash_of(service(compose={"hostname": "a"})) != hash_of(service(compose={"hostname": "b"})) != hash_of(service())
    )
