"""The programs themselves read what is rendered for them, and say so when it is broken."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from envmgr.operations.project import open_project
from envmgr.render.files import render
from tests.contract.image_bench import Images, Run, docker

pytestmark = pytest.mark.docker

GOLDEN = Path(__file__).parents[1] / "golden"
AWKWARD = """\
[project]
name = "play"
[infra.nginx]
tls = "self-signed"
https_only = true
gzip = false
headers = { "X-Say" = 'a "b" \\ ; { }' }
rate_limits = { '/a"b\\c{d};e$f' = 1, "/" = 100000 }
cache_seconds = { '/[x](y)*.+?^' = 0 }
trusted_proxies = ["fd00::/8", "10.0.0.1"]
[services.app]
kind = "asgi"
image = "registry.example/app:1"
app = "a:b"
routes = ['/a"b\\c{d};e$f', "/#x", "/'", "/~^/", "/=", "/@down"]
[environments.dev]
hosts = ["%s.example"]
[environments.prod]
""" % ("a" * 63 + "." + "b" * 63 + "." + "c" * 63)


def expected(case: str, path: str) -> str:
    return (GOLDEN / case / "expected" / "config" / path).read_text()


def asked(
    image: str, entrypoint: str, *arguments: str, mounts: dict[str, str], folder: Path, user: str = "65534:65534"
) -> Run:
    """Run a program of an image over mounted texts, confined as its service is."""
    options = ["--rm", f"--user={user}", "--read-only", "--cap-drop=ALL", "--tmpfs=/tmp:mode=1777", "--network=none"]
    for number, (path, text) in enumerate(mounts.items()):
        file = folder / f"{number}"
        file.write_text(text)
        file.chmod(0o644)
        options.append(f"--volume={file}:{path}:ro")
    return docker("run", *options, f"--entrypoint={entrypoint}", image, *arguments, check=False)


# ---- nginx


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("certificate")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    command += ["-keyout", folder / "key", "-out", folder / "chain"]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    chain, key = ((folder / name).read_text() for name in ("chain", "key"))
    return {
        "/run/secrets/NGINX_TLS_CERTIFICATE": chain,
        "/run/secrets/NGINX_TLS_KEY": key,
        "/tls/tls.crt": chain,
        "/tls/tls.key": key,
    }


def nginx(images: Images, text: str, certificate: dict[str, str], folder: Path) -> Run:
    text = text.replace("/tmp/tls.", "/tls/tls.")  # made at the start, in the real container
    mounts = {"/etc/nginx/nginx.conf": text, **certificate}
    done = asked(images["nginx"], "nginx", "-t", mounts=mounts, folder=folder, user="101:101")
    return subprocess.CompletedProcess(done.args, done.returncode, "", done.stderr)


def test_nginx_takes_every_option(images: Images, certificate: dict[str, str], tmp_path: Path):
    done = nginx(images, expected("nginx", "infra/nginx/nginx.conf"), certificate, tmp_path)
    assert (done.returncode, "warn" in done.stderr) == (0, False), done.stderr


def test_nginx_takes_whatever_a_path_or_a_header_may_hold(
    images: Images, certificate: dict[str, str], tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
):
    project = tmp_path_factory.mktemp("awkward")
    (project / "envmgr.toml").write_text(AWKWARD)
    text = render(open_project(project / "envmgr.toml").system, project)["config/infra/nginx/nginx.conf"]
    done = nginx(images, text, certificate, tmp_path)
    assert (done.returncode, "warn" in done.stderr) == (0, False), done.stderr


def test_nginx_would_say_so(images: Images, certificate: dict[str, str], tmp_path: Path):
    text = expected("nginx", "infra/nginx/nginx.conf").replace("proxy_next_upstream off", "proxy_next_upstream of", 1)
    done = nginx(images, text, certificate, tmp_path)
    assert done.returncode != 0
    assert '"of"' in done.stderr


# ---- Prometheus


PATHS = {"/etc/prometheus/prometheus.yml": "prometheus.yml", "/etc/prometheus/rules.yml": "rules.yml"}


def prometheus_files() -> dict[str, str]:
    return {path: expected("prometheus", f"infra/prometheus/{name}") for path, name in PATHS.items()}


def promtool(images: Images, folder: Path, *arguments: str, mounts: dict[str, str]) -> Run:
    return asked(images["prometheus"], "/bin/promtool", *arguments, mounts=mounts, folder=folder)


def test_prometheus_takes_its_files(images: Images, tmp_path: Path):
    done = promtool(images, tmp_path, "check", "config", "/etc/prometheus/prometheus.yml", mounts=prometheus_files())
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS: 8 rules found" in done.stdout


def test_prometheus_would_say_so(images: Images, tmp_path: Path):
    mounts = {
        path: text.replace("up == 0", "up = 0").replace("(up)", "(up") for path, text in prometheus_files().items()
    }
    done = promtool(images, tmp_path, "check", "config", "/etc/prometheus/prometheus.yml", mounts=mounts)
    assert done.returncode != 0
    assert "could not parse expression" in done.stdout + done.stderr


UP = 'up{{job="asgi",environment="prod",service="app",instance="{}"}}'
REQUESTS = 'http_requests_total{{environment="prod",service="app",status="{}",path="/"}}'
DOWN = {
    "exp_labels": {"job": "asgi", "environment": "prod", "service": "app", "severity": "critical"},
    "exp_annotations": {"summary": "app of prod does not answer"},
}
FAILING = {
    "exp_labels": {"environment": "prod", "service": "app", "severity": "critical"},
    "exp_annotations": {"summary": "20% of the requests to app of prod fail"},
}


@pytest.mark.parametrize(
    ("series", "alert", "minute", "alerts"),
    [
        ({UP.format("a"): "1x20 0x100"}, "ServiceDown", 5.5, []),
        ({UP.format("a"): "1x20 0x100"}, "ServiceDown", 7, [DOWN]),
        # Its container is gone: no address, so no target. A quarter of an hour later it counts as taken away.
        ({UP.format("a"): "1x20 stale"}, "ServiceDown", 7, [DOWN]),
        ({UP.format("a"): "1x20 stale"}, "ServiceDown", 30, []),
        # A crash loop is now there and does not answer, and now gone.
        ({UP.format("a"): "1x20 0x2 stale _x2 0x2 stale _x2 0x2 stale _x20"}, "ServiceDown", 8, [DOWN]),
        # One of two still answers; one that came anew at another address answers.
        ({UP.format("a"): "1x20 0x100", UP.format("b"): "1x120"}, "ServiceDown", 9, []),
        ({UP.format("a"): "1x20 stale", UP.format("b"): "_x21 1x100"}, "ServiceDown", 9, []),
        ({REQUESTS.format(500): "0+1x60", REQUESTS.format(200): "0+4x60"}, "HighErrorRate", 10, [FAILING]),
        ({REQUESTS.format(500): "0+1x60", REQUESTS.format(200): "0+9x60"}, "HighErrorRate", 10, []),
        ({REQUESTS.format(404): "0+9x60", REQUESTS.format(200): "0+1x60"}, "HighErrorRate", 10, []),
    ],
)
def test_when_an_alert_is_raised(
    images: Images, tmp_path: Path, series: dict[str, str], alert: str, minute: float, alerts: list[dict[str, Any]]
):
    inputs = [{"series": name, "values": values} for name, values in series.items()]
    case = {"eval_time": f"{int(minute * 60)}s", "alertname": alert, "exp_alerts": alerts}
    test = {"interval": "15s", "input_series": inputs, "alert_rule_test": [case]}
    document = {"rule_files": ["/etc/prometheus/rules.yml"], "evaluation_interval": "15s", "tests": [test]}
    mounts = {**prometheus_files(), "/test.yml": json.dumps(document)}
    done = promtool(images, tmp_path, "test", "rules", "/test.yml", mounts=mounts)
    assert done.returncode == 0, done.stdout + done.stderr


# ---- Alertmanager


def amtool(images: Images, text: str, folder: Path) -> Run:
    path = "/etc/alertmanager/alertmanager.yml"
    return asked(images["alertmanager"], "/bin/amtool", "check-config", path, mounts={path: text}, folder=folder)


@pytest.mark.parametrize("case", ["alertmanager", "prometheus"])
def test_alertmanager_takes_its_file(images: Images, tmp_path: Path, case: str):
    done = amtool(images, expected(case, "infra/alertmanager/alertmanager.yml"), tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 receivers" in done.stdout


def test_alertmanager_would_say_so(images: Images, tmp_path: Path):
    text = expected("alertmanager", "infra/alertmanager/alertmanager.yml").replace("receiver: operator", "receiver: x")
    done = amtool(images, text, tmp_path)
    assert done.returncode != 0
    assert "undefined receiver" in done.stdout + done.stderr


# ---- blackbox exporter


def test_the_blackbox_exporter_takes_its_file(images: Images, tmp_path: Path):
    path, good = "/etc/blackbox_exporter/config.yml", expected("prometheus", "infra/blackbox-exporter/config.yml")
    flags = (f"--config.file={path}", "--config.check")
    for text, is_taken in ((good, True), (good.replace("prober: http", "probe: http"), False)):
        done = asked(
            images["blackbox-exporter"], "/bin/blackbox_exporter", *flags, mounts={path: text}, folder=tmp_path
        )
        assert (done.returncode == 0) is is_taken, done.stderr
