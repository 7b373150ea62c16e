"""Hold the monitoring recipes against what the registry images that they replace promise."""

import json
import re
from dataclasses import dataclass

import pytest

from tests.contract.image_bench import (
    Bench,
    Images,
    confined_to,
    confinement,
    docker,
    inspect,
    mounted,
    output,
    run,
    stop_seconds,
    wait_until,
)

pytestmark = pytest.mark.docker

HARDENED = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--tmpfs=/tmp")
NOBODY = "65534:65534"


@dataclass(frozen=True)
class Server:
    """What the registry image of that name says about itself, and how its server takes a wrong configuration."""

    version: str
    config: str
    """Entrypoint, command, user, ports, volumes and working directory."""
    broken: tuple[str, ...]
    message: str
    user: str = NOBODY
    probe: str = ""
    """What its healthcheck asks; empty where the registry image has no program that could."""
    stopped: int = 0
    """Exit code after its stop signal. Go's own is 2, of a server that does not handle the signal."""


SERVERS = {
    "prometheus": Server(
        "2.53.3",
        "[/bin/prometheus] [--config.file=/etc/prometheus/prometheus.yml --storage.tsdb.path=/prometheus]"
        " nobody map[9090/tcp:{}] map[/prometheus:{}] /prometheus",
        ("--config.file=/etc/hostname",),
        "Error loading config (--config.file=/etc/hostname)",
        probe="http://127.0.0.1:9090/-/healthy",
    ),
    "alertmanager": Server(
        "0.28.1",
        "[/bin/alertmanager] [--config.file=/etc/alertmanager/alertmanager.yml --storage.path=/alertmanager]"
        " nobody map[9093/tcp:{}] map[/alertmanager:{}] /alertmanager",
        ("--config.file=/etc/hostname", "--storage.path=/alertmanager"),
        "Loading configuration file failed",
        probe="http://127.0.0.1:9093/-/healthy",
    ),
    "postgres-exporter": Server(
        "0.17.1",
        "[/bin/postgres_exporter] [] nobody map[9187/tcp:{}] map[]",
        ("--no-such-flag",),
        "unknown long flag '--no-such-flag'",
        probe="http://127.0.0.1:9187/",
        stopped=2,
    ),
    "redis-exporter": Server(
        "1.69.0",
        "[/redis_exporter] [] 59000:59000 map[9121/tcp:{}] map[]",
        ("--redis.password-file=/none",),
        "Error loading redis passwords from file /none",
        user="59000:59000",
        probe="http://127.0.0.1:9121/health",
    ),
    "node-exporter": Server(
        "1.9.0",
        "[/bin/node_exporter] [] nobody map[9100/tcp:{}] map[]",
        ("--collector.no-such-collector",),
        "unknown long flag '--collector.no-such-collector'",
        probe="http://127.0.0.1:9100/",
        stopped=2,
    ),
    "blackbox-exporter": Server(
        "0.26.0",
        "[/bin/blackbox_exporter] [--config.file=/etc/blackbox_exporter/config.yml]  map[9115/tcp:{}] map[]",
        ("--config.file=/etc/hostname",),
        "Error loading config",
        probe="http://127.0.0.1:9115/-/healthy",
    ),
    "nginx-exporter": Server(
        "1.4.1",
        "[/usr/bin/nginx-prometheus-exporter] [] 1001:1001 map[] map[]",
        ("--web.listen-address=nonsense",),
        "address nonsense: missing port in address",
        user="1001:1001",
    ),
}
NAMES = pytest.mark.parametrize("name", SERVERS)


def fetch(container: str, url: str, *options: str) -> str:
    """Ask with the probe's program, of the container itself; empty when there was no answer."""
    return docker("exec", container, "wget", "-q", "-T", "3", "-O-", *options, url, check=False).stdout


def answers(container: str, url: str) -> bool:
    assert inspect(container, "{{.State.Running}}") == "true", output(container)
    return docker("exec", container, "wget", "-q", "-T", "3", "-O", "/dev/null", url, check=False).returncode == 0


def has_started(container: str, name: str) -> bool:
    probe = SERVERS[name].probe
    return answers(container, probe) if probe else "Listening on" in output(container)


def serve(bench: Bench, images: Images, name: str, *options: str, command: tuple[str, ...] = ()) -> str:
    user = f"--user={SERVERS[name].user}"
    return bench.start(images[name], *HARDENED, user, *options, command=command)


def beside(container: str) -> str:
    """Share the network of a container, so that both reach each other over the loopback."""
    return f"--network=container:{container}"


@NAMES
def test_keeps_the_image_configuration(images, name):
    template = (
        "{{.Config.Entrypoint}} {{.Config.Cmd}} {{.Config.User}} {{.Config.ExposedPorts}} {{.Config.Volumes}}"
        " {{.Config.WorkingDir}}"
    )
    assert inspect(images[name], template) == SERVERS[name].config
    assert inspect(images[name], "{{.Config.StopSignal}}") == ""


