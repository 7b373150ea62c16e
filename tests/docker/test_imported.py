"""An imported Compose project comes up: what it was given is in its containers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from envmgr.engine.context import find_endpoint
from envmgr.engine.docker import DockerEngine
from tests.contract.busybox import IMAGE, ensure_image
from tests.docker.conftest import Sandbox, docker, free_port

pytestmark = pytest.mark.docker

COMPOSE = """\
services:
  prepare:
    image: {image}
    command: ["sh", "-c", "test \\"$$MODE\\" = once"]
    environment: {{ MODE: once }}
  web:
    image: {image}
    command: ["httpd", "-f", "-p", "8000", "-h", "/srv"]
    ports: ["{port}:8000"]
    volumes: ["./site:/srv:ro"]
    env_file: [web.env]
    environment: {{ PRICE: "5$$", MOOD: "${{MOOD:-calm}}" }}
    secrets: [api_key]
    configs: [{{ source: settings, target: /etc/web.conf }}]
    healthcheck: {{ test: wget -q -O /dev/null http://127.0.0.1:8000/, interval: 2s }}
    depends_on: {{ prepare: {{ condition: service_completed_successfully }} }}
    networks: {{ default: {{ aliases: [the-site] }}, outside: }}
  caller:
    image: {image}
    command: ["sleep", "100000"]
    healthcheck: {{ test: ["CMD", "wget", "-q", "-O", "/dev/null", "http://the-site:8000/"] }}
    depends_on: [web]
secrets: {{ api_key: {{ file: ./api_key.txt }} }}
configs: {{ settings: {{ content: "depth = 1\\n" }} }}
networks: {{ outside: {{ external: true, name: {network} }} }}
"""


@pytest.fixture
def outside(sandbox: Sandbox) -> Iterator[str]:
    """A network that is none of envmgr's."""
    name = f"{sandbox.name}-outside"
    docker("network", "create", "--subnet", "10.95.7.0/24", name)
    yield name
    sandbox.remove()
    docker("network", "rm", name)


def test_an_imported_project_comes_up_with_all_that_it_was_given(sandbox: Sandbox, outside: str, tmp_path: Path):
    ensure_image(DockerEngine(find_endpoint(os.environ, Path.home())), tmp_path)
    port = free_port()
    files = {
        "docker-compose.yml": COMPOSE.format(image=IMAGE, port=port, network=outside),
        "site/index.html": "imported\n",
        "web.env": "GREETING='two words'\n",
        "api_key.txt": "a-key\n",
    }
    for path, text in files.items():
        (sandbox.folder / path).parent.mkdir(exist_ok=True)
        (sandbox.folder / path).write_text(text)
    (sandbox.folder / "site").chmod(0o755)
    sandbox.ok("import", "docker-compose.yml", "--name", sandbox.name)
    sandbox.edit(f'name = "{sandbox.name}"\n', f'name = "{sandbox.name}"\n\n[networks]\nrange = "10.96.0.0/12"\n')
    verdicts = {one["service"]: one["verdict"] for one in sandbox.ok("up", "dev", "--json").json["services"]}
    assert verdicts == {"prepare": "completed", "web": "healthy", "caller": "healthy"}
    assert httpx.get(f"http://127.0.0.1:{port}/", trust_env=False).text == "imported\n"
    said = sandbox.ok("exec", "dev", "web", "sh", "-c", "cat /run/secrets/api_key /etc/web.conf; env").out
    assert said.startswith("a-key\ndepth = 1\n")
    assert {"PRICE=5$", "MOOD=calm", "GREETING=two words"} <= set(said.splitlines())
    (web,) = sandbox.containers("dev", "web").values()
    assert outside in web["NetworkSettings"]["Networks"]
    assert web["HostConfig"]["ReadonlyRootfs"]
    assert sandbox.run("plan", "dev").code == 0
    sandbox.ok("down", "dev")
    assert outside in docker("network", "ls", "--format", "{{.Name}}").split()
