"""What the stand-in for MinIO speaks: S3 per access key, `mc` as far as provisioning uses it, and what it refuses."""

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator

import httpx
import pytest

from tests.contract import s3_client
from tests.contract.image_bench import inspect, mounted, output, wait_until
from tests.contract.stand_in_bench import HARDENED, Served, of_one_module, serve

pytestmark = pytest.mark.docker

READY = "/minio/health/ready"
METRICS = "/minio/v2/metrics/cluster"
SETTINGS = ("--user=1000:1000", "--env=MINIO_ROOT_USER=root", "--env=MINIO_ROOT_PASSWORD=root-secret")
PUBLIC = "--env=MINIO_PROMETHEUS_AUTH_TYPE=public"
COMMAND = ("server", "/data", "--console-address", ":9001")
ROOT = "http://root:root-secret@127.0.0.1:9000"
DEV = "http://dev_app:dev-secret@127.0.0.1:9000"
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
KEYS = {"dev": ("dev_app", "dev-secret"), "prod": ("prod_app", "prod-secret"), "root": ("root", "root-secret")}


def policy(prefix: str) -> str:
    places = [f"arn:aws:s3:::{prefix}-*", f"arn:aws:s3:::{prefix}-*/*"]
    return json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["s3:*"], "Resource": places}]}
    )


