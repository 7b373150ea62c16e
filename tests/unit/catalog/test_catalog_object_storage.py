"""Object storage: what all stores tell the application, and MinIO's own part."""

from __future__ import annotations

import json
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

import pytest

from envmgr.catalog import object_storage
from envmgr.catalog.http import curl
from envmgr.catalog.kind import Address, Binding, Client, Metrics, Server
from envmgr.catalog.minio import Minio, Options
from envmgr.model.secret import SecretRef
from envmgr.model.stack import CommandProbe, Image, Needed, Origin, Resources, SecretMount
from tests.making import MEGABYTE

ADMIN = SecretRef("MINIO_ADMIN_PASSWORD", "infra")
SECRET = SecretRef("MINIO_PASSWORD", "dev")
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


def keys(key_id: str, secret: SecretRef) -> tuple[SecretMount, ...]:
    return SecretMount("S3_ACCESS_KEY_ID", (key_id,)), SecretMount("S3_SECRET_ACCESS_KEY", (secret,))


def test_one_bucket_has_the_short_name_too():
    bound = binding(server("uploads"))
    assert bound.variables == {
        "S3_ENDPOINT_URL": "http://minio:9000",
        "S3_REGION": "us-east-1",
        "S3_BUCKET": "dev-uploads",
        "S3_BUCKET_UPLOADS": "dev-uploads",
    }
    assert bound.secrets == keys("dev-app", SECRET)
    assert bound.needed == (Needed("MINIO_PASSWORD", "dev", True, Origin.GENERATED, place="infra.minio"),)


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
    assert (bound.secrets, bound.variables["S3_BUCKET"]) == (keys("dev-app", SECRET), "dev-uploads")
    assert bound.needed == (
        Needed("MINIO_PASSWORD", "dev", True, Origin.GENERATED, place="infra.minio"),
        Needed("MINIO_ADMIN_PASSWORD", "dev", True, Origin.OPERATOR, place="infra.minio"),
    )
    (grant,) = bound.grants
    encoded = SecretRef("MINIO_ADMIN_PASSWORD", "dev", "url")
    assert grant.is_external
    assert grant.ensure.variables["MC_HOST_store"] == ("http://boss:", encoded, "@minio.example.com:9100")


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


def as_user(login: str, secret: SecretRef) -> dict[str, Any]:
    encoded = SecretRef(secret.name, secret.scope, "url")
    return {"MC_HOST_store": (f"http://{login}:", encoded, "@127.0.0.1:9000"), "MC_CONFIG_DIR": ("/tmp/.mc",)}


def test_a_grant_acts_as_administrator_and_hands_everything_over_as_variables():
    (grant,) = binding(server("uploads", "exports")).grants
    assert (grant.server, grant.title) == ("minio", "object storage dev-* with access key dev-app")
    admin = {"LOGIN": ("dev-app",), "PREFIX": ("dev-",), **as_user("admin", ADMIN)}
    assert {name: dict(getattr(grant, name).variables) for name in ("exists", "measure", "revoke")} == dict.fromkeys(
        ("exists", "measure", "revoke"), admin
    )
    assert grant.ensure.variables == admin | {
        "BUCKETS": ("dev-uploads dev-exports",),
        "SECRET": (SECRET,),
        "POLICY": (object_storage.policy(DEV),),
    }
    assert grant.probe.variables == {"BUCKET": ("dev-uploads",), **as_user("dev-app", SECRET)}


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
    ]
    assert bound.variables["S3_ENDPOINT_URL"] == "http://cold-store:9000"
