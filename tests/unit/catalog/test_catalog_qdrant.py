"""Qdrant: collections of an environment, and a signed key that reaches those only."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from envmgr.catalog.http import bash
from envmgr.catalog.kind import Binding, Client, Server
from envmgr.catalog.qdrant import Options, Qdrant
from envmgr.model.secret import SecretRef, SignedToken
from envmgr.model.stack import CommandProbe, ConfigMount, Image, Needed, Origin, Resources, SecretMount
from envmgr.secrets.vault import Vault
from tests.making import MEGABYTE

ADMIN = SecretRef("QDRANT_ADMIN_PASSWORD", "infra")
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
    claims = '{"access":[{"collection":"dev_messages","access":"rw"},{"collection":"dev_faq","access":"rw"}]}'
    assert bound.secrets == (SecretMount("QDRANT_API_KEY", (SignedToken(ADMIN, claims),)),)
    assert bound.needed == ()


def test_the_keys_of_two_environments_have_no_collection_in_common():
    vault = Vault().with_target("infra", {ADMIN.name: "admin-key"})
    seen = []
    for environment in ("dev", "prod"):
        token = vault.fill(binding(environment=environment).secrets[0].content)
        claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
        assert claims.keys() == {"access"}
        seen.append({one["collection"] for one in claims["access"]})
    assert seen == [{"dev_messages", "dev_faq"}, {"prod_messages", "prod_faq"}]


def test_a_grant_says_what_is_wanted_and_acts_as_administrator():
    (grant,) = binding().grants
    assert (grant.server, grant.title) == ("qdrant", "Qdrant collections dev_*")
    admin = {"KEY": (ADMIN,), "PREFIX": ("dev_",)}
    assert grant.ensure.variables == admin | {"COLLECTIONS": ("dev_messages 64 Cosine\ndev_faq 8 Dot",)}
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
    commands = [getattr(grant, verb) for verb in VERBS]
    assert {(one.target, one.service, one.argv[:2]) for one in commands} == {("infra", "vectors", ("bash", "-c"))}
    assert all(one.argv[2].startswith("ask() {\n  exec 3<>/dev/tcp/127.0.0.1/6333 || return 1\n") for one in commands)
    assert all("$KEY" in one.argv[2] for one in commands)
    assert [need.name for need in Qdrant().draft(server("vectors")).needed] == ["VECTORS_ADMIN_PASSWORD"]


@pytest.mark.parametrize("verb", VERBS)
def test_every_command_fails_when_the_server_refuses(verb: str):
    (grant,) = binding().grants
    lines = [line.strip() for line in getattr(grant, verb).argv[-1].splitlines()]
    asks = [line for line in lines if line.startswith("ask ")]
    assert asks
    assert all(line.endswith("|| exit 1") or line == lines[-1] for line in asks)
