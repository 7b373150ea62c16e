"""Who holds a lock, as far as its file tells: for messages, never for deciding whether it is held."""

from __future__ import annotations

import getpass
import json
import os
import socket
from dataclasses import asdict, fields, replace
from datetime import UTC, datetime
from pathlib import Path

from envmgr.model.value import dataclass

_LIMIT = 4096


@dataclass(frozen=True, slots=True)
class Owner:
    """The command that took a lock."""

    user: str
    pid: int
    host: str
    command: str
    since: str
    """ISO 8601, UTC."""
    birth: str = ""
    """When the process started, in the kernel's own count: tells it from a later one with the same number."""
    has_ended: bool = False

    def __str__(self) -> str:
        return f'"{self.command}" of {self.user} (pid {self.pid} on {self.host}, since {self.since})'

    @property
    def is_gone(self) -> bool:
        """The process has let go, or is no more; one of another host is taken to live."""
        return self.has_ended or (self.host == socket.gethostname() and not _lives(self.pid, self.birth))


_NAMES = tuple(field.name for field in fields(Owner))


def myself(command: str) -> Owner:
    """Describe this process."""
    since = datetime.now(UTC).isoformat(timespec="seconds")
    return Owner(_user(), os.getpid(), socket.gethostname(), command, since, _stat(os.getpid())[1])


def write(descriptor: int, owner: Owner) -> None:
    """Put a description in place of the one that stands there."""
    data = json.dumps(asdict(owner)).encode()
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, data, 0)


def read(descriptor: int) -> Owner | None:
    """Return the description; None when it is absent or makes no sense: any user of the host can write there."""
    try:
        found = json.loads(os.pread(descriptor, _LIMIT, 0))
        owner = Owner(**{name: found[name] for name in _NAMES if name in found})
        return _clean(owner) if _is_sound(owner) else None
    except (ValueError, TypeError, RecursionError):
        return None


def ended(owner: Owner) -> Owner:
    """Describe an owner that has let go, while a child of it may still hold the lock."""
    return replace(owner, has_ended=True)


def _is_sound(owner: Owner) -> bool:
    texts = (owner.user, owner.host, owner.command, owner.since, owner.birth)
    is_pid = isinstance(owner.pid, int) and 0 < owner.pid < 2**31
    return is_pid and isinstance(owner.has_ended, bool) and all(isinstance(text, str) for text in texts)


def _clean(owner: Owner) -> Owner:
    """Take out what would write to the reader's terminal more than text."""
    user, host, command, since = (
        "".join(c if c.isprintable() else "?" for c in text[:200])
        for text in (owner.user, owner.host, owner.command, owner.since)
    )
    return replace(owner, user=user, host=host, command=command, since=since)


def _user() -> str:
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):  # a number without a name, as in a container
        return str(os.getuid())


def _lives(pid: int, birth: str) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    state, start = _stat(pid)
    # A zombie has closed its files; its parent has only not asked for its exit code yet.
    return state != "Z" and (not birth or not start or start == birth)


def _stat(pid: int) -> tuple[str, str]:
    """Return state and start of a process from /proc, empty where there is none."""
    try:
        # The second field is the program's name and may hold blanks and brackets.
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return fields[0], fields[19]
    except (OSError, IndexError):
        return "", ""