@pytest.fixture(scope="module")
def minio(images, tmp_path_factory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("policies")
    policies = [mounted(folder, f"/policies/{name}.json", policy(name)) for name in ("dev", "prod")]
    with of_one_module() as bench:
        data = f"--volume={bench.volume()}:/data"
        publish = "--publish=127.0.0.1::9001"
        served = serve(
            bench, images["minio"], 9000, READY, *SETTINGS, PUBLIC, data, publish, *policies, command=COMMAND
        )
        for name in ("dev", "prod"):
            provision(served, name)
        yield served


def provision(minio: Served, name: str) -> None:
    key, secret = KEYS[name]
    for command in (
        f"mb --ignore-existing local/{name}-files",
        f"admin user add local {key} {secret}",
        f"admin policy create local {name} /policies/{name}.json",
        f"admin policy attach local {name} --user {key}",
    ):
        assert mc(minio, command)[0] == 0, command


def mc(minio: Served, command: str, address: str = ROOT) -> tuple[int, str]:
    return minio.shell(f"mc {command}", MC_HOST_local=address)


def lines(minio: Served, command: str, address: str = ROOT) -> list[dict]:
    code, said = mc(minio, command, address)
    assert code == 0, said
    return [json.loads(line) for line in said.splitlines()]


def s3(minio: Served, who: str, path: str, method: str = "GET", body: str = "", **headers: str) -> tuple[int, str]:
    """Send one signed request; return its status and what was answered."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return s3_client.send(minio.url(path), *KEYS[who], method, body.encode(), named)


def rclone(minio: Served, who: str, *words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run rclone as an S3 client, the only one in the image."""
    key, secret = KEYS[who]
    remote = {"TYPE": "s3", "PROVIDER": "Rclone", "ENDPOINT": "http://127.0.0.1:9000", "CHUNK_SIZE": "5Mi"}
    remote |= {"UPLOAD_CUTOFF": "5Mi", "ACCESS_KEY_ID": key, "SECRET_ACCESS_KEY": secret, "NO_CHECK_BUCKET": "true"}
    options = [option for name, value in remote.items() for option in ("--env", f"RCLONE_CONFIG_S_{name}={value}")]
    command = [
        "docker",
        "exec",
        "--interactive",
        *options,
        minio.container,
        "rclone",
        "--config=",
        "--retries=1",
        *words,
    ]
    return subprocess.run(command, input=stdin, capture_output=True, timeout=120, check=False)


# ---- S3


def test_an_object_is_put_read_listed_copied_and_deleted(minio):
    assert s3(minio, "dev", "/dev-files/notes/a%20b", "PUT", "some text", content_type="text/plain")[0] == 200
    assert s3(minio, "dev", "/dev-files/notes/a%20b") == (200, "some text")
    status, listed = s3(minio, "dev", "/dev-files?list-type=2&prefix=notes%2F")
    assert (status, "<Key>notes/a b</Key>" in listed) == (200, True)
    assert s3(minio, "dev", "/dev-files/copied", "PUT", x_amz_copy_source="/dev-files/notes/a%20b")[0] == 200
    assert s3(minio, "dev", "/dev-files/copied") == (200, "some text")
    for path in ("/dev-files/notes/a%20b", "/dev-files/copied"):
        assert s3(minio, "dev", path, "DELETE")[0] == 204
        assert s3(minio, "dev", path)[0] == 404


def test_a_large_object_goes_up_in_parts_and_comes_down_whole(minio):
    content = os.urandom(12 * 1024 * 1024 + 1)
    sent = rclone(minio, "dev", "rcat", "s:dev-files/large", "--streaming-upload-cutoff=1Ki", stdin=content)
    assert sent.returncode == 0, sent.stderr
    assert (
        hashlib.sha256(rclone(minio, "dev", "cat", "s:dev-files/large").stdout).digest()
        == hashlib.sha256(content).digest()
    )
    assert lines(minio, "du --json local/dev-files") == [
        {"status": "success", "prefix": "dev-files", "size": len(content), "objects": 1, "isVersions": False}
    ]
    assert f'minio_bucket_usage_total_bytes{{bucket="dev-files"}} {len(content)}' in minio.ask("GET", METRICS).text
    assert rclone(minio, "dev", "deletefile", "s:dev-files/large").returncode == 0


def test_a_presigned_address_opens_one_object_to_whoever_has_it(minio):
    assert rclone(minio, "dev", "rcat", "s:dev-files/shared", stdin=b"for all").returncode == 0
    address = rclone(minio, "dev", "link", "--expire=10m", "s:dev-files/shared").stdout.decode().strip()
    fetch = "curl -sS -w %{http_code} "
    assert minio.shell(f"{fetch} '{address}'") == (0, "for all200")
    assert minio.shell(f"{fetch} -o /dev/null '{address.replace('shared', 'other')}'") == (0, "403")
    assert minio.shell(f"{fetch} -o /dev/null '{address[:-4]}0000'") == (0, "403")


def test_each_access_key_sees_its_own_buckets(minio):
    def seen(who: str) -> str:
        return s3(minio, who, "/")[1]

    assert ("dev-files" in seen("dev"), "prod-files" in seen("dev")) == (True, False)
    assert ("dev-files" in seen("prod"), "prod-files" in seen("prod")) == (False, True)
    assert "dev-files" in seen("root")
    assert "prod-files" in seen("root")
    assert [one["key"] for one in lines(minio, "ls --json local", DEV)] == ["dev-files/"]


@pytest.mark.parametrize(
    ("method", "path", "source"),
    [
        ("GET", "/prod-files/secret", ""),
        ("GET", "/prod-files?list-type=2", ""),
        ("PUT", "/prod-files/secret", ""),
        ("DELETE", "/prod-files/secret", ""),
        ("DELETE", "/prod-files", ""),
        ("PUT", "/dev-own", ""),
        ("PUT", "/dev-files/x", "/prod-files/secret"),
        ("PUT", "/dev-files/x", "dev-files/..%2Fprod-files/secret"),
        ("GET", "/dev-files/../prod-files/secret", ""),
        ("GET", "/dev-files/%2e%2e/prod-files/secret", ""),
        ("GET", "//prod-files/secret", ""),
    ],
)
def test_another_environments_objects_are_out_of_reach(minio, method, path, source):
    assert s3(minio, "prod", "/prod-files/secret", "PUT", "prod's own")[0] == 200
    status, answer = s3(minio, "dev", path, method, **({"x_amz_copy_source": source} if source else {}))
    assert (status, "<Code>AccessDenied</Code>" in answer) == (403, True)
    assert s3(minio, "prod", "/prod-files/secret") == (200, "prod's own")


def test_names_inside_a_request_lead_nowhere_else(minio):
    assert s3(minio, "prod", "/prod-files/kept", "PUT", "kept")[0] == 200
    body = "<Delete><Object><Key>../prod-files/kept</Key></Object></Delete>"
    s3(minio, "dev", "/dev-files?delete=", "POST", body)
    status, listed = s3(minio, "dev", "/dev-files?list-type=2&prefix=..%2Fprod-files%2F")
    assert (status, "kept" in listed) == (200, False)
    assert s3(minio, "prod", "/prod-files/kept") == (200, "kept")


def test_a_wrong_key_is_refused(minio):
    assert s3_client.send(minio.url("/dev-files?list-type=2"), "dev_app", "guessed-secret")[0] == 403
    assert "InvalidAccessKeyId" in s3_client.send(minio.url("/"), "nobody", "guessed-secret")[1]
    assert minio.ask("GET", "/dev-files/any").status_code == 403
    assert minio.ask("GET", "/").status_code == 403


def test_changes_count_at_once(minio):
    def status(secret: str, path: str = "/dev-files?list-type=2") -> int:
        return s3_client.send(minio.url(path), "temporary", secret)[0]

    assert mc(minio, "admin user add local temporary first-secret")[0] == 0
    assert mc(minio, "admin policy attach local dev --user temporary")[0] == 0
    assert status("first-secret") == 200
    assert mc(minio, "mb local/dev-more")[0] == 0
    assert status("first-secret", "/dev-more?list-type=2") == 200
    assert mc(minio, "rb --force local/dev-more")[0] == 0
    assert mc(minio, "admin user add local temporary second-secret")[0] == 0
    assert (status("first-secret"), status("second-secret")) == (403, 200)
    assert mc(minio, "admin user remove local temporary")[0] == 0
    assert status("second-secret") == 403


def test_everything_survives_a_restart(minio):
    assert s3(minio, "dev", "/dev-files/kept", "PUT", "kept")[0] == 200
    minio.restart(READY)
    assert s3(minio, "dev", "/dev-files/kept") == (200, "kept")
    assert s3(minio, "prod", "/dev-files/kept")[0] == 403


# ---- mc


def test_mc_keeps_an_alias_whose_credentials_were_accepted(minio):
    login = "mc alias set mine http://127.0.0.1:9000"
    assert minio.shell(f"{login} root root-secret") == (0, "Added `mine` successfully.\n")
    assert minio.shell("mc ready mine") == (0, "The cluster is ready\n")
    assert minio.shell(f"printf 'root\\nroot-secret\\n' | {login}")[0] == 0
    assert minio.shell("stat -c %a /tmp/.mc/config.json") == (0, "600\n")


@pytest.mark.parametrize(
    ("credentials", "message"),
    [
        ("root guessed-secret", "signature we calculated does not match the signature you provided"),
        ("nobody guessed-secret", "The Access Key Id you provided does not exist in our records."),
    ],
)
def test_mc_refuses_wrong_credentials(minio, credentials, message):
    code, said = minio.shell(f"mc alias set wrong http://127.0.0.1:9000 {credentials}")
    assert (code, said.startswith("mc: <ERROR> Unable to initialize new alias")) == (1, True)
    assert message in said
    assert minio.shell("mc ls wrong")[0] == 1


def test_mc_lists_users_with_their_policies(minio):
    users = [
        (one["accessKey"], one["policyName"], one["userStatus"]) for one in lines(minio, "admin user list --json local")
    ]
    assert users == [("dev_app", "dev", "enabled"), ("prod_app", "prod", "enabled")]


def test_mc_does_again_what_is_done(minio):
    assert mc(minio, "mb --ignore-existing local/dev-files")[0] == 0
    assert mc(minio, "admin user add local dev_app dev-secret")[0] == 0
    assert mc(minio, "admin policy create local dev /policies/dev.json")[0] == 0
    assert s3(minio, "dev", "/dev-files?list-type=2")[0] == 200


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("mb local/dev-files", "Your previous request to create the named bucket succeeded and you already own it."),
        ("mb local/dev_files", "Bucket name contains invalid characters"),
        ("du local/none", "The specified bucket does not exist."),
        ("rb --force local/none", "The specified bucket does not exist."),
        ("admin user add local dev_app short", "The secret key is invalid."),
        ("admin user add local ab long-enough", "The access key is invalid."),
        ("admin user remove local nobody", "The specified user does not exist."),
        ("admin policy attach local dev --user dev_app", "The specified policy change is already in effect."),
        ("admin policy attach local none --user dev_app", "The canned policy does not exist."),
        ("admin policy attach local dev --user nobody", "The specified user does not exist."),
        ("admin policy create local new /etc/hostname", "The policy is malformed."),
        ("admin policy create local new /none.json", "open /none.json: no such file or directory."),
        ("admin policy remove local dev", "The specified policy is in use"),
        ("admin policy remove local none", "The canned policy does not exist."),
        ("ls other", "No valid configuration found for 'other' host alias."),
        ("admin user list", "Incorrect number of arguments."),
        ("cat local/dev-files/x", "this stand-in for mc does not know `mc cat"),
    ],
)
def test_mc_says_what_it_refuses(minio, command, message):
    code, said = mc(minio, command)
    assert (code, said.startswith("mc: <ERROR> ")) == (1, True)
    assert message in said


