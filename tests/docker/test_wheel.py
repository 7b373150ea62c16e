"""envmgr as a stranger gets it: the built wheel in a clean environment, and a repository that knows nothing of it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.docker.conftest import ROOT, Sandbox, docker, free_port, make_sandbox

pytestmark = pytest.mark.docker


def run(*command: str | Path, cwd: Path, code: int = 0, timeout: float = 600) -> str:
    """Run a command without this repository on Python's path; return what it prints."""
    environ = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=environ | {"NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == code, f"{command}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, ROOT, cwd=folder)
    (built,) = folder.glob("envmgr-*.whl")
    return built


@pytest.fixture(scope="module")
def bin_folder(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a clean virtual environment with the wheel, and with the example of a package of kinds."""
    folder = tmp_path_factory.mktemp("venv")
    run(sys.executable, "-m", "venv", folder, cwd=folder)
    package = tmp_path_factory.mktemp("package") / "kind-package"
    shutil.copytree(ROOT / "examples" / "kind-package", package)
    run(folder / "bin" / "pip", "install", "-q", wheel, package, cwd=folder)
    return folder / "bin"


@dataclass
class Shop:
    """A repository with an application, and envmgr beside it."""

    sandbox: Sandbox
    envmgr: Path
    ports: dict[str, int]

    def run(self, *args: str, code: int = 0, timeout: float = 600) -> str:
        return run(self.envmgr, *args, cwd=self.sandbox.folder, code=code, timeout=timeout)

    def ask(self, environment: str, path: str, method: str = "GET") -> dict:
        request = urllib.request.Request(f"http://127.0.0.1:{self.ports[environment]}{path}", method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)


@pytest.fixture(scope="module")
def shop(bin_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The starter repository after `envmgr init --yes`, its ports moved to free ones."""
    sandbox = make_sandbox(tmp_path_factory.mktemp("shop") / "shop")
    for link in ("images", "fixture"):
        (sandbox.folder / link).unlink()
    source = Path(__file__).parent / "starter"
    shutil.copytree(source, sandbox.folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    one = Shop(sandbox, bin_folder / "envmgr", {})
    one.run("init", "--yes", "--name", sandbox.name)
    spec = sandbox.folder / "envmgr.toml"
    moved = re.sub(r"(?m)^port = \d+", lambda _: f"port = {free_port()}", spec.read_text())
    for environment, port in (("dev", 8000), ("stage", 8001), ("prod", 8002)):
        one.ports[environment] = next(free for free in iter(free_port, 0) if str(free) not in moved)
        moved = moved.replace(f"app = {port}", f"app = {one.ports[environment]}")
    spec.write_text(moved.replace("[images]", '[networks]\nrange = "10.96.0.0/12"\n\n[images]'))
    yield one
    sandbox.remove()


def test_the_wheel_holds_what_a_project_elsewhere_needs(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        modes = {one.filename: one.external_attr >> 16 & 0o777 for one in archive.infolist()}
    tracked = run("git", "ls-files", "templates", "images", cwd=ROOT).split()
    assert {f"envmgr/_{path}" for path in tracked} <= modes.keys()
    assert modes["envmgr/_images/debian/build.sh"] == 0o755
    assert not [name for name in modes if "__pycache__" in name or name.startswith(("tests/", "docs/", "examples/"))]


def test_the_installed_package_is_the_one_that_answers(bin_folder: Path, tmp_path: Path) -> None:
    where = run(bin_folder / "python", "-c", "import envmgr; print(envmgr.__file__)", cwd=tmp_path)
    assert where.startswith(str(bin_folder.parent))
    assert run(bin_folder / "envmgr", "--version", cwd=tmp_path).startswith("envmgr, version ")


def test_init_leaves_what_is_there_and_names_it(shop: Shop) -> None:
    folder = shop.sandbox.folder
    assert (folder / ".env.example").read_text().startswith("# What the shop wants to be told.")
    assert f'name = "{shop.sandbox.name}"' in (folder / "envmgr.toml").read_text()
    refused = shop.run("init", "--yes", code=2)
    assert "envmgr.toml is there already" in refused
    assert run("make", "--no-print-directory", "-n", "docker-dev", cwd=folder) == "envmgr up dev --build\n"


def test_what_init_wrote_comes_up_and_works(shop: Shop) -> None:
    result = json.loads(shop.run("up", "dev", "stage", "--json", timeout=1200).splitlines()[-1])
    assert {(one["target"], one["service"]): one["verdict"] for one in result["services"]} == {
        ("infra", "postgres"): "healthy",
        ("infra", "redis"): "healthy",
        **{(target, "migrate"): "completed" for target in ("dev", "stage")},
        **{(target, name): "healthy" for target in ("dev", "stage") for name in ("app", "worker")},
    }
    assert shop.ask("dev", "/healthz") == {"currency": "EUR", "signed": True}
    assert shop.ask("dev", "/orders", "POST") == {"id": 1}
    assert (shop.ask("dev", "/orders"), shop.ask("stage", "/orders")) == ({"count": 1}, {"count": 0})
    # Nothing that envmgr itself wrote beside the source belongs to what the image is built from.
    shop.run("plan", "dev", "stage", "--build")


def test_the_images_are_those_of_the_shipped_recipes(shop: Shop) -> None:
    images = {one["Config"]["Image"] for one in shop.sandbox.containers("infra").values()}
    assert images == {"envmgr-recipes/postgres:17", "envmgr-recipes/redis:8.0"}
    assert docker("image", "inspect", "-f", '{{index .Config.Labels "envmgr.recipe"}}', *images).split() == [
        name.partition("/")[2].partition(":")[0] for name in images
    ]


def test_a_kind_of_another_package_is_used_and_a_wrong_use_is_refused(shop: Shop, tmp_path: Path) -> None:
    spec = tmp_path / "envmgr.toml"
    text = '[project]\nname = "cache"\n\n[infra.memcached]\n{mode}\n\n[environments.dev]\n'
    spec.write_text(text.format(mode='mode = "own"'))
    run(shop.envmgr, "render", cwd=tmp_path)
    assert '"memcached:1.6"' in (tmp_path / "compose" / "docker-compose.app.dev.yml").read_text()
    assert '"infra-memcached"' in run(shop.envmgr, "schema", cwd=tmp_path)
    spec.write_text(text.format(mode=""))
    refused = run(shop.envmgr, "render", cwd=tmp_path, code=3)
    assert "memcached keeps no environments apart" in refused
