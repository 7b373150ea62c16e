"""Files of one secret each: their values, who could read them, and what git would do with them."""

from __future__ import annotations

import stat
import subprocess
from pathlib import Path

import pytest

from envmgr.errors import SourceError
from envmgr.secrets.exposure import in_git, loose
from envmgr.secrets.folder import read_folder, restore_break, without_last_break, write_secret

PEM = "-----BEGIN KEY-----\nabc\n-----END KEY-----\n"


@pytest.mark.parametrize(
    ("text", "value"),
    [("one\n", "one"), ("one\r\n", "one"), ("one", "one"), ("", ""), ("a\nb\n", "a\nb\n"), (PEM, PEM)],
)
def test_the_break_that_an_editor_leaves_is_no_part_of_a_single_line(text: str, value: str):
    assert without_last_break(text) == value
    assert without_last_break(restore_break(value)) == value


def test_a_value_is_kept_for_the_operator_alone_in_a_folder_that_git_ignores(tmp_path: Path):
    assert write_secret(tmp_path, "prod", "TLS_KEY", PEM) == "secrets/prod/TLS_KEY"
    below = tmp_path / "secrets" / "prod"
    assert [stat.S_IMODE(one.stat().st_mode) for one in (below.parent, below, below / "TLS_KEY")] == [
        0o700,
        0o700,
        0o600,
    ]
    assert (below / ".gitignore").read_text() == "*\n"
    found, problems = read_folder(tmp_path, "prod")
    assert ({name: one.value for name, one in found.items()}, problems) == ({"TLS_KEY": PEM}, [])
    assert PEM not in repr(found)


def test_what_cannot_be_a_secret_is_told(tmp_path: Path):
    below = tmp_path / "secrets" / "prod"
    below.mkdir(parents=True)
    (below / "key.pem").write_text("x")
    (below / "TOKEN").write_bytes(b"\xff\xfe")
    (below / ".hidden").write_text("x")
    found, problems = read_folder(tmp_path, "prod")
    assert found == {}
    assert [str(one) for one in problems] == [
        "secrets/prod/TOKEN: is no UTF-8 text",
        "secrets/prod/key.pem: is no name of a secret: expected capitals, digits and _",
    ]


def test_a_folder_that_cannot_be_made_keeps_nothing(tmp_path: Path):
    (tmp_path / "secrets").write_text("a file")
    with pytest.raises(SourceError, match="cannot be written") as caught:
        write_secret(tmp_path, "prod", "TOKEN", "hush")
    assert "hush" not in str(caught.value)


def test_files_that_others_can_read_come_with_what_to_type(tmp_path: Path):
    write_secret(tmp_path, "prod", "TOKEN", "x")
    env = tmp_path / ".env.prod"
    env.write_text("A=1\n")
    env.chmod(0o640)
    assert [str(one) for one in loose(tmp_path, "prod", [env])] == [
        ".env.prod can be read by other users of this host (chmod 600 .env.prod)"
    ]
    (tmp_path / "secrets" / "prod").chmod(0o755)
    (tmp_path / "secrets" / "prod" / "TOKEN").chmod(0o604)
    assert [one.hint for one in loose(tmp_path, "prod", [])] == [
        "chmod 700 secrets/prod",
        "chmod 600 secrets/prod/TOKEN",
    ]
    assert loose(tmp_path, "dev", [tmp_path / ".env.absent"]) == []


@pytest.mark.spawns
def test_git_is_asked_what_it_has_and_what_it_would_take(tmp_path: Path):
    for name in (".env.dev", ".env.prod", ".env.stage"):
        (tmp_path / name).write_text("A=1\n")
    files = sorted(tmp_path.glob(".env.*"))
    assert in_git(tmp_path, files) == []
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    subprocess.run(["git", "-C", str(tmp_path), "add", "-f", ".env.prod"], check=True)
    (tmp_path / ".gitignore").write_text(".env.dev\n.env.prod\n")
    assert [str(one).partition(" (")[0] for one in in_git(tmp_path, files)] == [
        ".env.prod is tracked by git",
        ".env.stage is not ignored by git",
    ]


@pytest.mark.spawns
def test_without_git_nothing_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / ".env.prod").write_text("A=1\n")
    assert in_git(tmp_path, [tmp_path / ".env.prod"]) == []
