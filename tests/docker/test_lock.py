"""A lock against a real registry: a tag moves, the check says so, and what runs stays what was locked."""

from __future__ import annotations

import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from envmgr.engine.docker import DockerEngine
from tests.contract.busybox import IMAGE, ensure_image
from tests.docker.conftest import Sandbox, docker, eventually, free_port

pytestmark = pytest.mark.docker

SERVER = "envmgr-test/registry:1"
FOLDER = Path(__file__).parent / "registry"
USER, PASSWORD = "sandbox", "open-sesame"
SPEC = """\
[project]
name = "{name}"

[networks]
range = "10.96.0.0/12"

[services.tool]
kind = "container"
image = "{image}"
user = "10001:10001"
command = ["sleep", "100000"]
healthcheck = ["true"]
memory = "16M"

[environments.dev]
"""


@dataclass
class Registry:
    """A registry on the loopback."""

    container: str
    image: str
    """What the tests push and lock."""

    def push(self, version: str, *config: str) -> str:
        """Make the image anew and push it; return its id. The tag is this engine's own too, as after any push."""
        lines = f"FROM {IMAGE}\nLABEL version={version}\n"
        subprocess.run(
            ["docker", "build", "-q", "-t", self.image, "-"], input=lines, text=True, check=True, capture_output=True
        )
        docker(*config, "push", "-q", self.image)
        return docker("image", "inspect", "--format", "{{.Id}}", self.image)

    def digest(self, *config: str) -> str:
        """Return the digest under the tag, as the docker command is told it."""
        shown = docker(*config, "buildx", "imagetools", "inspect", self.image)
        return next(line.split()[1] for line in shown.splitlines() if line.startswith("Digest:"))

    def forget(self) -> None:
        """Remove the image from this engine, by tag and by digest."""
        repository = self.image.rpartition(":")[0]
        shown = "{{.Repository}}:{{.Tag}}@{{.Digest}}"
        listed = docker("image", "ls", "--digests", "--format", shown, repository).split()
        for one in listed:
            tagged, _, digest = one.partition("@")
            names = [name for name in (tagged, f"{repository}@{digest}") if "<none>" not in name]
            docker("image", "rm", *names, check=False)


def answers(port: int) -> bool:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/", timeout=1).close()
    except urllib.error.HTTPError as refused:
        return refused.code == 401
    except OSError:
        return False
    return True


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Registry]]:
    ensure_image(DockerEngine(), tmp_path)
    docker("build", "-q", "-t", SERVER, str(FOLDER), timeout=300)
    started: list[Registry] = []

    def one(*environment: str) -> Registry:
        port = free_port()
        variables = [part for one in environment for part in ("-e", one)]
        run = ("run", "-d", "--rm", "--tmpfs", "/tmp:mode=1777", "-p", f"127.0.0.1:{port}:5000", *variables)
        registry = Registry(docker(*run, SERVER), f"127.0.0.1:{port}/team/tool:1")
        started.append(registry)
        eventually(lambda: answers(port), "the registry answers")
        return registry

    yield one
    for registry in started:
        docker("rm", "-f", registry.container, check=False)
        registry.forget()


def locked(sandbox: Sandbox, registry: Registry, *args: str) -> tuple[str, str]:
    rows = sandbox.ok("lock", "--json", *args).json["images"]
    return next((row["held_to"], row["change"]) for row in rows if row["reference"] == registry.image)


def running(sandbox: Sandbox) -> tuple[str, str]:
    """Return the id of the image that the tool runs, and the name it was made from."""
    (one,) = sandbox.containers("dev", "tool").values()
    return one["Image"], one["Config"]["Image"]


def test_a_tag_that_moves_is_noticed_and_followed_only_when_asked(
    sandbox: Sandbox, start: Callable[..., Registry]
) -> None:
    registry = start()
    first = registry.push("one")
    before = registry.digest()
    sandbox.write(SPEC.format(name=sandbox.name, image=registry.image))
    registry.forget()  # nothing of it on this engine: only the registry can tell, and `up` has to pull
    try:
        assert sandbox.run("lock", "--check").code == 7
        assert locked(sandbox, registry) == (before, "new")
        sandbox.ok("lock", "--check")

        sandbox.ok("up", "dev")
        assert running(sandbox) == (first, f"{registry.image}@{before}")
        document = sandbox.folder / "compose" / "docker-compose.app.dev.yml"
        assert f'image: "{registry.image}@{before}"' in document.read_text()

        second = registry.push("two")  # this engine's own tag moves with it
        after = registry.digest()
        assert after != before
        stale = sandbox.run("lock", "--check")
        assert stale.code == 7
        assert f"{registry.image}: its registry has {after} now, locked is {before}" in stale.err
        assert sandbox.run("plan", "dev").code == 0
        sandbox.ok("up", "dev")
        assert running(sandbox)[0] == first

        assert locked(sandbox, registry) == (before, "kept")
        assert locked(sandbox, registry, "--update", registry.image) == (after, "moved")
        sandbox.ok("lock", "--check")
        sandbox.ok("up", "dev")
        assert running(sandbox) == (second, f"{registry.image}@{after}")

        registry.forget()
        sandbox.ok("images", "pull")  # by its digest alone
        saved = sandbox.ok("images", "save", "images.tar")
        assert "an archive carries no digests" in saved.err
        docker("rm", "-f", registry.container)
        unheard = sandbox.run("lock", "--check")
        assert unheard.code == 4
        assert "could not be asked of its registry" in unheard.err

        sandbox.ok("down", "dev")
        registry.forget()
        sandbox.ok("images", "load", "images.tar")
        (sandbox.folder / "envmgr.lock").unlink()
        sandbox.ok("up", "dev")
        assert running(sandbox) == (second, registry.image)
    finally:
        sandbox.remove()


def test_a_registry_that_wants_a_login_gets_the_operators(
    sandbox: Sandbox, start: Callable[..., Registry], tmp_path: Path
) -> None:
    login = ("REGISTRY_AUTH=htpasswd", "REGISTRY_AUTH_HTPASSWD_REALM=x")
    registry = start(*login, "REGISTRY_AUTH_HTPASSWD_PATH=/etc/registry/htpasswd")
    config = ("--config", str(tmp_path / "docker"))
    host = registry.image.partition("/")[0]
    docker(*config, "login", "-u", USER, "-p", PASSWORD, host)
    registry.push("one", *config)
    digest = registry.digest(*config)
    sandbox.write(SPEC.format(name=sandbox.name, image=registry.image))
    registry.forget()
    refused = sandbox.run("lock")
    assert refused.code == 4
    assert not (sandbox.folder / "envmgr.lock").exists()
    sandbox.env["DOCKER_CONFIG"] = str(tmp_path / "docker")
    assert locked(sandbox, registry) == (digest, "new")
