"""Specs → rendered files, byte for byte; `pytest --update-golden` writes what is rendered now."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from envmgr.operations.project import open_project
from envmgr.render.files import render

CASES = sorted(path.parent for path in Path(__file__).parent.glob("*/envmgr.toml"))


def rendered(case: Path) -> dict[str, bytes]:
    return {path: text.encode() for path, text in render(open_project(case / "envmgr.toml").system, case).items()}


def expected(case: Path) -> dict[str, bytes]:
    folder = case / "expected"
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def update(case: Path) -> None:
    shutil.rmtree(case / "expected", ignore_errors=True)
    for path, data in rendered(case).items():
        target = case / "expected" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)


def check(case: Path) -> None:
    assert rendered(case) == expected(case)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_spec_renders_to_the_very_bytes(case: Path, request: pytest.FixtureRequest):
    if request.config.getoption("--update-golden"):
        update(case)
    check(case)


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    case = tmp_path / "minimal"
    shutil.copytree(Path(__file__).parent / "minimal", case)
    check(case)
    return case


def test_one_changed_byte_is_seen(copied: Path):
    path = copied / "expected" / "docker-compose.app.dev.yml"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(AssertionError):
        check(copied)


@pytest.mark.parametrize("change", ["missing", "extra"])
def test_a_missing_or_an_extra_file_is_seen(copied: Path, change: str):
    if change == "missing":
        (copied / "expected" / "docker-compose.app.dev.yml").unlink()
    else:
        (copied / "expected" / "left-over.yml").touch()
    with pytest.raises(AssertionError):
        check(copied)


def test_update_writes_what_is_rendered_and_nothing_else(copied: Path):
    (copied / "expected" / "left-over.yml").touch()
    (copied / "expected" / "docker-compose.app.dev.yml").write_text("old")
    update(copied)
    check(copied)
