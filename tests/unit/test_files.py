"""A file holds the old content or the new, never a part."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from envmgr import files
from envmgr.files import sync_folder, write_atomic


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def names(folder):
    return [path.name for path in folder.iterdir()]


def test_a_new_file(tmp_path):
    path = tmp_path / "f"
    assert write_atomic(path, b"data", 0o640) is True
    assert (path.read_bytes(), mode(path)) == (b"data", 0o640)
    assert names(tmp_path) == ["f"]


def test_permissions_do_not_depend_on_the_umask(tmp_path):
    old = os.umask(0o077)
    try:
        write_atomic(tmp_path / "f", b"", 0o666)
    finally:
        os.umask(old)
    assert mode(tmp_path / "f") == 0o666


def test_the_same_again_changes_nothing(tmp_path):
    path = tmp_path / "f"
    write_atomic(path, b"data", 0o600)
    before = path.stat()
    assert write_atomic(path, b"data", 0o600) is False
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize(("data", "wanted"), [(b"atad", 0o600), (b"data", 0o400), (b"", 0o600), (b"data2", 0o600)])
def test_any_difference_replaces(tmp_path, data, wanted):
    path = tmp_path / "f"
    write_atomic(path, b"data", 0o600)
    assert write_atomic(path, data, wanted) is True
    assert (path.read_bytes(), mode(path)) == (data, wanted)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_the_owner(tmp_path):
    path = tmp_path / "f"
    assert write_atomic(path, b"data", 0o400, uid=1234) is True
    assert write_atomic(path, b"data", 0o400, uid=1234) is False
    assert write_atomic(path, b"data", 0o400, uid=1235) is True
    assert path.stat().st_uid == 1235


def test_who_has_it_open_keeps_the_old_content(tmp_path):
    path = tmp_path / "f"
    write_atomic(path, b"old", 0o600)
    with path.open("rb") as stream:
        write_atomic(path, b"new", 0o600)
        assert stream.read() == b"old"


@pytest.mark.parametrize("target", ["elsewhere", "absent"])
def test_a_link_is_refused(tmp_path, target):
    (tmp_path / "elsewhere").write_bytes(b"old")
    path = tmp_path / "f"
    path.symlink_to(target)
    with pytest.raises(OSError, match="is a symbolic link") as caught:
        write_atomic(path, b"new", 0o600)
    assert caught.value.errno == errno.ELOOP
    assert (tmp_path / "elsewhere").read_bytes() == b"old"


def test_a_folder_in_its_place(tmp_path):
    (tmp_path / "f").mkdir()
    with pytest.raises(IsADirectoryError):
        write_atomic(tmp_path / "f", b"", 0o600)
    assert names(tmp_path) == ["f"]


def test_a_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_atomic(tmp_path / "absent" / "f", b"", 0o600)


@pytest.mark.parametrize("step", ["fsync", "fchmod"])
def test_a_failure_leaves_the_old_content_and_nothing_else(tmp_path, monkeypatch, step):
    path = tmp_path / "f"
    write_atomic(path, b"old", 0o600)

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, step, fail)
    with pytest.raises(OSError, match="No space left"):
        write_atomic(path, b"new", 0o600)
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["f"]


def test_content_reaches_the_disk_before_the_name_and_the_name_before_the_return(tmp_path, monkeypatch):
    """What a power cut would lose cannot be tested; the order of the calls that prevent it can."""
    calls: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def synced(descriptor: int) -> None:
        calls.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    def replaced(self: Path, target: Path) -> Path:
        calls.append("rename")
        return replace(self, target)

    monkeypatch.setattr(files.os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    write_atomic(tmp_path / "f", b"", 0o600)
    assert calls == ["file", "rename", "folder"]


def test_sync_folder_wants_a_folder(tmp_path):
    (tmp_path / "f").write_bytes(b"")
    with pytest.raises(NotADirectoryError):
        sync_folder(tmp_path / "f")
