"""Writing one file so that a reader, or a power cut, sees the old content or the new, never a part."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
from pathlib import Path


def write_atomic(path: Path, data: bytes, mode: int, uid: int | None = None) -> bool:
    """Make `path` hold `data` with these permissions and tell whether anything changed.

    The owner is the caller, or `uid`. A symbolic link is refused rather than replaced or followed.

    Raises:
        OSError: the folder is missing, full or not writable, or the path is a link or a folder.
    """
    if path.is_symlink():
        raise OSError(errno.ELOOP, "is a symbolic link", str(path))
    if _is_same(path, data, mode, uid):
        return False
    temporary = _write_beside(path, data, mode, uid)
    try:
        temporary.replace(path)
    except BaseException:
        temporary.unlink()
        raise
    sync_folder(path.parent)
    return True


def sync_folder(folder: Path) -> None:
    """Put the folder's own list of names on the disk: without it a rename may be lost with the power."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_same(path: Path, data: bytes, mode: int, uid: int | None) -> bool:
    try:
        found = path.lstat()
        return (
            stat.S_ISREG(found.st_mode)
            and stat.S_IMODE(found.st_mode) == mode
            and uid in (None, found.st_uid)
            and found.st_size == len(data)
            and path.read_bytes() == data
        )
    except (FileNotFoundError, PermissionError):
        return False


def _write_beside(path: Path, data: bytes, mode: int, uid: int | None) -> Path:
    descriptor, name = tempfile.mkstemp(prefix=".envmgr-", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            _own(descriptor, mode, uid)
            os.fsync(descriptor)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()
        raise
    return Path(name)


def _own(descriptor: int, mode: int, uid: int | None) -> None:
    if uid is not None and uid != os.fstat(descriptor).st_uid:
        os.fchown(descriptor, uid, -1)
    os.fchmod(descriptor, mode)  # after the owner: changing the owner may clear bits
