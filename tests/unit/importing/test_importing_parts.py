"""The pieces of an import: references, names, kinds, commands, places, and the text that is written."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from envmgr.importing import references
from envmgr.importing.draft import distinct, from_compose_folder, relative, seconds
from envmgr.importing.limits import command_of, devices_of, limits_of, memory_bytes, memory_text
from envmgr.importing.places import Places
from envmgr.importing.recognise import known, mentions, named_url, obstacle, split
from envmgr.importing.references import Reference
from envmgr.importing.source import unescaped
from envmgr.importing.writing import text


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("$NAME", Reference("NAME", None, False)),
        ("${NAME}", Reference("NAME", None, False)),
        ("${NAME:-}", Reference("NAME", "", False)),
        ("${NAME-two words}", Reference("NAME", "two words", False)),
        ("${NAME:?say why}", Reference("NAME", None, True)),
        ("${NAME?}", Reference("NAME", None, True)),
        ("${NAME:+other}", None),
        ("${NAME:-${OTHER}}", None),
        ("${A}${B}", None),
        ("$NAME/", None),
        ("$$NAME", None),
        ("", None),
    ],
)
def test_a_text_that_is_one_reference(written: str, found: Reference | None):
    assert references.whole(written) == found


def test_all_references_of_a_text():
    assert references.names("$A ${B:-${C}} $$D $${E} $A") == ("A", "B", "C")


def test_dollars_are_single_again_in_keys_too():
    assert unescaped({"$$a": ["5$$", 1, None]}) == {"$a": ["5$", 1, None]}


def test_names_become_valid_and_stay_apart():
    assert distinct(["web", "My_App", "my-app", "db_data"]) == {
        "web": "web",
        "My_App": "my-app",
        "my-app": "my-app-2",
        "db_data": "db-data",
    }


def test_durations_and_sizes():
    assert [seconds(one) for one in ("1m30s", "500ms", "2h")] == [90, 0.5, 7200]
    assert [memory_bytes(one) for one in ("52428800", "50m", "1.5g", "10kb")] == [52428800, 52428800, 1610612736, 10240]
    assert [memory_text(one) for one in (1024**3, 50 * 1024**2, 1025)] == ["1G", "50M", "2K"]


def test_paths_inside_are_relative_and_others_stay(tmp_path: Any):
    assert from_compose_folder(f"{tmp_path}/src", tmp_path) == "../src"
    assert from_compose_folder(str(tmp_path), tmp_path) == ".."
    assert (relative("/etc/hosts", tmp_path), from_compose_folder("/etc/hosts", tmp_path)) == (None, "/etc/hosts")


def test_limits_are_found_wherever_they_stand():
    old = {"mem_limit": "52428800", "cpus": 0.5, "pids_limit": 9}
    new = {"deploy": {"resources": {"limits": {"memory": "52428800", "cpus": 0.5, "pids": 9}}}}
    assert limits_of(old) == limits_of(new) == {"cpus": 0.5, "memory": 52428800, "pids": 9}


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ({"gpus": [{"count": -1}]}, ([], "all")),
        ({"gpus": [{"driver": "nvidia", "count": 2, "capabilities": ["gpu"]}]}, ([], 2)),
        ({"gpus": [{"device_ids": ["0"]}]}, ([{"device_ids": ["0"]}], None)),
        ({}, ([], None)),
    ],
)
def test_plain_gpus_are_told_from_other_devices(body: dict[str, Any], found: tuple[list[Any], object]):
    assert devices_of(body) == found


def test_a_shells_healthcheck_is_a_command():
    assert command_of(["CMD-SHELL", "a || exit 1"]) == ["/bin/sh", "-c", "a || exit 1"]
    assert command_of(["CMD", "a", "b"]) == ["a", "b"]


# ---- kinds


@pytest.mark.parametrize(
    ("image", "kind"),
    [
        ("postgres:16", "postgres"),
        ("docker.io/library/redis:8.0", "redis"),
        ("qdrant/qdrant:v1.12.1", "qdrant"),
        ("minio/minio", "minio"),
        ("nginx:1.27", "nginx"),
        ("bitnami/postgresql:16", ""),
        ("registry.example.com:5000/postgres:16", ""),
    ],
)
def test_kinds_are_told_by_the_image(image: str, kind: str):
    one = known({"image": image}, ("postgres", "redis", "qdrant", "minio", "nginx"))
    assert (one.kind if one else "") == kind


def test_a_kind_that_is_not_installed_takes_nothing():
    assert known({"image": "postgres:16"}, ("redis",)) is None


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"image": "postgres:16-alpine", "environment": {"POSTGRES_DB": "x"}}, ""),
        ({"image": "postgres:12"}, "kind postgres has no version 12"),
        ({"image": "postgres:16", "environment": {"LANG": "de"}}, "kind postgres knows no LANG"),
        ({"image": "postgres:16", "sysctls": {"a": "b"}}, "kind postgres has no place for sysctls"),
        ({"image": "postgres:16", "ports": [{"target": 80}]}, "kind postgres does not listen on 80"),
        ({"image": "postgres:16", "entrypoint": ["x"]}, "kind postgres starts in its own way"),
        (
            {"image": "postgres:16", "command": ["postgres", "-c", "wal_level=logical"]},
            "kind postgres has no place for -c of its command",
        ),
        (
            {"image": "postgres:16", "volumes": [{"type": "bind", "target": "/docker-entrypoint-initdb.d"}]},
            "kind postgres mounts nothing at /docker-entrypoint-initdb.d",
        ),
        ({"image": "redis:8.0", "command": ["redis-server", "--requirepass", "x", "--save", "60", "1"]}, ""),
        (
            {"image": "redis:8.0", "command": ["redis-server", "/etc/redis.conf"]},
            "kind redis has no place for /etc/redis.conf of its command",
        ),
    ],
)
def test_a_service_that_says_more_than_its_kind_can_stays_a_container(body: dict[str, Any], reason: str):
    one = known(body, ("postgres", "redis"))
    assert one is not None
    assert obstacle(one, body) == reason


def test_urls_and_mentions_of_servers():
    one = known({"image": "postgres:16"}, ("postgres",))
    assert one is not None
    servers = {"db": one}
    assert named_url("postgresql+asyncpg://a:b@db:5432/x", servers) == "db"
    assert (
        named_url("http://db/", servers)
        == named_url("postgres://other/x", servers)
        == named_url("http://[", servers)
        == ""
    )
    assert mentions("db:5432", "db")
    assert mentions("http://db/x", "db")
    assert not mentions("mydb:5432", "db")
    assert not mentions("dba", "db")


def test_images_are_split_at_the_tag_alone():
    assert split("registry.example.com:5000/a/b") == ("registry.example.com:5000/a/b", "")
    assert split("a/b:1.2@sha256:0") == ("a/b", "1.2")


# ---- places and text

YAML = """\
x-all: &all
  restart: always
