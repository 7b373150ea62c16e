"""`envmgr prove`: what is closed is refused by the server itself; a door that is opened is reported, and no other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.docker.conftest import docker, free_port, make_sandbox, note_stand_ins
from tests.docker.doors import ROLES, SERVERS, Door, Lab, Row, crossings, listener

pytestmark = pytest.mark.docker

SPEC = """\
[project]
name = "{name}"

[networks]
range = "10.112.0.0/12"

[images]
recipes = "images"

[builds.play]
context = "fixture"

[infra.postgres]
kind = "postgres"
memory = "128M"

[infra.redis]
kind = "redis"
memory = "64M"

[infra.minio]
kind = "minio"
memory = "192M"
buckets = ["uploads"]

[infra.qdrant]
kind = "qdrant"
memory = "192M"
collections.docs = {{ size = 4, distance = "Cosine" }}

[services.web]
kind = "asgi"
build = "play"
app = "play:app"
memory = "64M"
cpus = 0.5
uses = ["postgres", "redis", "minio", "qdrant"]

[environments.dev]

[environments.prod]
ports = {{ web = {port} }}
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Two environments with a table and an object each; only prod has a port."""
    sandbox = make_sandbox(tmp_path_factory.mktemp("prove") / "project")
    sandbox.write(SPEC.format(name=sandbox.name, port=free_port()))
    try:
        sandbox.ok("up", "dev", "prod", timeout=600)
        note_stand_ins(sandbox)
        one = Lab(sandbox)
        one.sql("SET ROLE prod_owner; CREATE TABLE messages (text text)", one.database)
        yield one
    finally:
        sandbox.remove()


@pytest.fixture(scope="module")
def closed(lab: Lab) -> dict:
    """What is proven before anybody opens a door."""
    return lab.prove()


@pytest.fixture(scope="module")
def usual(closed: dict) -> set[Row]:
    """What crosses anyhow: programs of this host that listen on all of its addresses, and nothing else."""
    found = crossings(closed)
    assert found <= {("prod", "host", "host", "reach listeners")}
    return found


def test_every_store_refuses_in_its_own_words(closed: dict, usual: set[Row]) -> None:
    said = {(one["area"], one["what"]): one["detail"] for one in closed["findings"] if one["outcome"] == "refused"}
    assert "permission denied for database" in said["postgres", "read tables"]
    assert "permission denied to set role" in said["postgres", "take its role"]
    assert "password authentication failed" in said["postgres", "enter with a default password"]
    assert said["redis", "write keys"].startswith("NOPERM")
    assert said["redis", "enter without a password"].startswith("NOAUTH")
    assert "AccessDenied" in said["minio", "read objects"]
    assert "403 Forbidden" in said["qdrant", "read points"]
    for one in closed["findings"]:
        if (one["environment"], one["what"]) == ("dev", "reach containers"):
            assert "ENETUNREACH" in one["detail"], one


def test_only_what_the_stand_ins_do_not_speak_is_not_tried(closed: dict) -> None:
    untried = [one for one in closed["findings"] if one["outcome"] == "not tried"]
    assert {(one["area"], one["what"]) for one in untried} <= {
        ("qdrant", "list the server's snapshots"),
        ("host", "reach listeners"),
    }
    assert all("stand-in" in one["detail"] or "no listener" in one["detail"] for one in untried)


def test_what_a_shared_server_cannot_give_is_said(closed: dict) -> None:
    shared = {(one["area"], one["what"]) for one in closed["findings"] if one["outcome"] == "shared"}
    assert ("redis", "the limit of connections") in shared
    assert ("host", "one kernel and one Docker daemon") in shared


def test_nothing_is_left_behind(lab: Lab, closed: dict) -> None:
    password = lab.value("infra", "REDIS_ADMIN_PASSWORD")
    keys = lab.inside("redis", "redis-cli", "--scan", "--pattern", "*prove*", REDISCLI_AUTH=password)
    assert keys in ("", "dev_envmgr-prove", "prod_envmgr-prove"), "they go within a second"
    roles = lab.inside("postgres", "psql", "-XAtU", "postgres", "-c", "SELECT rolname FROM pg_roles")
    assert "envmgr_prove" not in roles
    tables = lab.inside("postgres", "psql", "-XAtU", "postgres", "-d", lab.database, "-c", "\\dt")
    assert "envmgr_prove" not in tables
    beside = docker("ps", "-q", "--filter", "label=envmgr.oneoff=true", "--filter", f"name={lab.sandbox.name}")
    assert beside == ""


def test_doors_in_servers_are_reported_each_as_itself_and_closed_by_the_next_up(lab: Lab, usual: set[Row]) -> None:
    for door in SERVERS:
        door.open(lab)
    opened = lab.prove()
    assert crossings(opened) - usual == set().union(*(door.rows for door in SERVERS))
    ways = {one["closes"] for one in opened["findings"] if one["outcome"] == "open" and one["area"] != "host"}
    assert ways == {"envmgr up dev prod", "envmgr up dev", "envmgr up prod"}
    told = lab.sandbox.ok("up", "dev", "prod").err
    assert "dev_app_1 had an administrator's rights" in told
    assert "dev_owner had rights on database" in told
    assert "everybody had rights on database postgres" in told
    assert "redis: closed what had been opened by hand" in told
    assert lab.crossings() == usual


def test_a_password_that_two_environments_share_is_reported(lab: Lab, usual: set[Row]) -> None:
    own, theirs = lab.value("dev", "REDIS_PASSWORD"), lab.value("prod", "REDIS_PASSWORD")
    lab.set_value("dev", own, theirs)
    lab.acl("dev_app", f">{theirs}")
    opened = lab.prove()
    assert crossings(opened) - usual == {
        ("dev", "prod", "files", "share secrets"),
        ("prod", "dev", "files", "share secrets"),
        ("dev", "prod", "redis", "enter as it with the own password"),
        ("prod", "dev", "redis", "enter as it with the own password"),
    }
    told = {one["closes"] for one in opened["findings"] if one["what"] == "share secrets" and one["closes"]}
    assert told == {"give dev other values in .env.dev", "give prod other values in .env.prod"}
    assert theirs not in str(opened)
    lab.set_value("dev", theirs, own)
    lab.sandbox.ok("up", "dev")
    assert "WRONGPASS" in lab.inside("redis", "redis-cli", "AUTH", "dev_app", theirs)
    assert lab.inside("redis", "redis-cli", "AUTH", "dev_app", own) == "OK"


def test_networks_and_what_a_container_was_given_by_hand_are_reported_and_undone(lab: Lab, usual: set[Row]) -> None:
    folder, name, port = lab.sandbox.folder, lab.sandbox.name, free_port()
    (folder / "compose" / "by-hand.yml").write_text(f"""\
