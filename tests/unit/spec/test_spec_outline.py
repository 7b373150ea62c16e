"""The outline names what resolving the same file gives, and reads no more than names."""

from __future__ import annotations

from pathlib import Path

import pytest

from envmgr.errors import SpecError
from envmgr.operations.project import open_project
from envmgr.spec.outline import read_outline

ROOT = Path(__file__).resolve().parents[3]
SPECS = sorted([ROOT / "envmgr.toml", *ROOT.glob("tests/golden/*/envmgr.toml"), *ROOT.glob("examples/*/envmgr.toml")])


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.parent.name)
def test_its_names_are_those_of_the_resolved_stacks(path: Path):
    system = open_project(path).system
    resolved = {stack.target: {service.name for service in stack.services} for stack in system.parts}
    assert {target: set(names) for target, names in read_outline(path).services.items()} == resolved


def outline(tmp_path: Path, text: str) -> dict[str, tuple[str, ...]]:
    (tmp_path / "envmgr.toml").write_text(text)
    return dict(read_outline(tmp_path / "envmgr.toml").services)


def test_it_reads_what_no_validation_would_accept(tmp_path: Path):
    text = "[environments.dev]\nnonsense = 1\n[services.app]\nkind = 5\n[infra.redis]\n[environments.stage]\n"
    found = {"infra": ("redis",), "dev": ("app",), "stage": ("app",)}
    assert outline(tmp_path, text) == found


@pytest.mark.parametrize("text", ["", "environments = 5\nservices = [1]", "[environments]\ndev = 1", "infra.redis = 5"])
def test_what_is_no_table_has_no_names(tmp_path: Path, text: str):
    assert outline(tmp_path, text)["infra"] in ((), ("redis",))


def test_what_is_no_toml_is_an_error(tmp_path: Path):
    with pytest.raises(SpecError):
        outline(tmp_path, "[environments")
    with pytest.raises(SpecError):
        read_outline(tmp_path / "nowhere.toml")