def test_mc_says_so_as_json_too(minio):
    code, said = mc(minio, "admin user remove local nobody --json")
    document = json.loads(said)
    assert (code, document["status"]) == (1, "error")
    assert document["error"]["message"] == "Unable to remove nobody. The specified user does not exist."


def test_mc_lets_only_the_root_user_administrate(minio):
    for command in (
        "admin user list local",
        "admin user add local more more-secret",
        "mb local/dev-x",
        "rb local/dev-files",
    ):
        assert mc(minio, command, DEV)[1].endswith("Access Denied.\n")


def test_mc_needs_the_server(minio):
    code, said = mc(minio, "ls local", "http://root:root-secret@127.0.0.1:9009")
    assert (code, "does not answer" in said) == (1, True)


# ---- the container


def test_health_needs_no_key_and_the_console_says_what_it_is(minio):
    assert minio.ask("GET", "/minio/health/live").status_code == 200
    page = httpx.get(minio.url("/", 9001), trust_env=False)
    assert (page.status_code, "A stand-in for MinIO" in page.text) == (200, True)


def test_credentials_come_from_files(images, bench, tmp_path):
    files = [mounted(tmp_path, "/run/secrets/user", "filed\n"), mounted(tmp_path, "/run/password", "filed-secret\n")]
    settings = ("--env=MINIO_ROOT_USER_FILE=user", "--env=MINIO_ROOT_PASSWORD_FILE=/run/password")
    options = (*settings, "--user=1000:1000", f"--volume={bench.volume()}:/data")
    minio = serve(bench, images["minio"], 9000, READY, *options, *files)
    assert mc(minio, "mb local/a-bucket", "http://filed:filed-secret@127.0.0.1:9000")[0] == 0
    assert "filed-secret" not in minio.shell("cat /proc/1/environ")[1]
    assert minio.ask("GET", METRICS).status_code == 403


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--env=MINIO_ROOT_PASSWORD=short",), "MINIO_ROOT_PASSWORD is shorter than 8 characters"),
        (("--env=MINIO_ROOT_PASSWORD_FILE=/none",), "names /none, which cannot be read"),
        (("--env=MINIO_ROOT_PASSWORD=a-password", "--env=MINIO_ROOT_PASSWORD_FILE=/etc/hostname"), "are both set"),
        (("--user=4242:4242",), "/data is not writable for uid 4242"),
    ],
)
def test_a_wrong_configuration_is_refused(images, bench, options, message):
    assert message in bench.refused(images["minio"], *HARDENED, f"--volume={bench.volume()}:/data", *options)


