"""Kinds of other packages: the example is one, and what is broken names its package."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib.metadata import EntryPoint, distributions
from pathlib import Path

import pytest

from envmgr.catalog.kind import InfraKind, Selective
from envmgr.catalog.packages import GROUP, add_kinds, installed
from envmgr.catalog.registry import INFRA, SERVICES
from envmgr.errors import SpecError

HEAD = """\
from envmgr.catalog.kind import Defaults
from envmgr.model.stack import Resources
from envmgr.spec.values import Strict
class Options(Strict):
    pass
DEFAULTS = Defaults(Resources(cpus=1, memory=1, pids=8), start_seconds=1, stop_seconds=1)
class Server:
    name, Options, defaults = "far", Options, DEFAULTS
    def draft(self, server): ...
    def bind(self, server, client): ...
class Program:
    name, Options, defaults = "near", Options, DEFAULTS
    def draft(self, application): ...
"""


@pytest.fixture
def entry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., EntryPoint]:
    """Install a package with one entry point, and return that."""
    monkeypatch.syspath_prepend(tmp_path)

    def make(name: str, value: str, source: str = HEAD, package: str = "acme-kinds") -> EntryPoint:
        module = value.partition(":")[0]
        (tmp_path / f"{module}.py").write_text(source)
        monkeypatch.delitem(sys.modules, module, raising=False)
        install(tmp_path, package, {name: value})
        return next(one for one in found(tmp_path) if (one.name, one.dist and one.dist.name) == (name, package))

    return make


def install(folder: Path, package: str, points: dict[str, str]) -> None:
    info = folder / f"{package.replace('-', '_')}-1.0.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    lines = "\n".join(f"{name} = {value}" for name, value in points.items())
    (info / "entry_points.txt").write_text(f"[{GROUP}]\n{lines}\n")


def found(folder: Path) -> list[EntryPoint]:
    return [one for dist in distributions(path=[str(folder)]) for one in dist.entry_points if one.group == GROUP]


def test_a_server_and_a_program_stand_behind_ours(entry: Callable[..., EntryPoint]):
    entries = [entry("far", "acme_far:Server"), entry("near", "acme_near:Program", package="acme-more")]
    infra, services = add_kinds(entries, INFRA, SERVICES)
    assert (list(infra)[-1], list(services)[-1]) == ("far", "near")
    assert list(infra)[:-1] == list(INFRA)
    assert "far" not in INFRA, "the list that was given is left as it was"


@pytest.mark.parametrize(
    ("name", "value", "source", "fault"),
    [
        ("far", "acme_a:Nothing", HEAD, "it cannot be loaded: AttributeError: "),
        ("far", "acme_b:Server", "import no_such_module", "it cannot be loaded: ModuleNotFoundError: No module"),
        ("far", "acme_c:Server", HEAD + "raise SystemError('x')", "it cannot be loaded: SystemError: x"),
        ("other", "acme_d:Server", HEAD, 'its attribute "name" has to be the entry point\'s: other'),
        ("Far", "acme_e:Server", HEAD + "Server.name = 'Far'", 'its attribute "name" has to be'),
        ("far", "acme_f:Server", HEAD + "Server.Options = dict", 'its attribute "Options" has to be a subclass of'),
        ("far", "acme_g:Server", HEAD + "Server.defaults = None", 'its attribute "defaults" has to be'),
        ("far", "acme_h:Server", HEAD + "Server.draft = None", 'it has no method "draft"'),
        ("far", "acme_i:HEAD", "HEAD = 3", 'its attribute "name" has to be'),
        ("redis", "acme_j:Server", HEAD + "Server.name = 'redis'", "its name is that of a kind of envmgr itself"),
    ],
)
def test_a_broken_one_names_its_package_and_what_is_wrong(
    entry: Callable[..., EntryPoint], name: str, value: str, source: str, fault: str
):
    with pytest.raises(SpecError) as caught:
        add_kinds([entry(name, value, source)], INFRA, SERVICES)
    start = f'the package acme-kinds brings the kind "{name}", which cannot be used: '
    assert caught.value.message.startswith(start + fault)
    assert caught.value.help == "Install another version of acme-kinds, or remove it: pip uninstall acme-kinds"


def test_two_packages_cannot_bring_the_same_kind(entry: Callable[..., EntryPoint]):
    entries = [entry("far", "acme_k:Server"), entry("far", "acme_l:Server", package="other-kinds")]
    with pytest.raises(SpecError, match=r"the package other-kinds .* its name is that of a kind of acme-kinds"):
        add_kinds(entries, INFRA, SERVICES)


def test_this_environment_has_none():
    assert installed() == ()


# ---- the example


@pytest.fixture
def example(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example package, installed as far as Python's own look at it goes."""
    source = repository / "examples" / "kind-package"
    project = tomllib.loads((source / "pyproject.toml").read_text())["project"]
    install(tmp_path, project["name"], project["entry-points"][GROUP])
    (tmp_path / "envmgr_memcached").symlink_to(source / "envmgr_memcached")
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_the_example_is_a_kind(example: Path):
    infra, _ = add_kinds(found(example), {}, {})
    kind: InfraKind = infra["memcached"]
    assert isinstance(kind, Selective)
    assert kind.Options().version == "1.6"


SPEC = """\
[project]
name = "shop"
[infra.memcached]
{mode}
memory = "64M"
max_item_megabytes = 2
[services.app]
kind = "container"
image = "registry.example/app:1.0"
healthcheck = ["true"]
uses = ["memcached"]
[environments.dev]
"""


def envmgr(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PYTHONPATH": f"{folder}:{Path(__file__).resolve().parents[3]}"}
    command = [sys.executable, "-m", "envmgr.cli", *args]
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.spawns
def test_a_spec_with_the_example_renders_and_the_schema_knows_it(example: Path):
    (example / "envmgr.toml").write_text(SPEC.format(mode='mode = "own"'))
    done = envmgr(example, "render")
    assert done.returncode == 0, done.stderr
    text = (example / "compose" / "docker-compose.app.dev.yml").read_text()
    for part in ('"memcached:1.6"', '"--memory-limit"', '"48"', '"2m"', '"11211:11211"', '"MEMCACHED_ADDRESS"'):
        assert part in text
    schema = json.loads(envmgr(example, "schema").stdout)
    assert "max_item_megabytes" in schema["definitions"]["infra-memcached"]["properties"]


@pytest.mark.spawns
def test_the_example_refuses_to_be_shared_and_a_broken_package_is_one_sentence(example: Path):
    (example / "envmgr.toml").write_text(SPEC.format(mode=""))
    done = envmgr(example, "render")
    assert done.returncode == 3
    assert 'infra.memcached.mode: memcached keeps no environments apart (write mode = "own")' in done.stderr
    install(example, "broken-kinds", {"x": "no_such_module:X"})
    done = envmgr(example, "render")
    assert done.returncode == 3
    assert 'error: the package broken-kinds brings the kind "x", which cannot be used: it cannot be' in done.stderr
    assert "Traceback" not in done.stderr
