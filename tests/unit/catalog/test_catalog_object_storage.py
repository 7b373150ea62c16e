"""Object storage: what all stores tell the application, and MinIO's own part."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from envmgr.catalog import object_storage
from envmgr.catalog.http import curl
from envmgr.catalog.kind import Address, Binding, Client, Metrics, Server
from envmgr.catalog.minio import Minio, Options
from envmgr.model.needed import Needed, Origin
from envmgr.model.secret import SecretRef
from envmgr.model.stack import Command, CommandProbe, Image, Resources, SecretMount
from envmgr.secrets.vault import Vault
from tests.making import MEGABYTE

ADMIN = SecretRef("MINIO_ADMIN_PASSWORD", "infra")
SECRET = SecretRef("MINIO_PASSWORD", "dev")
LOGIN = SecretRef("MINIO_LOGIN", "dev")
NEEDED = (
    Needed("MINIO_PASSWORD", "dev", True, Origin.GENERATED, place="infra.minio"),
    Needed("MINIO_LOGIN", "dev", False, Origin.OPERATOR, is_required=False, default="dev-app", place="infra.minio"),
)
DEV = Client("dev", "dev_")


def server(*buckets: str, name: str = "minio", image: str | None = None, **options: Any) -> Server:
    given = Options(buckets=buckets or ("uploads",), **options)
    return Server("play", "infra", name, given, Resources(1.0, 512 * MEGABYTE, 64), image, None)


def managed(url: str, *buckets: str, is_provisioned: bool = False, **options: Any) -> Server:
    return replace(
        server(*buckets, **options),
        target="dev",
        address=Address.of(url),
        is_provisioned=is_provisioned,
        client="registry.example/mc:1",
    )


def binding(one: Server | None = None) -> Binding:
    return Minio().bind(one or server(), DEV)


# ---- what the application is told


def keys(key_id: str | SecretRef, secret: SecretRef) -> tuple[SecretMount, ...]:
    return SecretMount("S3_ACCESS_KEY_ID", (key_id,)), SecretMount("S3_SECRET_ACCESS_KEY", (secret,))


def test_one_bucket_has_the_short_name_too():
    bound = binding(server("uploads"))
    assert bound.variables == {
        "S3_ENDPOINT_URL": "http://minio:9000",
        "S3_REGION": "us-east-1",
        "S3_BUCKET": "dev-uploads",
        "S3_BUCKET_UPLOADS": "dev-uploads",
    }
    assert bound.secrets == keys(LOGIN, SECRET)
    assert bound.needed == NEEDED
    vault = Vault().with_target("dev", {"MINIO_LOGIN": "dev-app-2", "MINIO_PASSWORD": "p"})
    assert [vault.fill(mount.content) for mount in bound.secrets] == ["dev-app-2", "p"]


def test_several_buckets_have_a_variable_each():
    variables = binding(server("uploads", "daily-exports", region="eu-west-1")).variables
    assert {name: value for name, value in variables.items() if "BUCKET" in name or "REGION" in name} == {
        "S3_REGION": "eu-west-1",
        "S3_BUCKET_UPLOADS": "dev-uploads",
        "S3_BUCKET_DAILY_EXPORTS": "dev-daily-exports",
    }


def test_a_managed_store_has_a_key_and_buckets_that_the_operator_made():
    url = "https://AKIA123@s3.eu-central-1.amazonaws.com"
    one = managed(url, "uploads", "exports", bucket_names={"uploads": "acme-uploads-7"}, region="eu-central-1")
    bound = binding(one)
    assert bound.grants == ()
    assert bound.secrets == keys("AKIA123", SECRET)
    assert bound.variables == {
        "S3_ENDPOINT_URL": "https://s3.eu-central-1.amazonaws.com",
        "S3_REGION": "eu-central-1",
        "S3_BUCKET_UPLOADS": "acme-uploads-7",
        "S3_BUCKET_EXPORTS": "dev-exports",
    }
    assert bound.needed == (Needed("MINIO_PASSWORD", "dev", True, Origin.OPERATOR, place="infra.minio"),)


def test_a_managed_store_with_an_administrators_key_is_provisioned():
    bound = binding(managed("http://boss@minio.example.com:9100", is_provisioned=True, bucket_names={"uploads": "xyz"}))
    assert bound.variables["S3_ENDPOINT_URL"] == "http://minio.example.com:9100"
    assert (bound.secrets, bound.variables["S3_BUCKET"]) == (keys(LOGIN, SECRET), "dev-uploads")
    assert bound.needed == (
        *NEEDED,
        Needed("MINIO_ADMIN_PASSWORD", "dev", True, Origin.OPERATOR, place="infra.minio"),
    )
    (grant,) = bound.grants
    encoded = SecretRef("MINIO_ADMIN_PASSWORD", "dev", "url")
    assert grant.is_external
    assert grant.ensure.variables["MC_HOST_store"] == ("http://", "boss", ":", encoded, "@minio.example.com:9100")
    assert grant.credential.retire.variables["MC_HOST_store"] == grant.ensure.variables["MC_HOST_store"]
    # Its own container is no nearer than a consumer's.
    assert grant.credential.enter == grant.probe


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (server(), []),
        (managed("https://KEY@s3.example.com"), []),
        (managed("https://s3.example.com"), [("names no access key", "url")]),
        (
            managed("https://KEY@s3.example.com", bucket_names={"upload": "x-y-z"}),
            [('"upload" is none of the buckets', "bucket_names.upload")],
        ),
    ],
)
def test_what_is_missing_or_said_of_nothing_is_refused(one: Server, expected: list[tuple[str, str]]):
    assert [(problem.message, problem.path) for problem in Minio().refuse(one, {})] == expected


def test_the_policy_reaches_the_content_of_the_environments_own_buckets_and_nothing_else():
    document = json.loads(object_storage.policy(DEV))
    (statement,) = document["Statement"]

    def allows(resource: str) -> bool:
        return any(fnmatchcase(f"arn:aws:s3:::{resource}", pattern) for pattern in statement["Resource"])

    assert statement["Effect"] == "Allow"
    assert [one for one in ("dev-uploads", "dev-uploads/a/b") if not allows(one)] == []
    assert [one for one in ("prod-uploads", "prod-uploads/dev-x", "dev", "dev2-x", "x-dev-y/z") if allows(one)] == []
    assert not [
        a for a in statement["Action"] if "*" in a or "Policy" in a or a.endswith(("CreateBucket", "DeleteBucket"))
    ]


# ---- MinIO


def test_the_server_as_it_is_by_default():
    draft = Minio().draft(server())
    assert draft.image == Image("pgsty/silo:RELEASE.2026-09-16T00-00-00Z")
    assert draft.command == ("server", "/data", "--address", ":9000", "--console-address", ":9001")
    assert (draft.user, draft.target_port, draft.more_ports) == ("1000:1000", 9000, {"console": 9001})
    assert draft.variables == {
        "MINIO_ROOT_USER": "admin",
        "MINIO_ROOT_PASSWORD_FILE": "/run/secrets/MINIO_ADMIN_PASSWORD",
        "MINIO_SITE_REGION": "us-east-1",
        "MINIO_PROMETHEUS_AUTH_TYPE": "public",
        "GOMEMLIMIT": "460MiB",
        "HOME": "/tmp",
    }
    assert draft.healthcheck == curl(9000, "/minio/health/ready")
    assert draft.metrics == Metrics(9000, "/minio/v2/metrics/cluster")
    assert draft.login == "admin, MINIO_ADMIN_PASSWORD"
    assert draft.needed == (Needed(ADMIN.name, "infra", True, Origin.GENERATED, place="infra.minio"),)


def test_another_version_and_another_image():
    version = "RELEASE.2026-10-01T00-00-00Z"
    assert Minio().draft(server(version=version)).image.reference == f"pgsty/silo:{version}"
    assert Minio().draft(server(image="registry.example/minio:1")).image.reference == "registry.example/minio:1"


def test_its_probe_is_an_administrators_question():
    probe = Minio().draft(server()).probe
    assert isinstance(probe, CommandProbe)
    assert probe.command.argv == ("mc", "admin", "user", "list", "store")
    assert probe.command.variables == as_user("admin", ADMIN)


def as_user(login: str | SecretRef, secret: SecretRef, at: str = "127.0.0.1") -> dict[str, Any]:
    encoded = SecretRef(secret.name, secret.scope, "url")
    return {"MC_HOST_store": ("http://", login, ":", encoded, f"@{at}:9000"), "MC_CONFIG_DIR": ("/tmp/.mc",)}


def test_a_grant_acts_as_administrator_and_hands_everything_over_as_variables():
    (grant,) = binding(server("uploads", "exports")).grants
    assert (grant.server, grant.title) == ("minio", "object storage dev-*")
    admin = {"LOGINS": ("dev-app dev-app-2",), "PREFIX": ("dev-",), **as_user("admin", ADMIN)}
    assert {name: dict(getattr(grant, name).variables) for name in ("exists", "measure", "revoke")} == dict.fromkeys(
        ("exists", "measure", "revoke"), admin
    )
    assert grant.ensure.variables == admin | {
        "BUCKETS": ("dev-uploads dev-exports",),
        "LOGIN": (LOGIN,),
        "SECRET": (SECRET,),
        "POLICY": (object_storage.policy(DEV),),
    }
    encoded = SecretRef("MINIO_LOGIN", "dev", "url")
    assert grant.probe.variables == {"BUCKET": ("dev-uploads",), **as_user(encoded, SECRET)}


def test_a_key_stands_beside_another_and_is_ended_with_its_policy():
    (grant,) = binding(replace(server("uploads"), programs="mc:1")).grants
    encoded = SecretRef("MINIO_LOGIN", "dev", "url")
    one = grant.credential
    assert (one.password, one.login, one.logins) == (SECRET, LOGIN, ("dev-app", "dev-app-2"))
    from_network = {"BUCKET": ("dev-uploads",), **as_user(encoded, SECRET, "minio")}
    assert one.enter == replace(grant.probe, client="mc:1", variables=from_network)
    assert one.retire.variables == grant.exists.variables | {"LOGIN": (LOGIN,)}


MC = """\
#!/bin/sh
printf '%s\\n' "$*" >>"$ASKED"
case "$*" in *"$FAILS"*) printf '%s\\n' "$SAYS"; exit 1;; esac
case "$*" in "admin user list"*) printf '%s\\n' "$USERS";; esac
"""


def run(folder: Path, command: Command, **variables: str) -> tuple[int, str, list[str]]:
    """Run one of MinIO's scripts with an `mc` that remembers what it was asked."""
    program, asked = folder / "mc", folder / "asked"
    program.write_text(MC)
    program.chmod(0o755)
    asked.write_text("")
    vault = Vault().with_target("dev", {"MINIO_LOGIN": "dev-app-2"}).with_target("infra", {})
    given = {"PATH": f"{folder}:{os.environ['PATH']}", "ASKED": str(asked), "FAILS": "nothing", **variables}
    done = subprocess.run(
        command.argv, env={**vault.fill_all(command.variables), **given}, capture_output=True, text=True, timeout=30
    )
    assert done.stderr == ""
    return done.returncode, done.stdout, asked.read_text().splitlines()