def test_the_s3_server_rests_when_nobody_asks(minio):
    """Its folders' timers must not spin: rclone's cache time of zero costs a whole core."""
    for who in ("dev", "prod"):
        for _ in range(3):
            assert rclone(minio, who, "rcat", f"s:{who}-files/often", stdin=b"again").returncode == 0
            assert rclone(minio, who, "lsf", f"s:{who}-files").returncode == 0
    busy = "for p in /proc/[0-9]*; do [ $(cat $p/comm) != rclone ] || awk '{print $14 + $15}' $p/stat; done"

    def rests() -> bool:
        before, after = minio.shell(f"{busy}; sleep 1; {busy}")[1].split()
        return int(after) - int(before) < _TICKS_PER_SECOND / 10

    wait_until(rests, "rclone rests")


def test_the_container_ends_with_its_s3_server(images, bench):
    data = f"--volume={bench.volume()}:/data"
    minio = serve(bench, images["minio"], 9000, READY, *SETTINGS, data)
    minio.shell("for p in /proc/[0-9]*; do [ $(cat $p/comm) != rclone ] || kill -9 ${p#/proc/}; done")
    wait_until(lambda: inspect(minio.container, "{{.State.Running}}") == "false", "the container ends")
    assert inspect(minio.container, "{{.State.ExitCode}}") == "1", output(minio.container)
