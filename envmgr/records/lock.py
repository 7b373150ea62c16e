"""One command at a time on each target: kernel locks, which die with whoever holds them.

A lock belongs to an engine, a project and a target, so that two checkouts exclude each other. It must be taken before
the first call to Docker. Nothing here decides from the owner's description whether a lock is held: the kernel does.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from envmgr.errors import EnvmgrError, LockedError
from envmgr.naming import INFRA, short_hash
from envmgr.records import owner as owners
from envmgr.records.owner import Owner

_POLL = 0.1
"""Seconds between two attempts."""
_GRACE = 0.5
"""Seconds that a new holder has to write down who it is."""
_ORPHANS = 60.0
"""Seconds to wait for the children of a command that was killed."""

_SHARED = 0o1777
"""Everybody may add a file, nobody may take away another's."""

OnWait = Callable[[str], None]


class Lock:
    """A lock that is held until `release`, or until the `with` block ends."""

    def __init__(self, target: str, fd: int, owner: Owner) -> None:
        self.target = target
        self.fd = fd
        """Children that inherit it keep the lock until they end, should this process be killed."""
        self._owner = owner

    def release(self) -> None:
        """Let go; a child that still runs keeps the lock. Twice is harmless."""
        if self.fd < 0:
            return
        descriptor, self.fd = self.fd, -1
        with contextlib.suppress(OSError):
            owners.write(descriptor, owners.ended(self._owner))
        os.close(descriptor)

    def __enter__(self) -> Lock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


@dataclass(frozen=True, slots=True)
class Locks:
    """The locks of one project on one engine."""

    engine: str
    """The engine's endpoint, `unix:///var/run/docker.sock`."""
    project: str
    command: str = "envmgr"
    """What others read when they find a target locked; must hold no secret."""
    on_wait: OnWait | None = None
    folder: Path | None = None
    """Host-wide; the usual one when left out."""
    orphan_seconds: float = _ORPHANS
    held: list[Lock] = field(default_factory=list)

    def descriptors(self) -> tuple[int, ...]:
        """Return the descriptors of the locks that are held now, for children to inherit."""
        return tuple(lock.fd for lock in self.held if lock.fd >= 0)

    def acquire(self, target: str, command: str | None = None, wait: float = 0, on_wait: OnWait | None = None) -> Lock:
        """Take the lock of a target, waiting at most `wait` seconds for a living owner.

        Raises:
            LockedError: somebody else works on the target.
            EnvmgrError: the lock's file cannot be used.
        """
        path = self.path(target)
        mine = owners.myself(command or self.command)
        attempt = _Attempt(target, wait, self.orphan_seconds, on_wait or self.on_wait)
        while True:
            descriptor = _open(path)
            try:
                if attempt.take(descriptor) and _is_current(descriptor, path):
                    lock = _held(target, descriptor, mine)
                    self.held.append(lock)
                    return lock
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)

    @contextlib.contextmanager
    def acquire_all(
        self,
        targets: Iterable[str],
        command: str | None = None,
        wait: float = 0,
        base_wait: float = 0,
        on_wait: OnWait | None = None,
    ) -> Iterator[tuple[Lock, ...]]:
        """Hold the locks of several targets, the base's first and then by name: one order excludes a deadlock.

        Raises:
            LockedError: somebody else works on one of them; none is held then.
        """
        with contextlib.ExitStack() as stack:
            yield tuple(
                stack.enter_context(self.acquire(target, command, base_wait if target == INFRA else wait, on_wait))
                for target in sorted(set(targets), key=lambda target: (target != INFRA, target))
            )

    def path(self, target: str) -> Path:
        """Return the file of a target's lock."""
        key = short_hash(f"{self.engine}\0{self.project}\0{target}".encode())
        return _prepared(self.folder or host_folder()) / f"{self.project}-{target}-{key}.lock"


def host_folder() -> Path:
    """Return the folder that every user of this host finds, whatever their variables say."""
    for parent in (Path("/run/lock"), Path("/tmp")):  # noqa: S108 - the file is made with care, in a sticky folder
        folder = parent / "envmgr"
        # Not "writable for me": root and the others have to come to the same answer.
        if folder.is_dir() or _is_open_to_all(parent):
            return folder
    return Path(tempfile.gettempdir(), "envmgr")


