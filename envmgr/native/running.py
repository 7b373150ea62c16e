"""Which processes run on the desk: a file per service that is locked for as long as its process lives.

The process inherits the lock, so it also holds when the command that started it was killed.
"""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from envmgr import layout
from envmgr.errors import LockedError
from envmgr.model.value import dataclass


@dataclass(frozen=True, slots=True)
class Running:
    """A process that runs a service on the desk."""

    pid: int
    started_at: datetime


class Slot:
    """The right to run one service on the desk; close it to give it up."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self.descriptor = descriptor
        """For the process to inherit."""

    def tell(self, pid: int) -> None:
        """Say which process it is."""
        text = json.dumps({"pid": pid, "started_at": datetime.now(UTC).isoformat()})
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, text.encode(), 0)

    def close(self) -> None:
        """Let go; a process that lives on keeps it."""
        os.close(self.descriptor)


def take(folder: Path, target: str, service: str) -> Slot:
    """Take the slot of a service.

    Raises: `LockedError` with the process that has it.
    """
    path = _path(folder, target, service)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        found = _read(path)
        raise LockedError(
            f"{service} of {target} runs on the desk already{f', as process {found.pid}' if found else ''}",
            state="Nothing was started.",
            help=f"End it with Ctrl-C in its terminal{f', or: kill {found.pid}' if found else ''}",
        ) from None
    return Slot(path, descriptor)


def running(folder: Path, target: str, service: str) -> Running | None:
    """Return the process that runs a service on the desk, None when there is none."""
    path = _path(folder, target, service)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(path)
    finally:
        os.close(descriptor)
    return None


def log_file(folder: Path, target: str, service: str) -> Path:
    """Return where the output of a service on the desk is kept."""
    return folder / layout.native_folder(target) / f"{service}.log"


def _path(folder: Path, target: str, service: str) -> Path:
    return folder / layout.native_folder(target) / f"{service}.run"


def _read(path: Path) -> Running | None:
    with suppress(OSError, ValueError, KeyError, TypeError):
        document = json.loads(path.read_text(encoding="utf-8"))
        return Running(int(document["pid"]), datetime.fromisoformat(document["started_at"]))
    return None
