"""Two folders change places in one step, so that a kill leaves the old set of files or the new one."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import sys
from pathlib import Path

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
"""linux/fs.h"""
_RENAME_SWAP = 2
"""sys/stdio.h of macOS"""
_UNSUPPORTED = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP}


def exchange(one: Path, other: Path) -> None:
    """Swap two existing folders of one file system.

    Where the file system cannot swap, three renames do it: a kill between them leaves one of the two aside, and
    `recover` repairs that.
    """
    code = _swap(os.fsencode(one), os.fsencode(other))
    if code in _UNSUPPORTED:
        aside = _aside(one)
        one.rename(aside)
        other.rename(one)
        aside.rename(other)
    elif code:
        raise OSError(code, os.strerror(code), str(one))


def recover(one: Path) -> None:
    """Put back a folder that a kill in the middle of `exchange` left aside; remove it when it was replaced."""
    aside = _aside(one)
    if not aside.is_dir():
        return
    if one.exists():
        shutil.rmtree(aside, ignore_errors=True)
    else:
        aside.rename(one)


def _aside(one: Path) -> Path:
    return one.with_name(f".{one.name}.envmgr-aside")


def _swap(one: bytes, other: bytes) -> int:
    """Return 0 or an errno."""
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        if sys.platform == "darwin":
            result = libc.renamex_np(one, other, _RENAME_SWAP)
        else:
            result = libc.renameat2(_AT_FDCWD, one, _AT_FDCWD, other, _RENAME_EXCHANGE)
    except AttributeError:
        return errno.ENOSYS
    return ctypes.get_errno() if result else 0