services:
  web:
    <<: *all
    ports:
      - "8000:80"
      - { target: 443, published: "8443" }
    environment:
      - MODE=fast
    mem_limit: 50m
    labels: { com.example.team: core }
"""


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("restart", 2),
        ("ports.8000:80/tcp.host_ip", 7),
        ("environment.MODE", 10),
        ("limits.memory", 11),
        ("labels.com.example.team", 12),
        ("unheard.of", 4),
    ],
)
def test_a_key_has_the_line_where_it_is_written(key: str, line: int):
    assert Places({"compose.yml": YAML})("web", key) == f"compose.yml:{line}"


def test_the_last_file_that_says_it_wins():
    places = Places({"a.yml": YAML, "b.yml": "services:\n  web:\n    mem_limit: 60m\n"})
    assert (places("web", "limits.memory"), places("web", "restart")) == ("b.yml:3", "a.yml:2")


@pytest.mark.parametrize("bad", ["", "[", "a: b: c", "- 1"])
def test_a_file_without_places_has_none(bad: str):
    assert Places({"compose.yml": bad})("web", "ports") == ""


def test_what_is_written_reads_back_as_it_was():
    spec = {
        "project": {"name": "shop"},
        "services": {
            "web": {
                "kind": "container",
                "command": ["sh", "-c", "echo \"$HOME\" \\ 'x'"],
                "files": {"/etc/a": "one\ntwo \t\u00e9\n"},
                "compose": {
                    "deploy": {"labels": {"a.b": "c" * 90}},
                    "volumes": [{"type": "bind", "read_only": True}] * 3,
                },
                "cpus": 0.5,
            }
        },
        "environments": {"dev": {"debug": True}},
    }
    written = text(spec, ("compose.yml",), {"services.web": ["write its tag"]})
    assert tomllib.loads(written) == spec
    assert "# To decide: write its tag." in written
