"""The paths that a shell completes are those that `explain` takes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from envmgr.errors import SpecError
from envmgr.operations.explain import explain
from envmgr.operations.project import open_project
from envmgr.spec.paths import KEYS, read_steps
from envmgr.spec.vocabulary import SECTIONS, keys_of

ROOT = Path(__file__).resolve().parents[3]
SPEC = """\
[project]
name = "play"
[infra.redis]
version = "8.0"
[services.app]
kind = "asgi"
native = { command = ["a"] }
[services."odd name"]
[variables.SECRET_KEY]
[environments.dev]
[environments.dev.services.app]
memory = "1G"
"""


def test_the_keys_are_those_of_the_models():
    assert {section: keys_of(model) for section, model in SECTIONS.items()} == KEYS


def walk(path: Path, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, is_table in read_steps(path, above).items():
        yield (*above, name)
        if is_table and len(above) < 4:
            yield from walk(path, (*above, name))


def test_each_leads_somewhere():
    project, found = open_project(ROOT / "envmgr.toml"), list(walk(ROOT / "envmgr.toml"))
    assert len(found) > 1000
    for keys in found[::11]:
        explain(project, (".".join(keys),))


@pytest.mark.parametrize(
    ("above", "some", "others"),
    [
        ("", {"environments": True, "project": True, "dev": True, "app": True, "redis": True}, {"odd name", "name"}),
        ("project", {"name": False}, {"app"}),
        ("environments", {"defaults": True, "dev": True}, {"workers"}),
        ("environments.defaults", {"workers": False}, {"services", "infra"}),
        ("defaults", {"workers": False}, {"app", "redis", "SECRET_KEY"}),
        ("environments.dev", {"workers": False, "services": True}, {"app", "SECRET_KEY"}),
        ("dev", {"workers": False, "app": True, "redis": True, "SECRET_KEY": False}, {"kind"}),
        ("dev.app", {"memory": False, "native": True, "kind": False}, {"workers", "version"}),
        ("environments.dev.services", {"app": True}, {"memory", "redis"}),
        ("redis", {"version": False, "memory": False}, {"native"}),
        ("services.app", {"native": True}, {"version"}),
        ("services.app.native", {"command": False}, {"kind"}),
    ],
)
def test_what_can_follow(tmp_path: Path, above: str, some: dict[str, bool], others: set[str]):
    (tmp_path / "envmgr.toml").write_text(SPEC)
    steps = read_steps(tmp_path / "envmgr.toml", tuple(key for key in above.split(".") if key))
    assert {name: steps.get(name) for name in some} == some
    assert not others & set(steps)


@pytest.mark.parametrize(
    "above", ["nowhere", "environments.prod", "project.name", "dev.nobody.memory", "services.app.kind.x"]
)
def test_where_nothing_is_nothing_follows(tmp_path: Path, above: str):
    (tmp_path / "envmgr.toml").write_text(SPEC)
    assert read_steps(tmp_path / "envmgr.toml", tuple(above.split("."))) == {}


def test_what_is_no_toml_is_an_error(tmp_path: Path):
    (tmp_path / "envmgr.toml").write_text("[environments")
    with pytest.raises(SpecError):
        read_steps(tmp_path / "envmgr.toml", ())
