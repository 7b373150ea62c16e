"""Hold the SeaweedFS recipe, which is the real server, against what the registry image promises."""

from collections.abc import Iterator

import pytest

from tests.contract import s3_client
from tests.contract.image_bench import confined_to, confinement, docker, inspect, mounted, stop_seconds, wait_until
from tests.contract.stand_in_bench import HARDENED, Served, of_one_module, serve

pytestmark = pytest.mark.docker

IDENTITIES = """\
{"identities": [
  {"name": "dev", "credentials": [{"accessKey": "dev", "secretKey": "dev-secret"}],
   "actions": ["Read:dev-files", "Write:dev-files", "List:dev-files"]},
  {"name": "root", "credentials": [{"accessKey": "root", "secretKey": "root-secret"}], "actions": ["Admin"]}
]}
"""
COMMAND = (
    *("server", "-filer", "-s3", "-s3.config=/run/identities.json", "-ip=127.0.0.1", "-s3.ip.bind=0.0.0.0"),
    # By default it waits for ten seconds before it stops.
    *(
        "-volume.preStopSeconds=1",
        "-s3.port.iceberg=0",
        "-master.volumePreallocate=false",
        "-master.volumeSizeLimitMB=64",
    ),
)


@pytest.fixture(scope="module")
def seaweedfs(images, tmp_path_factory) -> Iterator[Served]:
    with of_one_module() as bench:
        config = mounted(tmp_path_factory.mktemp("seaweedfs"), "/run/identities.json", IDENTITIES)
        options = ("--user=1000:1000", config, f"--volume={bench.volume()}:/data")
        served = serve(bench, images["seaweedfs"], 8333, "/healthz", *options, command=COMMAND)
        for bucket in ("dev-files", "prod-files"):
            assert send(served, "root", f"/{bucket}", "PUT")[0] == 200
        yield served


def send(served: Served, who: str, path: str, method: str = "GET", body: bytes = b"") -> tuple[int, str]:
    return s3_client.send(served.url(path), who, f"{who}-secret", method, body)


def test_the_image_is_configured_as_the_registrys(images):
    template = "{{.Config.Entrypoint}} {{.Config.User}} {{.Config.Volumes}} {{.Config.WorkingDir}}"
    assert inspect(images["seaweedfs"], template) == "[/entrypoint.sh]  map[/data:{}] /data"
    programs = docker("run", "--rm", "--entrypoint=which", images["seaweedfs"], "weed", "wget", "curl").stdout
    assert programs.split() == ["/usr/bin/weed", "/usr/bin/wget", "/usr/bin/curl"]
    assert "4.47" in docker("run", "--rm", images["seaweedfs"], "version").stdout


def test_it_runs_without_rights(seaweedfs):
    assert confinement(seaweedfs.container) == confined_to("1000")


def test_an_access_key_reaches_its_own_bucket_only(seaweedfs):
    assert send(seaweedfs, "dev", "/dev-files/a", "PUT", b"some text")[0] == 200
    assert send(seaweedfs, "dev", "/dev-files/a") == (200, "some text")
    assert send(seaweedfs, "dev", "/prod-files/a", "PUT", b"x")[0] == 403
    assert send(seaweedfs, "dev", "/prod-files?list-type=2")[0] == 403
    assert s3_client.send(seaweedfs.url("/dev-files/a"), "dev", "guessed")[0] == 403


@pytest.mark.full
def test_objects_survive_a_restart(seaweedfs):
    assert send(seaweedfs, "dev", "/dev-files/kept", "PUT", b"kept")[0] == 200
    seaweedfs.restart("/healthz")
    # Its health does not wait for all of its parts to have found each other again.
    wait_until(lambda: send(seaweedfs, "dev", "/dev-files/kept") == (200, "kept"), "the object is there")


@pytest.mark.full
def test_root_becomes_its_user_and_the_server_ends_in_time(images, bench):
    data = f"--volume={bench.volume()}:/data"
    served = Served(bench.start(images["seaweedfs"], data, "--publish=127.0.0.1::8333", command=COMMAND[:3]), 8333)
    served.wait_for("/healthz")
    assert docker("exec", served.container, "stat", "-c", "%u", "/proc/1").stdout.strip() == "1000"
    # Two of its parts wait for ten seconds each before they stop.
    assert stop_seconds(served.container) < 30


@pytest.mark.parametrize(
    ("options", "command", "message"),
    [
        (("--cap-drop=ALL",), COMMAND[:3], "run it as user 1000:1000"),
        (("--user=4242:4242", *HARDENED), COMMAND[:3], "/data"),
        (("--user=1000:1000", *HARDENED), ("server", "-no-such-flag"), "flag provided but not defined: -no-such-flag"),
        (("--user=1000:1000", *HARDENED), (*COMMAND[:3], "-s3.config=/none.json"), "/none.json"),
    ],
)
def test_a_wrong_configuration_is_refused(images, bench, options, command, message):
    volume = f"--volume={bench.volume()}:/data"
    assert message in bench.refused(images["seaweedfs"], volume, *options, command=command)
