"""Hold the recipes of Redis and Valkey against what the registry images that they replace promise."""

from dataclasses import dataclass

import pytest

from tests.contract.image_bench import Bench, Run, archive, docker, inspect, run, wait_until

pytestmark = pytest.mark.docker

HARDENED = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--user=999:999", "--tmpfs=/tmp")
CONFIG = "{{.Config.Cmd}} {{.Config.WorkingDir}} {{.Config.ExposedPorts}} {{.Config.Volumes}}"


@dataclass(frozen=True)
class Product:
    """A recipe, and what differs between the two registry images."""

    name: str
    version: str
    config: str
    other_programs: tuple[str, ...] = ()

    def programs(self) -> tuple[str, ...]:
        return (f"{self.name}-server", f"{self.name}-cli", "sh", "sha256sum", *self.other_programs)

    def ask(self, container: str, *command: str, host: str = "127.0.0.1") -> str:
        done = shell(container, f"{self.name}-cli --no-auth-warning -h {host} {' '.join(command)}")
        return (done.stdout + done.stderr).strip()

    def serve(self, bench: Bench, image: str, *options: str, **more) -> str:
        container = bench.start(image, *options, **more)
        wait_until(lambda: self.ask(container, "PING") == "PONG", f"{container} answers")
        return container


REDIS = Product("redis", "Redis server v=8.0.", "[redis-server] /data map[6379/tcp:{}] map[/data:{}]")
VALKEY = Product(
    "valkey",
    "Valkey server v=8.1.",
    "[valkey-server] /data map[6379/tcp:{}] map[]",
    ("redis-server", "redis-cli", "redis-benchmark", "redis-check-aof", "redis-check-rdb"),
)


@pytest.fixture(params=[REDIS, VALKEY], ids=lambda one: one.name)
def product(request: pytest.FixtureRequest) -> Product:
    return request.param


@pytest.fixture
def image(product: Product, images) -> str:
    return images[product.name]


def shell(container: str, script: str, *, user: str = "999:999") -> Run:
    return docker("exec", "--user", user, container, "sh", "-c", script, check=False)


def test_it_keeps_uid_paths_and_commands(product, image):
    script = f"id {product.name}; pwd; stat -c '%u:%g' /data; which {' '.join(product.programs())}"
    found = run(image, "sh", "-c", script).splitlines()
    assert found[:3] == [
        f"uid=999({product.name}) gid=999({product.name}) groups=999({product.name})",
        "/data",
        "999:999",
    ]
    assert len(found) == 3 + len(product.programs())
    assert inspect(image, CONFIG) == product.config


@pytest.mark.parametrize("options", [(), HARDENED], ids=["root", "hardened"])
def test_it_keeps_its_data_in_a_fresh_volume(product, image, bench, options):
    data = f"--volume={bench.volume()}:/data"
    first = product.serve(bench, image, *options, data)
    assert product.ask(first, "SET", "key", "value") == "OK"
    assert shell(first, "stat -c %u /proc/1", user="0").stdout.strip() == "999"
    docker("stop", "--timeout", "30", first)
    assert inspect(first, "{{.State.ExitCode}}") == "0"
    second = product.serve(bench, image, *options, data, command=("--appendonly", "no"))
    assert product.ask(second, "GET", "key") == "value"
    assert shell(second, "stat -c '%u %a' /data/dump.rdb").stdout == "999 600\n"


def test_it_lets_other_containers_in(product, image, bench):
    container = product.serve(bench, image)
    assert product.ask(container, "PING", host="$(hostname -i)") == "PONG"


@pytest.mark.parametrize(
    ("arguments", "files", "answer"),
    [
        (("/r.conf",), {"r.conf": "maxmemory 5mb\n"}, "PONG"),
        (("{server}", "/r.conf"), {"r.conf": "# protected-mode yes\n"}, "PONG"),
        (("/r.conf",), {"r.conf": "Protected-Mode yes\n"}, "DENIED"),
        (("/r.conf",), {"r.conf": "include /i.conf\n", "i.conf": "protected-mode yes\n"}, "DENIED"),
        (("--port", "6379", "--protected-mode", "yes"), {}, "DENIED"),
        (("--requirepass", "word"), {}, "NOAUTH"),
    ],
)
def test_it_takes_arguments_and_files(product, image, bench, arguments, files, answer):
    tar = archive({name: (content, 0o644) for name, content in files.items()})
    command = tuple(one.format(server=f"{product.name}-server") for one in arguments)
    container = bench.start(image, command=command, files=tar)
    wait_until(lambda: "refused" not in product.ask(container, "PING"), "it listens")
    assert answer in product.ask(container, "PING", host="$(hostname -i)")


def test_it_runs_other_commands_as_they_are(product, image):
    assert run(image, "id", "-u") == "0"
    assert run(image, f"{product.name}-server", "--version").startswith(product.version)
    assert run(image, "--version").startswith(product.version)


@pytest.mark.parametrize(
    ("options", "arguments", "message"),
    [
        ((), ("--maxmemory", "much"), "argument must be a memory value"),
        ((), ("/none.conf",), "can't open config file"),
        (("--cap-drop=ALL",), (), "run it as user 999:999"),
    ],
)
def test_it_refuses_a_wrong_configuration(image, bench, options, arguments, message):
    assert message in bench.refused(image, *options, command=arguments)


# ---- in which they differ


def test_redis_refuses_a_folder_that_it_cannot_write_into(images, bench):
    assert "Permission denied" in bench.refused(images["redis"], "--user=998:998", command=("--appendonly", "yes"))


def test_valkey_refuses_a_folder_that_it_cannot_write_into(images, bench):
    refused = bench.refused(images["valkey"], "--user=998:998", "--workdir=/etc")
    assert refused == "entrypoint: user 998 may not write into /etc\n"


def test_valkey_serves_any_user(images, bench):
    container = bench.start(images["valkey"], "--user=998:998", command=("--appendonly", "yes"))
    wait_until(lambda: VALKEY.ask(container, "SET", "key", "value") == "OK", "it writes")
    assert shell(container, "stat -c '%u %a' /data/appendonlydir", user="0").stdout == "998 700\n"


def test_valkey_takes_flags_from_a_variable(images, bench):
    flags = "--env=VALKEY_EXTRA_FLAGS=--maxmemory 5mb --port 6379"
    container = VALKEY.serve(bench, images["valkey"], flags)
    assert VALKEY.ask(container, "CONFIG", "GET", "maxmemory").split() == ["maxmemory", "5242880"]
    bad = "--env=VALKEY_EXTRA_FLAGS=--maxmemory much"
    assert "argument must be a memory value" in bench.refused(images["valkey"], bad)