@NAMES
def test_has_the_version_that_its_name_says(images, name):
    server = SERVERS[name]
    said = docker("run", "--rm", images[name], "--version")
    assert re.search(rf"(version |Exporter ){re.escape(server.version)}\b", said.stdout + said.stderr)
    assert images[name].split(":v")[-1].split(":")[-1] == server.version
    assert (images.recipes[name].replaces or "").removesuffix("-alpine").endswith(server.version)


@pytest.mark.parametrize("init", [(), ("--init",)], ids=["alone", "under-init"])
@NAMES
def test_runs_hardened_and_stops_on_its_signal(images, bench, name, init):
    server = SERVERS[name]
    container = serve(bench, images, name, *init)
    wait_until(lambda: has_started(container, name), f"{name} has started")
    assert confinement(container) == confined_to(server.user.split(":")[0])
    assert stop_seconds(container) < 20
    code = int(inspect(container, "{{.State.ExitCode}}"))
    # Only process 1 is spared the signal's own effect.
    assert code == (server.stopped if not init or not server.stopped else 143)


@pytest.mark.parametrize("name", [name for name in SERVERS if SERVERS[name].probe])
def test_answers_the_probe_that_its_image_contains(images, bench, name):
    container = serve(bench, images, name)
    probe = SERVERS[name].probe
    wait_until(lambda: answers(container, probe), f"{name} answers")
    assert not answers(container, probe.replace("127.0.0.1:9", "127.0.0.1:8"))


def test_nginx_exporter_has_no_program_for_a_probe(images):
    done = docker("run", "--rm", "--entrypoint=sh", images["nginx-exporter"], "-c", "which wget curl", check=False)
    assert (done.returncode, done.stdout) == (1, "")


@NAMES
def test_refuses_a_wrong_configuration(images, bench, name):
    server = SERVERS[name]
    options = (*HARDENED, f"--user={server.user}")
    assert server.message in bench.refused(images[name], *options, command=server.broken)


@pytest.mark.parametrize(
    ("name", "program", "arguments", "good"),
    [
        ("prometheus", "/bin/promtool", ("check", "config"), "/etc/prometheus/prometheus.yml"),
        ("alertmanager", "/bin/amtool", ("check-config",), "/etc/alertmanager/alertmanager.yml"),
    ],
)
def test_brings_the_program_that_checks_configurations(images, name, program, arguments, good):
    entrypoint = f"--entrypoint={program}"
    assert "SUCCESS" in run(images[name], *arguments, good, options=(entrypoint,))
    done = docker("run", "--rm", entrypoint, images[name], *arguments, "/etc/hostname", check=False)
    assert done.returncode == 1
    assert "FAILED" in done.stdout + done.stderr


# ---- Prometheus and Alertmanager


@pytest.mark.parametrize(("name", "data"), [("prometheus", "/prometheus"), ("alertmanager", "/alertmanager")])
def test_keeps_its_data_in_a_fresh_volume(images, bench, name, data):
    volume = f"--volume={bench.volume()}:{data}"
    probe = SERVERS[name].probe
    for _ in range(2):
        container = serve(bench, images, name, volume)
        wait_until(lambda container=container: answers(container, probe), f"{name} answers")
        stop_seconds(container)
        assert inspect(container, "{{.State.ExitCode}}") == "0", output(container)
    listing = ("sh", "-c", f"stat -c '%u:%g' {data}; ls -A {data} | wc -l")
    owner, files = run(images[name], *listing, options=("--entrypoint=", volume)).split()
    assert owner == NOBODY
    assert int(files) > 0


def test_prometheus_scrapes_as_its_mounted_configuration_says(images, bench, tmp_path):
    jobs = "scrape_configs: [{job_name: itself, static_configs: [{targets: ['127.0.0.1:9090', '127.0.0.1:9']}]}]\n"
    config = "global: {scrape_interval: 1s, scrape_timeout: 1s}\n" + jobs
    container = serve(bench, images, "prometheus", mounted(tmp_path, "/etc/prometheus/prometheus.yml", config))

    def found() -> dict[str, str]:
        answer = json.loads(fetch(container, "http://127.0.0.1:9090/api/v1/query?query=up") or "{}")
        results = answer.get("data", {}).get("result", ())
        return {result["metric"]["instance"]: result["value"][1] for result in results}

    wait_until(lambda: len(found()) == 2, "Prometheus has scraped")
    assert found() == {"127.0.0.1:9090": "1", "127.0.0.1:9": "0"}


def test_prometheus_has_all_that_its_pages_load(images, bench):
    container = serve(bench, images, "prometheus")
    wait_until(lambda: answers(container, SERVERS["prometheus"].probe), "Prometheus answers")
    page = fetch(container, "http://127.0.0.1:9090/classic/graph")
    loaded = re.findall(r'(?:src|href)="(/classic/static/[^"]+)"', re.sub(r"<!--.*?-->", "", page))
    assert len(loaded) > 10
    assert [path for path in loaded if not answers(container, f"http://127.0.0.1:9090{path}")] == []
    assert not answers(container, "http://127.0.0.1:9090/classic/static/no-such.js")


