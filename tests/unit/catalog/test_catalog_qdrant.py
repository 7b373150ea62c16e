"""Qdrant: collections of an environment, and a signed key that reaches those only."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from envmgr.catalog.http import bash
from envmgr.catalog.kind import Binding, Client, Server
from envmgr.catalog.qdrant import Options, Qdrant
from envmgr.model.needed import Needed, Origin
from envmgr.model.secret import SecretRef, SignedToken, references
from envmgr.model.stack import Command, CommandProbe, ConfigMount, Image, Resources, SecretMount
from envmgr.secrets.vault import Vault
from tests import asked
from tests.making import MEGABYTE

ADMIN = SecretRef("QDRANT_ADMIN_PASSWORD", "infra")
PASSWORD = SecretRef("QDRANT_PASSWORD", "dev")
SERIAL, ID = SecretRef(PASSWORD.name, "dev", "json"), SecretRef(PASSWORD.name, "dev", "sha256")
VAULT = Vault().with_target("infra", {ADMIN.name: "admin-key"}).with_target("dev", {PASSWORD.name: 'p"w'})
ROTATED = VAULT.with_target("dev", {PASSWORD.name: "next"})
COLLECTIONS = {"messages": {"size": 64, "distance": "Cosine"}, "faq": {"size": 8, "distance": "Dot"}}
VERBS = ("exists", "ensure", "measure", "revoke", "probe")


def server(name: str = "qdrant", image: str | None = None, target: str = "infra", **options: Any) -> Server:
    given = Options(**{"collections": COLLECTIONS, **options})
    return Server("play", target, name, given, Resources(1.0, 512 * MEGABYTE, 64), image, None)


def binding(one: Server | None = None, environment: str = "dev") -> Binding:
    return Qdrant().bind(one or server(), Client(environment, f"{environment}_"))


def test_the_server_as_it_is_by_default():
    draft = Qdrant().draft(server())
    assert draft.image == Image("qdrant/qdrant:v1.19.1-unprivileged", major="1")
    assert (draft.user, draft.target_port, draft.more_ports) == ("1000:1000", 6333, {"grpc": 6334})
    assert draft.variables == {
        "QDRANT__SERVICE__JWT_RBAC": "true",
        "QDRANT__TELEMETRY_DISABLED": "true",
        "QDRANT_INIT_FILE_PATH": "/tmp/qdrant-initialized",
    }
    assert draft.volumes == {"data": "/qdrant/storage", "snapshots": "/qdrant/snapshots"}
    assert draft.healthcheck == bash(6333, "/readyz")
    assert draft.needed == (Needed(ADMIN.name, "infra", True, Origin.GENERATED, place="infra.qdrant"),)


def test_its_key_comes_from_a_file_at_the_start_and_stands_in_no_variable():
    draft = Qdrant().draft(server(target="dev"))
    assert draft.command == ("sh", "/etc/envmgr/start.sh")
    assert draft.secrets == (SecretMount(ADMIN.name, (SecretRef(ADMIN.name, "dev"),)),)
    assert draft.templated == {}
    assert draft.configs == (
        ConfigMount(
            "config/dev/qdrant/start.sh",
            "/etc/envmgr/start.sh",
            "start/start.sh.j2",
            {"variables": {"QDRANT__SERVICE__API_KEY": "QDRANT_ADMIN_PASSWORD"}, "program": "./entrypoint.sh"},
        ),
    )


def test_its_probe_needs_the_key():
    probe = Qdrant().draft(server()).probe
    assert isinstance(probe, CommandProbe)
    assert probe.command.variables == {"KEY": (ADMIN,), "ASKED": ("/collections",)}
    assert probe.command.argv[-1].endswith('\nask GET "$ASKED"')


def test_another_version_and_another_image():
    assert Qdrant().draft(server(version="1.20.0")).image.reference == "qdrant/qdrant:v1.20.0-unprivileged"
    assert Qdrant().draft(server(image="registry.example/qdrant:1")).image == Image(
        "registry.example/qdrant:1", major="1"
    )


def test_the_application_gets_an_address_a_prefix_and_a_key():
    bound = binding()
    assert bound.variables == {"QDRANT_URL": "http://qdrant:6333", "QDRANT_PREFIX": "dev_"}
    access = '{"access":[{"collection":"dev_messages","access":"rw"},{"collection":"dev_faq","access":"rw"}],'
    proof = '"value_exists":{"collection":"dev_envmgr_serials","matches":[{"key":"serial","value":"'
    claims = (f"{access}{proof}", SERIAL, '"}]}}')
    assert bound.secrets == (SecretMount("QDRANT_API_KEY", (SignedToken(ADMIN, claims),)),)
    assert references(bound.secrets[0].content) == (ADMIN, SERIAL)
    assert bound.needed == (Needed(PASSWORD.name, "dev", True, Origin.GENERATED, place="infra.qdrant"),)


def claims_of(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    return claims


def test_another_serial_number_is_another_key_for_the_same_collections():
    (mount,) = binding().secrets
    first, second = VAULT.fill(mount.content), ROTATED.fill(mount.content)
    assert first != second
    assert claims_of(first)["value_exists"] == proof_of('p"w')
    assert claims_of(second) == claims_of(first) | {"value_exists": proof_of("next")}


def proof_of(serial: str, environment: str = "dev") -> dict[str, Any]:
    return {"collection": f"{environment}_envmgr_serials", "matches": [{"key": "serial", "value": serial}]}


def test_the_keys_of_two_environments_have_no_collection_in_common():
    vault = VAULT.with_target("prod", {PASSWORD.name: "of-prod"})
    seen = []
    for environment, serial in (("dev", 'p"w'), ("prod", "of-prod")):
        claims = claims_of(vault.fill(binding(environment=environment).secrets[0].content))
        assert claims.keys() == {"access", "value_exists"}
        # No right on the collection that says which keys are valid.
        assert claims["value_exists"] == proof_of(serial, environment)
        seen.append({one["collection"] for one in claims["access"]})
    assert seen == [{"dev_messages", "dev_faq"}, {"prod_messages", "prod_faq"}]


def test_a_grant_says_what_is_wanted_and_acts_as_administrator():
    (grant,) = binding().grants
    assert (grant.server, grant.title) == ("qdrant", "Qdrant collections dev_*")
    admin = {"KEY": (ADMIN,), "PREFIX": ("dev_",), "SERIALS": ("dev_envmgr_serials",), "ID": (ID,)}
    wanted = {"COLLECTIONS": ("dev_messages 64 Cosine\ndev_faq 8 Dot",), "SERIAL": (SERIAL,)}
    assert grant.ensure.variables == admin | wanted
    assert grant.credential.retire.variables == admin
    assert {name: dict(getattr(grant, name).variables) for name in ("exists", "measure", "revoke")} == dict.fromkeys(
        ("exists", "measure", "revoke"), admin
    )


def test_what_an_environment_owns_is_found_by_its_prefix_whatever_the_spec_says_now():
    (grant,) = binding().grants
    for name in ("exists", "measure", "revoke"):
        script = getattr(grant, name).argv[-1]
        assert 'ask GET /collections || exit 1\nowned=$(grep -o "\\"name\\": *\\"$PREFIX[^\\"]*\\""' in script
        assert "dev_messages" not in script


def test_its_probe_enters_as_the_environment():
    (grant,) = binding().grants
    assert grant.probe.variables == {
        "KEY": binding().secrets[0].content,
        "ASKED": ("/collections/dev_messages",),
    }


def test_every_command_is_run_by_bash_in_the_server_and_holds_no_value():
    (grant,) = binding(server("vectors")).grants
    commands = [getattr(grant, verb) for verb in VERBS] + [grant.credential.enter, grant.credential.retire]
    assert {(one.target, one.service, one.argv[:2]) for one in commands} == {("infra", "vectors", ("bash", "-c"))}
    assert all(
        one.argv[2].startswith("ask() {\n  exec 3<>/dev/tcp/${AT:-127.0.0.1}/6333 || return 1\n") for one in commands
    )
    assert all("$KEY" in one.argv[2] for one in commands)
    assert [need.name for need in Qdrant().draft(server("vectors")).needed] == ["VECTORS_ADMIN_PASSWORD"]


@pytest.mark.parametrize("verb", [*VERBS, "enter", "retire"])
def test_every_command_fails_when_the_server_refuses(verb: str):
    (grant,) = binding().grants
    command = getattr(grant.credential if verb in ("enter", "retire") else grant, verb)
    lines = [line.strip() for line in command.argv[-1].splitlines()]
    asks = [line for line in lines if line.startswith("ask ")]
    assert asks
    assert all(line.endswith("|| exit 1") or line == lines[-1] for line in asks)


# ---- what the server is really asked


@pytest.fixture
def http() -> Iterator[asked.Server]:
    with asked.serving() as one:
        yield one


def run(http: asked.Server, command: Command, vault: Vault = VAULT, **others: str) -> tuple[int, str]:
    script = command.argv[-1].replace("/6333 ", f"/{http.port} ")
    done = http.run(script, shell="bash", **{**vault.fill_all(command.variables), **others})
    assert done.stderr == ""
    return done.returncode, done.stdout


def point_of(serial: str) -> str:
    return hashlib.sha256(serial.encode()).hexdigest()[:32]


THERE = (200, '{"result":{"exists":true},"status":"ok"}')
AS_WANTED = (200, '{"result":{"config":{"params":{"vectors":{"size":8,"distance":"Dot"}}}}}')


@pytest.mark.spawns
@pytest.mark.parametrize(("vault", "serial"), [(VAULT, 'p"w'), (ROTATED, "next")])
def test_a_serial_number_is_admitted_beside_those_that_are_there(http: asked.Server, vault: Vault, serial: str):
    for name in ("dev_faq", "dev_envmgr_serials"):
        http.answers[f"GET /collections/{name}/exists"] = THERE
    http.answers["GET /collections/dev_faq"] = AS_WANTED
    (grant,) = binding(server(collections={"faq": COLLECTIONS["faq"]})).grants
    assert run(http, grant.ensure, vault) == (0, "")
    method, path, body, _ = http.asked[-1]
    assert (method, path) == ("PUT", "/collections/dev_envmgr_serials/points?wait=true")
    assert json.loads(body) == {
        "points": [{"id": point_of(serial), "vector": [1.0], "payload": {"serial": serial}}],
    }
    assert [one[0] for one in http.asked] == ["GET", "GET", "GET", "PUT"]


@pytest.mark.spawns
def test_the_collection_of_serial_numbers_is_made_when_it_is_missing(http: asked.Server):
    http.answers["GET /collections/dev_faq/exists"] = THERE
    http.answers["GET /collections/dev_faq"] = AS_WANTED
    (grant,) = binding(server(collections={"faq": COLLECTIONS["faq"]})).grants
    assert run(http, grant.ensure) == (0, "")
    puts = [one[1] for one in http.asked if one[0] == "PUT"]
    assert puts == ["/collections/dev_envmgr_serials", "/collections/dev_envmgr_serials/points?wait=true"]


@pytest.mark.spawns
def test_one_of_two_keys_is_ended_by_its_point_and_nothing_else(http: asked.Server):
    http.answers["GET /collections/dev_envmgr_serials/exists"] = THERE
    credential = binding().grants[0].credential
    assert (credential.password, credential.login, credential.logins) == (PASSWORD, None, ())
    assert run(http, credential.retire) == (0, "")
    assert [one[:2] for one in http.asked] == [
        ("GET", "/collections/dev_envmgr_serials/exists"),
        ("POST", "/collections/dev_envmgr_serials/points/delete?wait=true"),
    ]
    assert json.loads(http.asked[1][2]) == {"points": [point_of('p"w')]}


@pytest.mark.spawns
def test_nothing_is_ended_where_no_key_was_ever_admitted(http: asked.Server):
    http.answers["GET /collections/dev_envmgr_serials/exists"] = (200, '{"result":{"exists":false}}')
    assert run(http, binding().grants[0].credential.retire) == (0, "")
    assert len(http.asked) == 1


@pytest.mark.spawns
def test_a_key_that_cannot_be_ended_is_told(http: asked.Server):
    http.answers["GET /collections/dev_envmgr_serials/exists"] = THERE
    path = "/collections/dev_envmgr_serials/points/delete?wait=true"
    http.answers[f"POST {path}"] = (403, "forbidden")
    assert run(http, binding().grants[0].credential.retire) == (1, f"POST {path}: forbidden\n")


LISTED = (200, '{"result":{"collections":[{"name":"dev_faq"},{"name":"dev_envmgr_serials"},{"name":"prod_faq"}]}}')


@pytest.mark.spawns
def test_serial_numbers_are_no_data_and_go_with_the_environment(http: asked.Server):
    http.answers["GET /collections"] = LISTED
    http.answers["POST /collections/dev_faq/points/count"] = (200, '{"result":{"count":7}}')
    (grant,) = binding().grants
    assert run(http, grant.exists) == (0, "yes\n")
    assert run(http, grant.measure) == (0, "1 collections, 7 points\n")
    http.asked.clear()
    assert run(http, grant.revoke) == (0, "")
    assert [one[1] for one in http.asked if one[0] == "DELETE"] == [
        "/collections/dev_faq",
        "/collections/dev_envmgr_serials",
    ]


@pytest.mark.spawns
def test_a_consumer_enters_from_its_network_by_the_servers_name(http: asked.Server):
    enter = binding().grants[0].credential.enter
    assert enter.variables["AT"] == ("qdrant",)
    assert run(http, enter, AT="127.0.0.1") == (0, "")
    assert http.asked[0][:2] == ("GET", "/collections/dev_messages")
