"""Which files are linted, and what is read beside them."""

from __future__ import annotations

from pathlib import Path

import pytest

from envmgr.errors import UsageError
from envmgr.operations.lint import lint
from tests.unit.rules.judging import web

SPEC = Path("envmgr.toml")


def rules(*files: Path) -> set[str]:
    return {one.rule for one in lint(files, SPEC).findings}


def test_without_a_file_the_rendered_ones_are_meant(tmp_path: Path):
    with pytest.raises(UsageError) as error:
        lint((), tmp_path / "envmgr.toml")
    assert error.value.help == "envmgr render, or envmgr lint FILE"
    (tmp_path / "compose").mkdir()
    (tmp_path / "compose" / "docker-compose.app.dev.yml").write_text(web())
    assert lint((), tmp_path / "envmgr.toml").files == (str(tmp_path / "compose" / "docker-compose.app.dev.yml"),)


def test_a_file_named_twice_is_one(tmp_path: Path):
    path = tmp_path / "compose.yml"
    path.write_text(web("container_name: x", "ports: ['1:1']"))
    assert not {"EM-S02-names-collide", "EM-S15-same-port"} & rules(path, path)


def test_what_is_extended_is_read_beside_the_file(tmp_path: Path):
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "common.yml").write_text("services: {one: {image: a:1, privileged: true}}")
    path = tmp_path / "compose.yml"
    path.write_text("services: {web: {extends: {file: base/common.yml, service: one}}}")
    (inherited,) = (one for one in lint((path,), SPEC).findings if one.rule == "EM-S07-privileged")
    assert inherited.file == str(tmp_path / "base" / "common.yml")
    (tmp_path / "base" / "common.yml").write_text("[")
    assert "EM-S07-privileged" not in rules(path)


def test_permissions_of_secrets_are_read_where_the_files_are(tmp_path: Path):
    path = tmp_path / "compose.yml"
    path.write_text(web() + "secrets: {one: {file: ./s/one}, gone: {file: ./gone}, odd: {file: [1]}}\n")
    (tmp_path / "s").mkdir(mode=0o755)
    (tmp_path / "s" / "one").write_text("x")
    (tmp_path / "s" / "one").chmod(0o644)
    assert "EM-S16-secret-mode" in rules(path)
    (tmp_path / "s").chmod(0o700)
    assert "EM-S16-secret-mode" not in rules(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "is no file"), (b"\xff\xfe", "is no text in UTF-8"), (b" " * 9 * 1024**2, "is too large")],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, content: bytes | None, said: str):
    path = tmp_path / "compose.yml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError) as error:
        lint((path,), SPEC)
    assert str(error.value).startswith(f"{path} {said}")


def test_a_folder_is_no_file(tmp_path: Path):
    with pytest.raises(UsageError, match="is no file"):
        lint((tmp_path,), SPEC)