def user(name: str) -> str:
    return json.dumps({"status": "success", "accessKey": name, "userStatus": "enabled"}, separators=(",", ":"))


@pytest.mark.spawns
@pytest.mark.parametrize(
    ("users", "expected"),
    [
        (["dev-app"], "yes\n"),
        (["prod-app", "dev-app-2"], "yes\n"),
        (["dev-app", "dev-app-2"], "yes\n"),
        (["prod-app", "dev-app-3", "my-dev-app"], ""),
        ([], ""),
    ],
)
def test_an_environment_is_there_with_either_key(users: list[str], expected: str, tmp_path: Path):
    (grant,) = binding().grants
    assert run(tmp_path, grant.exists, USERS="\n".join(map(user, users)))[:2] == (0, expected)


@pytest.mark.spawns
def test_whether_it_is_there_is_never_guessed(tmp_path: Path):
    (grant,) = binding().grants
    code, said, _ = run(tmp_path, grant.exists, FAILS="user list", SAYS="Access Denied.")
    assert (code, said) == (1, "Access Denied.\n")


@pytest.mark.spawns
def test_one_of_two_keys_is_ended_and_both_go_with_the_environment(tmp_path: Path):
    (grant,) = binding().grants
    code, _, asked = run(tmp_path, grant.credential.retire)
    assert (code, asked) == (0, ["admin user remove store dev-app-2", "admin policy remove store dev-app-2"])
    code, _, asked = run(tmp_path, grant.revoke)
    assert (code, asked[1:]) == (
        0,
        [f"admin {what} remove store {one}" for one in ("dev-app", "dev-app-2") for what in ("user", "policy")],
    )


