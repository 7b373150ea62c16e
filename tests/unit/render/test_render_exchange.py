"""Two folders change places; where the file system cannot, three renames do, and a kill between them is repaired."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from envmgr.render import exchange as module
from envmgr.render.exchange import exchange, recover

UNSUPPORTED = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP)


class Killed(BaseException):
    """Ends a writer where a SIGKILL would, without its cleaning up."""


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    for name in ("compose", ".compose.new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "name").write_text(name)
    return tmp_path / "compose", tmp_path / ".compose.new"


@pytest.fixture
def no_swap(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    def answered(code: int = errno.ENOSYS) -> None:
        monkeypatch.setattr(module, "_swap", lambda _one, _other: code)

    return answered


def names(folder: Path) -> dict[str, str]:
    return {path.name: (path / "name").read_text() for path in folder.iterdir()}


def test_the_file_system_swaps(pair: tuple[Path, Path]):
    exchange(*pair)
    assert names(pair[0].parent) == {"compose": ".compose.new", ".compose.new": "compose"}


@pytest.mark.parametrize("code", UNSUPPORTED)
def test_three_renames_swap_where_the_file_system_cannot(pair: tuple[Path, Path], no_swap, code: int):
    no_swap(code)
    exchange(*pair)
    assert names(pair[0].parent) == {"compose": ".compose.new", ".compose.new": "compose"}


def test_names_of_any_bytes_are_swapped(tmp_path: Path):
    one, other = tmp_path / "a b\n\udcff", tmp_path / "ü"
    for folder in (one, other):
        folder.mkdir()
        (folder / "name").write_bytes(os.fsencode(folder.name))
    exchange(one, other)
    assert (one / "name").read_bytes() == os.fsencode(other.name)


@pytest.mark.parametrize("missing", [0, 1])
def test_a_missing_folder_is_an_error_and_nothing_moves(tmp_path: Path, missing: int):
    pair = tmp_path / "compose", tmp_path / ".compose.new"
    pair[1 - missing].mkdir()
    with pytest.raises(FileNotFoundError, match="compose"):
        exchange(*pair)
    assert list(tmp_path.iterdir()) == [pair[1 - missing]]


def test_another_error_is_no_reason_for_renames(pair: tuple[Path, Path], no_swap):
    no_swap(errno.EACCES)
    with pytest.raises(PermissionError):
        exchange(*pair)
    assert names(pair[0].parent) == {"compose": "compose", ".compose.new": ".compose.new"}


def killed_before_rename(number: int, pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Run an exchange that is killed before one of its renames."""
    left = iter(range(number))
    rename = Path.rename

    def counted(self: Path, target: Path) -> Path:
        if next(left, None) is None:
            raise Killed
        return rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", counted)
        with pytest.raises(Killed):
            exchange(*pair)


@pytest.mark.parametrize(("number", "expected"), [(0, "compose"), (1, "compose"), (2, ".compose.new")])
def test_recover_leaves_a_whole_folder_after_a_kill_between_the_renames(
    pair: tuple[Path, Path], no_swap, monkeypatch: pytest.MonkeyPatch, number: int, expected: str
):
    no_swap()
    killed_before_rename(number, pair, monkeypatch)
    recover(pair[0])
    assert (pair[0] / "name").read_text() == expected
    assert set(names(pair[0].parent)) <= {"compose", ".compose.new"}


@pytest.mark.parametrize("number", [0, 1, 2])
def test_an_exchange_after_a_kill_works(pair: tuple[Path, Path], no_swap, monkeypatch, number: int):
    no_swap()
    killed_before_rename(number, pair, monkeypatch)
    recover(pair[0])
    pair[1].mkdir(exist_ok=True)
    (pair[1] / "name").write_text("next")
    exchange(*pair)
    assert (pair[0] / "name").read_text() == "next"


def test_recover_touches_nothing_when_nothing_was_cut(pair: tuple[Path, Path]):
    recover(pair[0])
    assert names(pair[0].parent) == {"compose": "compose", ".compose.new": ".compose.new"}