services:
  web:
    ports: ["0.0.0.0:{port}:8000"]
    networks: ["data", "by-hand"]
    volumes:
      - /var/run/docker.sock:/run/docker.sock:ro
      - {folder}/.envmgr/prod/secrets/web/REDIS_URL:/run/secrets/other:ro
networks:
  by-hand: {{name: "{name}-by-hand", labels: {{envmgr.project: "{name}"}}}}
""")
    files = (folder / "compose" / one for one in ("docker-compose.app.dev.yml", "by-hand.yml"))
    chosen = (part for file in files for part in ("-f", str(file)))
    docker("compose", "--project-directory", str(folder / "compose"), *chosen, "up", "-d", "--wait", "web")
    docker("network", "connect", f"{name}-prod-data", f"{name}-dev-web-1")
    opened = lab.prove()
    assert crossings(opened) - usual == {
        ("dev", "prod", "network", "join networks"),
        ("dev", "prod", "network", "reach containers"),
        ("dev", "prod", "network", "resolve names"),
        ("dev", "infra", "network", "reach containers"),
        ("prod", "dev", "network", "reach containers"),
        ("prod", "dev", "network", "resolve names"),
        ("dev", "host", "host", "publish beyond loopback"),
        ("dev", "host", "host", "hold the engine's socket"),
        ("dev", "prod", "files", "mount files or volumes"),
        ("dev", "prod", "files", "hold secrets"),
        *({("dev", "host", "host", "reach listeners")} if usual else ()),
    }
    assert lab.value("prod", "REDIS_PASSWORD") not in str(opened)
    told = lab.sandbox.ok("up", "dev").err
    assert f"closed what had been opened by hand: {name}-dev-web-1 was in {name}-prod-data" in told
    docker("network", "rm", f"{name}-by-hand")
    assert lab.crossings() == usual


def test_a_listener_of_the_host_is_reported_and_the_firewall_line_closes_it(lab: Lab, usual: set[Row]) -> None:
    with listener() as port:
        opened = next(one for one in lab.prove("prod")["findings"] if one["what"] == "reach listeners")
        assert opened["outcome"] == "exposed"
        assert f"(port {port} of the host)" in opened["detail"]
        with Firewall(lab, opened["closes"]):
            shut = [one for one in lab.prove()["findings"] if one["what"] == "reach listeners"]
        # From its data network alone dev reaches none anyhow: that bridge has no address of the host.
        assert {one["environment"]: one["outcome"] for one in shut} == {"dev": "refused", "prod": "refused"}


class Firewall:
    """A line of iptables in force, on the host of the engine."""

    def __init__(self, lab: Lab, line: str) -> None:
        assert line.startswith("iptables -I INPUT -s 10.")
        self.line, self.image = line, f"{lab.sandbox.name}-play:env-dev"

    def run(self, line: str) -> None:
        host = ("--rm", "--user", "0", "--network", "host", "--cap-add", "NET_ADMIN", "-v", "/:/host")
        docker(
            "run",
            *host,
            "--entrypoint",
            "chroot",
            self.image,
            "/host",
            "sh",
            "-c",
            f"PATH=$PATH:/usr/sbin:/sbin {line}",
        )

    def __enter__(self) -> None:
        self.run(self.line)

    def __exit__(self, *_: object) -> None:
        self.run(self.line.replace(" -I ", " -D "))


def test_an_environment_that_left_the_spec_is_shut_out_and_its_data_stays(lab: Lab) -> None:
    lab.sql("CREATE ROLE old_owner NOLOGIN; CREATE ROLE old_app_1 LOGIN PASSWORD 'x' IN ROLE old_owner")
    lab.sql("CREATE DATABASE old_chat OWNER old_owner")
    for login in ("old_app", "old_app_2"):
        lab.acl(login, "on", ">x", "~old_*", "+@all")
    told = lab.sandbox.ok("up", "dev").err
    gone = "of an environment that the spec no longer has may not enter any more; its data stays"
    assert f"postgres: old_app_1 {gone}" in told
    assert f"redis: old_app {gone}" in told
    assert f"redis: old_app_2 {gone}" in told
    roles = "SELECT rolname FROM pg_roles WHERE rolcanlogin AND rolname LIKE '%app%' ORDER BY rolname"
    assert lab.inside("postgres", "psql", "-XAtU", "postgres", "-c", roles).split() == ["dev_app_1", "prod_app_1"]
    assert lab.inside("postgres", "psql", "-XAtU", "postgres", "-d", "old_chat", "-c", "SELECT 1") == "1"
    for login in ("old_app", "old_app_2"):
        assert "WRONGPASS" in lab.inside("redis", "redis-cli", "AUTH", login, "x")
    assert gone not in lab.sandbox.ok("up", "dev").err


@pytest.mark.full
@pytest.mark.parametrize("door", [*SERVERS, *ROLES], ids=lambda door: door.name)
def test_a_door_alone_is_reported_as_itself_alone(lab: Lab, usual: set[Row], door: Door) -> None:
    door.open(lab)
    try:
        # A superuser opens every way at once: what is aimed at the server itself, too.
        found = {row for row in lab.crossings() - usual if door.name != "SUPERUSER" or row[1] == "prod"}
        assert found == door.rows
    finally:
        lab.sandbox.ok("up", "dev", "prod")
    assert lab.crossings() == usual