def test_alertmanager_takes_an_alert(images, bench):
    container = serve(bench, images, "alertmanager")
    wait_until(lambda: answers(container, SERVERS["alertmanager"].probe), "Alertmanager answers")
    tool = ("exec", container, "/bin/amtool", "--alertmanager.url=http://127.0.0.1:9093", "alert")
    docker(*tool, "add", "alertname=Smoke", "severity=page")
    assert "Smoke" in docker(*tool, "query", "severity=page").stdout
    assert "Smoke" not in docker(*tool, "query", "severity=other").stdout


# ---- exporters, each beside the server that it watches


@pytest.mark.parametrize(("password", "up"), [("right", "1"), ("wrong", "0")])
def test_postgres_exporter_logs_in_with_a_password_from_a_file(images, bench, tmp_path, password, up):
    # Left alone, initdb trusts whoever comes over the loopback.
    strict = "--env=POSTGRES_INITDB_ARGS=--auth-host=scram-sha-256"
    server = bench.start(images["postgres"], "--env=POSTGRES_PASSWORD=right", strict)
    ready = ("exec", server, "pg_isready", "-q", "-h", "127.0.0.1")
    wait_until(lambda: docker(*ready, check=False).returncode == 0, "PostgreSQL answers")
    options = (
        "--env=DATA_SOURCE_URI=127.0.0.1:5432/postgres?sslmode=disable",
        "--env=DATA_SOURCE_USER=postgres",
        "--env=DATA_SOURCE_PASS_FILE=/run/secrets/password",
        mounted(tmp_path, "/run/secrets/password", password),
    )
    exporter = serve(bench, images, "postgres-exporter", beside(server), *options)
    wait_until(lambda: bool(fetch(exporter, "http://127.0.0.1:9187/metrics")), "the exporter answers")
    assert f"\npg_up {up}\n" in fetch(exporter, "http://127.0.0.1:9187/metrics")


@pytest.mark.parametrize(("password", "up"), [("right", "1"), ("wrong", "0")])
def test_redis_exporter_logs_in_with_a_password_from_a_file(images, bench, tmp_path, password, up):
    server = bench.start(images["redis"], command=("--requirepass", "right"))
    passwords = json.dumps({"redis://127.0.0.1:6379": password})
    options = (
        "--env=REDIS_ADDR=redis://127.0.0.1:6379",
        "--env=REDIS_PASSWORD_FILE=/run/secrets/passwords",
        mounted(tmp_path, "/run/secrets/passwords", passwords),
    )
    exporter = serve(bench, images, "redis-exporter", beside(server), *options)
    wait_until(lambda: bool(fetch(exporter, "http://127.0.0.1:9121/metrics")), "the exporter answers")
    assert f"\nredis_up {up}\n" in fetch(exporter, "http://127.0.0.1:9121/metrics")


def test_node_exporter_reports_the_host(images, bench):
    container = serve(bench, images, "node-exporter")
    wait_until(lambda: answers(container, SERVERS["node-exporter"].probe), "the exporter answers")
    metrics = fetch(container, "http://127.0.0.1:9100/metrics")
    assert re.search(r"^node_memory_MemTotal_bytes \S+$", metrics, re.MULTILINE)
    assert 'node_scrape_collector_success{collector="cpu"} 1' in metrics


@pytest.mark.parametrize(("target", "success"), [("127.0.0.1:9115/-/healthy", "1"), ("127.0.0.1:9/", "0")])
def test_blackbox_exporter_probes(images, bench, target, success):
    container = serve(bench, images, "blackbox-exporter")
    wait_until(lambda: answers(container, SERVERS["blackbox-exporter"].probe), "the exporter answers")
    probe = f"http://127.0.0.1:9115/probe?module=http_2xx&target=http://{target}"
    assert f"\nprobe_success {success}\n" in fetch(container, probe)


@pytest.mark.parametrize(("port", "up"), [("80", "1"), ("81", "0")])
def test_nginx_exporter_reads_the_status_page(images, bench, tmp_path, port, up):
    page = "server { listen 80; location /status { stub_status; } }\n"
    server = bench.start(images["nginx"], mounted(tmp_path, "/etc/nginx/conf.d/default.conf", page))
    address = f"--nginx.scrape-uri=http://127.0.0.1:{port}/status"
    serve(bench, images, "nginx-exporter", beside(server), command=(address,))

    def metrics() -> str:
        done = docker("exec", server, "curl", "-sS", "http://127.0.0.1:9113/metrics", check=False)
        return done.stdout

    wait_until(lambda: "nginx_up" in metrics(), "the exporter answers")
    assert f"\nnginx_up {up}\n" in metrics()