@dataclass(slots=True)
class _Attempt:
    """Tries to take one lock until it is reasonable to give up."""

    target: str
    wait: float
    orphan_seconds: float
    on_wait: OnWait | None
    _began: float = field(default_factory=time.monotonic)
    _said: str = ""

    def take(self, descriptor: int) -> bool:
        """Wait until the lock is taken; raises LockedError when it takes too long."""
        while not _try(descriptor):
            owner = owners.read(descriptor)
            left = self._limit(owner) - (time.monotonic() - self._began)
            if left <= 0:
                raise self._refusal(owner)
            self._say(owner)
            time.sleep(min(_POLL, left))
        return True

    def _limit(self, owner: Owner | None) -> float:
        if owner is None:
            return max(self.wait, _GRACE)
        return max(self.wait, self.orphan_seconds) if owner.is_gone else self.wait

    def _say(self, owner: Owner | None) -> None:
        if owner and owner.is_gone and time.monotonic() - self._began < _GRACE:
            return  # a new holder may only not have written its name over the last one's yet
        text = self._waiting(owner)
        if self.on_wait and text and text != self._said:
            self._said = text
            self.on_wait(text)

    def _waiting(self, owner: Owner | None) -> str:
        if owner is None:
            return ""
        if owner.is_gone:
            return f"waiting for what {owner} started on {self.target} and left behind"
        return f"waiting for {self.target}: in use by {owner}"

    def _refusal(self, owner: Owner | None) -> LockedError:
        state = "Nothing was changed."
        if owner is None:
            message = f"{self.target} is locked by a process that left no readable name"
            return LockedError(message, state=state, help="Try again when it has finished.")
        if owner.is_gone:
            message = f"{self.target} is locked: {owner} was stopped, and a process that it started is still finishing"
            return LockedError(message, state=state, help="Try again when it has finished.")
        message = f"{self.target} is locked by {owner}"
        return LockedError(message, state=state, help=f"Wait until process {owner.pid} has finished, then try again.")


def _held(target: str, descriptor: int, mine: Owner) -> Lock:
    with contextlib.suppress(OSError):  # a full disk hides the name, and takes nothing from the lock
        owners.write(descriptor, mine)
    return Lock(target, descriptor, mine)


def _try(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise EnvmgrError(f"the lock cannot be taken: {error.strerror}") from error
    return True


def _is_current(descriptor: int, path: Path) -> bool:
    """Tell whether the path still names the locked file: a cleaner of old files may have removed it meanwhile."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def _open(path: Path) -> int:
    try:
        try:
            # Without O_CREAT first: with it, fs.protected_regular refuses another user's file in a sticky folder.
            descriptor = _open_existing(path)
        except FileNotFoundError:
            _create(path)
            descriptor = _open_existing(path)
    except OSError as error:
        raise _unusable(path, "is a symbolic link" if error.errno == errno.ELOOP else str(error.strerror)) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _unusable(path, "is no regular file")
    return descriptor


def _open_existing(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)


def _create(path: Path) -> None:
    """Make the file with everybody's permissions from its first moment on, unless somebody else just did."""
    descriptor, name = tempfile.mkstemp(prefix=".new-", dir=path.parent)
    try:
        os.fchmod(descriptor, 0o666)
        with contextlib.suppress(FileExistsError):
            os.link(name, path)
    finally:
        os.close(descriptor)
        Path(name).unlink()


def _prepared(folder: Path) -> Path:
    try:
        with contextlib.suppress(FileExistsError):
            folder.mkdir()
        found = _share(folder)
    except OSError as error:
        raise _unusable(folder, str(error.strerror)) from error
    if not stat.S_ISDIR(found.st_mode):
        raise _unusable(folder, "is no folder")
    return folder


def _share(folder: Path) -> os.stat_result:
    """Open our own folder to everybody: its maker may have been killed before it did."""
    found = folder.lstat()
    if found.st_uid == os.geteuid() and stat.S_ISDIR(found.st_mode) and stat.S_IMODE(found.st_mode) != _SHARED:
        folder.chmod(_SHARED)
    return found


def _is_open_to_all(folder: Path) -> bool:
    try:
        return bool(folder.stat().st_mode & stat.S_IWOTH)
    except OSError:
        return False


def _unusable(path: Path, reason: str) -> EnvmgrError:
    return EnvmgrError(f"{path} cannot serve as a lock: {reason}", help=f"Remove {path}, or have its owner do it.")
