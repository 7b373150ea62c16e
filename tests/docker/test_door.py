"""The door keeps what it has when its new configuration is wrong."""

from __future__ import annotations

import httpx
import pytest

from tests.docker.conftest import ROOT, Sandbox, free_port, play_spec

pytestmark = pytest.mark.docker

TEMPLATE = ROOT / "templates" / "nginx" / "nginx.conf.j2"


def test_a_wrong_configuration_never_replaces_the_one_that_works(sandbox: Sandbox) -> None:
    port = free_port()
    sandbox.write(play_spec(sandbox.name, more=f"[infra.nginx]\nport = {port}\n"))
    sandbox.ok("up", "infra")
    before = sandbox.identity("infra")
    own = sandbox.folder / "templates" / "nginx" / "nginx.conf.j2"
    own.parent.mkdir(parents=True)
    own.write_text(TEMPLATE.read_text().replace("server_tokens off", "server_token off"))
    refused = sandbox.run("up", "infra")
    assert refused.code == 3
    assert "a server does not accept its new configuration" in refused.err
    assert 'unknown directive "server_token" in /etc/nginx/nginx.conf:' in refused.err
    assert "Nothing was changed; what runs keeps the old one." in refused.err
    assert sandbox.identity("infra") == before
    assert httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False).status_code == 200
    own.write_text(TEMPLATE.read_text().replace("server_tokens off", "server_tokens on"))
    sandbox.ok("up", "infra")
    assert sandbox.identity("infra") != before
    assert "/" in httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False).headers["Server"]
