"""RustFS, Garage, SeaweedFS and S3: what each can be given, and what it must not be asked to do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from envmgr.catalog import object_storage
from envmgr.catalog.http import curl, wget
from envmgr.catalog.kind import Address, Binding, Client, Server
from envmgr.catalog.registry import INFRA
from envmgr.model.needed import Needed, Origin
from envmgr.model.secret import SecretRef
from envmgr.model.stack import Command, CommandProbe, Healthcheck, Image, Resources, SecretMount
from envmgr.secrets.vault import Vault
from tests import asked
from tests.making import MEGABYTE

DEV = Client("dev", "dev_")
VAULT = (
    Vault()
    .with_target("infra", {"RUSTFS_ADMIN_PASSWORD": "admin-pw"})
    .with_target("dev", {"RUSTFS_PASSWORD": "p", "RUSTFS_LOGIN": "dev-app"})
)
ROTATED = VAULT.with_target("dev", {"RUSTFS_PASSWORD": "next", "RUSTFS_LOGIN": "dev-app-2"})
LOGIN = SecretRef("RUSTFS_LOGIN", "dev")
STORES = ("rustfs", "garage", "seaweedfs", "s3")


def server(kind: str, *buckets: str, target: str = "infra", url: str = "", **options: Any) -> Server:
    if kind == "garage":
        options = {"secrets_as": "variables"} | options
    given = INFRA[kind].Options(buckets=buckets or ("uploads",), **options)
    one = Server("play", target, kind, given, Resources(1.0, 512 * MEGABYTE, 64), None, None, kind=kind)
    return replace(one, address=Address.of(url), is_provisioned=False) if url else one


def bound(one: Server) -> Binding:
    return INFRA[one.kind].bind(one, DEV)


def keys(key_id: str | SecretRef, secret: SecretRef) -> tuple[SecretMount, ...]:
    return SecretMount("S3_ACCESS_KEY_ID", (key_id,)), SecretMount("S3_SECRET_ACCESS_KEY", (secret,))


def refused(one: Server, *, used: bool = True) -> list[tuple[str, str]]:
    users = {"app": "asgi"} if used else {}
    return [(problem.path, problem.hint) for problem in INFRA[one.kind].refuse(one, users)]


@pytest.fixture
def http() -> Iterator[asked.Server]:
    with asked.serving() as one:
        yield one


def run(http: asked.Server, command: Command, vault: Vault = VAULT, **others: str) -> tuple[int, str]:
    script = command.argv[-1].replace("${AT:-127.0.0.1}:9000", f"${{AT:-127.0.0.1}}:{http.port}")
    done = http.run(script, **{**vault.fill_all(command.variables), **others})
    assert done.stderr == ""
    return done.returncode, done.stdout


# ---- a store that somebody else runs


@pytest.mark.parametrize("kind", STORES)
def test_a_store_that_somebody_else_runs_is_the_same_for_all_kinds(kind: str):
    one = server(
        kind, target="dev", url="https://KEYID@s3.example.com", bucket_names={"uploads": "acme-up"}, region="eu-west-1"
    )
    found = bound(one)
    assert found.grants == ()
    assert found.variables == {
        "S3_ENDPOINT_URL": "https://s3.example.com",
        "S3_REGION": "eu-west-1",
        "S3_BUCKET": "acme-up",
        "S3_BUCKET_UPLOADS": "acme-up",
    }
    name = f"{kind.upper()}_PASSWORD"
    assert found.secrets == keys("KEYID", SecretRef(name, "dev"))
    assert found.needed == (Needed(name, "dev", True, Origin.OPERATOR, place=f"infra.{kind}"),)
    assert refused(one) == []


@pytest.mark.parametrize("kind", ["garage", "seaweedfs", "s3"])
def test_keys_are_made_where_they_can_be_and_refused_elsewhere(kind: str):
    one = replace(server(kind, target="dev", url="https://KEYID@s3.example.com"), is_provisioned=True)
    assert refused(one) == [("provision", "make them there, and leave this out")]


def test_s3_starts_nothing():
    one = server("s3")
    hint = 'set mode = "external" and url, or use a kind that starts one, such as minio'
    assert refused(one) == [("mode", hint)]
    assert INFRA["s3"].draft(one).image == Image("")


# ---- stores that cannot keep environments apart


@pytest.mark.parametrize("kind", ["garage", "seaweedfs"])
def test_some_stores_are_one_environments_own(kind: str):
    assert refused(server(kind)) == [("mode", 'write mode = "own": each environment gets its own')]
    assert refused(server(kind), used=False) == []
    assert refused(server(kind, target="dev")) == []


def test_garage_as_it_is_by_default():
    one = server("garage", target="dev")
    draft = INFRA["garage"].draft(one)
    digits = SecretRef("GARAGE_PASSWORD", "dev", "sha256")
    assert draft.image == Image("dxflrs/garage:v2.3.0")
    assert draft.command == ("/garage", "server", "--single-node", "--default-bucket")
    # Its image holds nothing but this program.
    assert draft.healthcheck == Healthcheck(("CMD", "/garage", "status"))
    assert isinstance(draft.probe, CommandProbe)
    assert draft.probe.command.argv == ("/garage", "status")
    assert draft.templated == {"GARAGE_DEFAULT_SECRET_KEY": (digits,)}
    assert draft.secrets == (SecretMount("GARAGE_RPC_SECRET", (SecretRef("GARAGE_ADMIN_PASSWORD", "dev", "sha256"),)),)
    found = bound(one)
    assert found.secrets == keys(draft.variables["GARAGE_DEFAULT_ACCESS_KEY"], digits)
    assert found.variables["S3_BUCKET"] == draft.variables["GARAGE_DEFAULT_BUCKET"] == "uploads"
    assert found.grants == ()


def test_garages_key_has_the_form_that_it_takes_and_is_the_same_each_time():
    made = {bound(server("garage", target=target)).secrets[0].content[0] for target in ("dev", "dev", "prod")}
    assert len(made) == 2
    assert all(key.startswith("GK") and len(key) == 26 and int(key[2:], 16) >= 0 for key in made)


def test_garage_makes_one_bucket():
    assert refused(server("garage", "a", "b", target="dev")) == [("buckets", "use minio or rustfs for several")]


def test_garage_shows_its_key_in_a_variable_and_the_operator_has_to_accept_that():
    hint = 'accept it with secrets_as = "variables", or use another kind'
    assert refused(server("garage", target="dev", secrets_as="files")) == [("secrets_as", hint)]


def test_seaweedfs_as_it_is_by_default():
    draft = INFRA["seaweedfs"].draft(server("seaweedfs", "uploads", "exports", target="dev", volume_size="64M"))
    assert draft.image == Image("chrislusf/seaweedfs:4.47")
    assert draft.healthcheck == wget(8333, "/healthz")
    # Only S3 listens for other containers; the image's own start would reserve whole files.
    assert {"-ip.bind=127.0.0.1", "-s3.ip.bind=0.0.0.0", "-s3.port.iceberg=0", "-s3.port.lance=0"} < set(draft.command)
    assert {"-master.volumePreallocate=false", "-master.volumeSizeLimitMB=64"} < set(draft.command)
    (mount,) = draft.secrets
    vault = Vault().with_target("dev", {"SEAWEEDFS_PASSWORD": 'a "b"'})
    assert json.loads(vault.fill(mount.content)) == {
        "identities": [
            {
                "name": "app",
                "credentials": [{"accessKey": "app", "secretKey": 'a "b"'}],
                "actions": [
                    *("Read:uploads", "Write:uploads", "List:uploads", "Tagging:uploads"),
                    *("Read:exports", "Write:exports", "List:exports", "Tagging:exports"),
                ],
            }
        ]
    }


def test_seaweedfs_makes_what_is_missing_and_looks_whether_it_is_there():
    (grant,) = bound(server("seaweedfs", "uploads", "exports", target="dev")).grants
    assert grant.ensure.variables == {"BUCKETS": ("uploads exports",)}
    assert 'has "$bucket" || shell "s3.bucket.create -name $bucket"' in grant.ensure.argv[-1]
    assert 'echo "$bucket was not created"; exit 1' in grant.ensure.argv[-1]
    assert 'echo "$bucket is still there"; exit 1' in grant.revoke.argv[-1]
    assert {grant.ensure.target, grant.ensure.service} == {"dev", "seaweedfs"}


# ---- RustFS


def test_rustfs_as_it_is_by_default():
    draft = INFRA["rustfs"].draft(server("rustfs"))
    assert draft.image == Image("rustfs/rustfs:1.0.0")
    assert (draft.user, draft.command, draft.more_ports) == ("10001:10001", (), {"console": 9001})
    assert draft.healthcheck == curl(9000, "/health")
    assert draft.variables == {
        "RUSTFS_ACCESS_KEY_FILE": "/run/secrets/RUSTFS_ACCESS_KEY",
        "RUSTFS_SECRET_KEY_FILE": "/run/secrets/RUSTFS_ADMIN_PASSWORD",
        "RUSTFS_ADDRESS": ":9000",
        "RUSTFS_CONSOLE_ENABLE": "true",
        "RUSTFS_CONSOLE_ADDRESS": ":9001",
        "RUSTFS_REGION": "us-east-1",
        "RUSTFS_OBS_LOG_DIRECTORY": "",
    }


@pytest.mark.spawns
def test_rustfs_gets_buckets_a_policy_and_a_key_that_has_it(http: asked.Server):
    http.answers["PUT /dev-exports"] = (409, "<Code>BucketAlreadyOwnedByYou</Code>")
    (grant,) = bound(server("rustfs", "uploads", "exports")).grants
    assert run(http, grant.ensure) == (0, "")
    admin = "/rustfs/admin/v3"
    assert [(method, path) for method, path, _, _ in http.asked] == [
        ("PUT", "/dev-uploads"),
        ("PUT", "/dev-exports"),
        ("PUT", f"{admin}/add-canned-policy?name=dev-app"),
        ("PUT", f"{admin}/add-user?accessKey=dev-app"),
        ("PUT", f"{admin}/set-user-or-group-policy?isGroup=false&policyName=dev-app&userOrGroup=dev-app"),
    ]
    assert http.asked[2][2] == object_storage.policy(DEV)
    assert json.loads(http.asked[3][2]) == {"secretKey": "p", "status": "enabled"}
    assert all(one[3].startswith("AWS4-HMAC-SHA256 Credential=admin/") for one in http.asked)


@pytest.mark.spawns
def test_a_bucket_of_somebody_else_is_an_error(http: asked.Server):
    http.answers["PUT /dev-uploads"] = (409, "<Code>BucketAlreadyExists</Code>")
    (grant,) = bound(server("rustfs")).grants
    assert run(http, grant.ensure) == (1, "<Code>BucketAlreadyExists</Code>\n")


@pytest.mark.spawns
@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (200, 404, (0, "yes\n")),
        (404, 200, (0, "yes\n")),
        (200, 200, (0, "yes\n")),
        (404, 404, (0, "")),
        (403, 200, (1, "no\n")),
        (404, 403, (1, "no\n")),
    ],
)
def test_whether_one_of_its_keys_exists_is_never_guessed(
    http: asked.Server, first: int, second: int, expected: tuple[int, str]
):
    http.answers["GET /rustfs/admin/v3/user-info?accessKey=dev-app"] = (first, "no")
    http.answers["GET /rustfs/admin/v3/user-info?accessKey=dev-app-2"] = (second, "no")
    (grant,) = bound(server("rustfs")).grants
    assert run(http, grant.exists) == expected


LISTED = "<Buckets><Bucket><Name>dev-a</Name></Bucket><Bucket><Name>prod-a</Name></Bucket><Name>dev-b</Name></Buckets>"


@pytest.mark.spawns
def test_only_the_environments_own_buckets_are_measured_and_removed(http: asked.Server):
    http.answers["GET /"] = (200, LISTED)
    http.answers["DELETE /rustfs/admin/v3/remove-user?accessKey=dev-app"] = (404, "")
    (grant,) = bound(server("rustfs")).grants
    assert run(http, grant.measure) == (0, "buckets: dev-a dev-b\n")
    http.asked.clear()
    assert run(http, grant.revoke) == (0, "")
    assert [(method, path) for method, path, _, _ in http.asked if method == "DELETE"] == [
        ("DELETE", "/rustfs/admin/v3/remove-user?accessKey=dev-app"),
        ("DELETE", "/rustfs/admin/v3/remove-canned-policy?name=dev-app"),
        ("DELETE", "/rustfs/admin/v3/remove-user?accessKey=dev-app-2"),
        ("DELETE", "/rustfs/admin/v3/remove-canned-policy?name=dev-app-2"),
        ("DELETE", "/dev-a"),
        ("DELETE", "/dev-b"),
    ]


@pytest.mark.spawns
def test_the_environment_enters_with_its_own_key(http: asked.Server):
    (grant,) = bound(server("rustfs")).grants
    assert run(http, grant.probe) == (0, "")
    ((method, path, _, authorization),) = http.asked
    assert (method, path) == ("GET", "/dev-uploads?list-type=2&max-keys=1")
    assert authorization.startswith("AWS4-HMAC-SHA256 Credential=dev-app/")


@pytest.mark.spawns
def test_a_second_key_stands_beside_the_first_with_a_policy_of_its_own(http: asked.Server):
    (grant,) = bound(server("rustfs")).grants
    assert (grant.title, run(http, grant.ensure, ROTATED)) == ("object storage dev-*", (0, ""))
    admin = "/rustfs/admin/v3"
    assert [path for _, path, _, _ in http.asked][1:] == [
        f"{admin}/add-canned-policy?name=dev-app-2",
        f"{admin}/add-user?accessKey=dev-app-2",
        f"{admin}/set-user-or-group-policy?isGroup=false&policyName=dev-app-2&userOrGroup=dev-app-2",
    ]
    assert http.asked[1][2] == object_storage.policy(DEV)
    assert json.loads(http.asked[2][2])["secretKey"] == "next"


@pytest.mark.spawns
def test_one_of_two_keys_is_ended_with_its_policy_and_nothing_else(http: asked.Server):
    credential = bound(server("rustfs")).grants[0].credential
    assert (credential.password, credential.login) == (SecretRef("RUSTFS_PASSWORD", "dev"), LOGIN)
    assert credential.logins == ("dev-app", "dev-app-2")
    http.answers["DELETE /rustfs/admin/v3/remove-canned-policy?name=dev-app-2"] = (404, "")
    assert run(http, credential.retire, ROTATED) == (0, "")
    assert [one[:2] for one in http.asked] == [
        ("DELETE", "/rustfs/admin/v3/remove-user?accessKey=dev-app-2"),
        ("DELETE", "/rustfs/admin/v3/remove-canned-policy?name=dev-app-2"),
    ]
    assert all(one[3].startswith("AWS4-HMAC-SHA256 Credential=admin/") for one in http.asked)


@pytest.mark.spawns
def test_a_key_that_cannot_be_ended_is_told(http: asked.Server):
    http.answers["DELETE /rustfs/admin/v3/remove-user?accessKey=dev-app"] = (403, "no")
    credential = bound(server("rustfs")).grants[0].credential
    assert run(http, credential.retire) == (1, "DELETE /rustfs/admin/v3/remove-user?accessKey=dev-app: 403 no\n")
    assert len(http.asked) == 1


@pytest.mark.spawns
def test_a_consumer_enters_from_its_network_by_the_stores_name(http: asked.Server):
    enter = bound(replace(server("rustfs"), programs="rustfs:1")).grants[0].credential.enter
    assert (enter.variables["AT"], enter.client) == (("rustfs",), "rustfs:1")
    assert run(http, enter, ROTATED, AT="127.0.0.1") == (0, "")
    ((method, path, _, authorization),) = http.asked
    assert (method, path) == ("GET", "/dev-uploads?list-type=2&max-keys=1")
    assert authorization.startswith("AWS4-HMAC-SHA256 Credential=dev-app-2/")


def test_services_are_told_the_key_that_is_theirs_now():
    found = bound(server("rustfs"))
    assert found.secrets == keys(LOGIN, SecretRef("RUSTFS_PASSWORD", "dev"))
    assert [ROTATED.fill(mount.content) for mount in found.secrets] == ["dev-app-2", "next"]
    needed = Needed(
        LOGIN.name, "dev", False, Origin.OPERATOR, is_required=False, default="dev-app", place="infra.rustfs"
    )
    assert found.needed == (Needed("RUSTFS_PASSWORD", "dev", True, Origin.GENERATED, place="infra.rustfs"), needed)