@pytest.mark.spawns
@pytest.mark.parametrize(
    ("says", "expected"),
    [("The specified user does not exist.", (0, "", 2)), ("Access Denied.", (1, "Access Denied.\n", 1))],
)
def test_a_key_that_has_gone_is_fine_and_a_refusal_is_told(says: str, expected: tuple[int, str, int], tmp_path: Path):
    (grant,) = binding().grants
    code, said, asked = run(tmp_path, grant.credential.retire, FAILS="user remove", SAYS=says)
    assert (code, said, len(asked)) == expected


def test_no_key_stands_on_a_command_line_of_mc():
    (grant,) = binding().grants
    script = grant.ensure.argv[-1]
    assert 'printf \'%s\\n%s\\n\' "$LOGIN" "$SECRET" | mc admin user add store\n' in script
    assert script.count("$SECRET") == 1


def test_what_was_done_already_is_no_error_and_everything_else_is():
    (grant,) = binding().grants
    assert "--ignore-existing" in grant.ensure.argv[-1]
    assert "*'already in effect'*) ;;\n  *) printf" in grant.ensure.argv[-1]
    assert "*'does not exist'*) ;; *) printf" in grant.revoke.argv[-1]
    for verb in ("ensure", "measure", "revoke"):
        assert getattr(grant, verb).argv[-1].startswith("set -e\n")
    assert "|| { printf '%s\\n' \"$users\"; exit 1; }" in grant.exists.argv[-1]


def test_only_the_environments_own_buckets_are_measured_and_removed():
    (grant,) = binding().grants
    for verb in ("measure", "revoke"):
        script = getattr(grant, verb).argv[-1]
        assert 'case $name in "$PREFIX"*/) printf' in script
        assert "for bucket in $owned; do" in script


def test_a_second_store_has_names_of_its_own():
    draft, bound = Minio().draft(server(name="cold-store")), binding(server(name="cold-store"))
    assert [need.name for need in (*draft.needed, *bound.needed)] == [
        "COLD_STORE_ADMIN_PASSWORD",
        "COLD_STORE_PASSWORD",
        "COLD_STORE_LOGIN",
    ]
    assert bound.variables["S3_ENDPOINT_URL"] == "http://cold-store:9000"
