from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from envmgr.engine.context import Endpoint, find_endpoint
from envmgr.errors import EngineError

DESKTOP = {
    "Name": "desktop-linux",
    "Metadata": {"Description": "Docker Desktop", "otel": {"OTEL_EXPORTER_OTLP_ENDPOINT": "unix:///Users/x/.docker/o"}},
    "Endpoints": {"docker": {"Host": "unix:///Users/x/.docker/run/docker.sock", "SkipTLSVerify": False}},
}
ROOTLESS = {
    "Name": "rootless",
    "Metadata": {"Description": "Rootless mode"},
    "Endpoints": {"docker": {"Host": "unix:///run/user/1000/docker.sock", "SkipTLSVerify": False}},
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / ".docker").mkdir()
    return tmp_path


def choose(home: Path, name: str) -> None:
    (home / ".docker" / "config.json").write_text(json.dumps({"auths": {}, "currentContext": name}))


def keep(home: Path, context: dict) -> str:
    digest = hashlib.sha256(context["Name"].encode()).hexdigest()
    folder = home / ".docker" / "contexts" / "meta" / digest
    folder.mkdir(parents=True)
    (folder / "meta.json").write_text(json.dumps(context))
    return digest


def test_without_anything_the_default_socket(tmp_path):
    assert find_endpoint({}, tmp_path) == Endpoint("unix:///var/run/docker.sock")


def test_config_without_a_context_means_the_default_socket(home):
    (home / ".docker" / "config.json").write_text('{"auths": {}}')
    assert find_endpoint({}, home).socket == "/var/run/docker.sock"


def test_docker_desktop_on_macos_through_its_current_context(home):
    keep(home, DESKTOP)
    choose(home, "desktop-linux")
    found = find_endpoint({}, home)
    assert found == Endpoint("unix:///Users/x/.docker/run/docker.sock", None, True)
    assert found.is_local
    assert found.variables() == {"DOCKER_HOST": "unix:///Users/x/.docker/run/docker.sock"}


def test_docker_context_comes_before_the_current_one(home):
    keep(home, DESKTOP)
    keep(home, ROOTLESS)
    choose(home, "desktop-linux")
    assert find_endpoint({"DOCKER_CONTEXT": "rootless"}, home).socket == "/run/user/1000/docker.sock"
    assert find_endpoint({"DOCKER_CONTEXT": "default"}, home).socket == "/var/run/docker.sock"


def test_docker_host_comes_before_any_context(home):
    keep(home, ROOTLESS)
    found = find_endpoint({"DOCKER_HOST": "unix:///tmp/d.sock", "DOCKER_CONTEXT": "rootless"}, home)
    assert found.url == "unix:///tmp/d.sock"


def test_docker_config_moves_the_folder(home, tmp_path):
    keep(home, ROOTLESS)
    environ = {"DOCKER_CONFIG": str(home / ".docker"), "DOCKER_CONTEXT": "rootless"}
    assert find_endpoint(environ, tmp_path / "elsewhere").socket == "/run/user/1000/docker.sock"


@pytest.mark.parametrize(
    ("host", "url", "is_local"),
    [
        ("tcp://10.0.0.5:2375", "tcp://10.0.0.5:2375", False),
        ("tcp://10.0.0.5:2375/", "tcp://10.0.0.5:2375", False),
        ("tcp://build.example", "tcp://build.example:2375", False),
        ("tcp://localhost:2375", "tcp://localhost:2375", True),
        ("tcp://[::1]:2375", "tcp://[::1]:2375", True),
    ],
)
def test_plain_tcp(tmp_path, host, url, is_local):
    found = find_endpoint({"DOCKER_HOST": host}, tmp_path)
    assert (found.url, found.socket, found.tls_folder, found.is_local) == (url, None, None, is_local)
    assert found.base_url == url.replace("tcp", "http", 1)


def test_tls_from_variables(tmp_path):
    environ = {"DOCKER_HOST": "tcp://build.example", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/certs"}
    found = find_endpoint(environ, tmp_path)
    assert found == Endpoint("tcp://build.example:2376", Path("/certs"), True)
    assert found.base_url == "https://build.example:2376"
    assert found.variables() == {
        "DOCKER_HOST": "tcp://build.example:2376",
        "DOCKER_CERT_PATH": "/certs",
        "DOCKER_TLS_VERIFY": "1",
    }


def test_tls_certificates_are_in_the_config_folder_unless_named(tmp_path):
    found = find_endpoint({"DOCKER_HOST": "tcp://build.example:1", "DOCKER_TLS_VERIFY": "1"}, tmp_path)
    assert found.tls_folder == tmp_path / ".docker"


def test_tls_of_a_context(home):
    context = {
        "Name": "far",
        "Metadata": {},
        "Endpoints": {"docker": {"Host": "tcp://far:2376", "SkipTLSVerify": True}},
    }
    certificates = home / ".docker" / "contexts" / "tls" / keep(home, context) / "docker"
    certificates.mkdir(parents=True)
    found = find_endpoint({"DOCKER_CONTEXT": "far"}, home)
    assert found == Endpoint("tcp://far:2376", certificates, False)
    assert found.variables()["DOCKER_TLS"] == "1"
    assert "DOCKER_TLS_VERIFY" not in found.variables()


@pytest.mark.parametrize(
    ("host", "says", "helps"),
    [
        ("ssh://me@far", "not supported yet: DOCKER_HOST points at ssh://me@far", "ssh -nNT -L"),
        ("npipe:////./pipe/docker_engine", "not supported yet", "WSL 2"),
        ("fd://", "names no engine", "unix:///PATH"),
        ("http://10.0.0.5:2375", "not supported yet", "tcp://HOST:PORT"),
        ("/var/run/docker.sock", "names no engine", "unix:///PATH"),
        ("tcp://host:port", "no valid port", "tcp://HOST:PORT"),
    ],
)
def test_other_transports_are_refused_with_what_to_do(tmp_path, host, says, helps):
    with pytest.raises(EngineError) as caught:
        find_endpoint({"DOCKER_HOST": host}, tmp_path)
    assert says in caught.value.message
    assert helps in caught.value.help
    assert caught.value.exit_code == 4


def test_a_context_that_is_gone(home):
    choose(home, "colima")
    with pytest.raises(EngineError, match="context 'colima' does not exist") as caught:
        find_endpoint({}, home)
    assert caught.value.help == "docker context ls"


@pytest.mark.parametrize("text", ["{", "[]", '"x"'])
def test_a_config_that_cannot_be_read_is_named(home, text):
    (home / ".docker" / "config.json").write_text(text)
    with pytest.raises(EngineError, match=r"config\.json"):
        find_endpoint({}, home)


def test_a_context_without_an_engine(home):
    keep(home, {"Name": "empty", "Metadata": {}, "Endpoints": {}})
    with pytest.raises(EngineError, match="the Docker context 'empty' names no engine"):
        find_endpoint({"DOCKER_CONTEXT": "empty"}, home)
