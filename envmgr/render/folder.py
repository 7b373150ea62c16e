"""The rendered folder on disk: what differs from what should be there, and one atomic write of the whole set."""

from __future__ import annotations

import difflib
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path

from envmgr.errors import EnvmgrError, StaleError
from envmgr.files import sync_folder
from envmgr.model.value import dataclass
from envmgr.render.exchange import exchange, recover

MANIFEST = ".envmgr.json"
_FORMAT = 1


class Change(StrEnum):
    """What is true of one file."""

    UNCHANGED = "unchanged"
    NEW = "new"
    STALE = "stale"
    """As envmgr wrote it, and the spec has moved on."""
    EDITED = "edited by hand"
    OBSOLETE = "obsolete"
    """As envmgr wrote it, and no longer wanted."""


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file of the rendered folder against what it should be."""

    path: str
    change: Change
    diff: tuple[str, ...] = ()


def compare(folder: Path, files: Mapping[str, str]) -> tuple[FileChange, ...]:
    """Compare the folder with the files that it should hold, in order of path.

    Raises: `StaleError` when something that is no file is in a file's place.
    """
    folder = folder.resolve()
    with _alone(folder):
        return _compare_all(folder, files)


def write(folder: Path, files: Mapping[str, str], *, force: bool = False) -> tuple[FileChange, ...]:
    """Write the whole set at once and return what changed.

    Raises: `StaleError` when a file was edited by hand and `force` is off, nothing is written then; `EnvmgrError` when
    the folder cannot be written.
    """
    folder = folder.resolve()  # a link is the operator's own arrangement: what is behind it changes, not the link
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _alone(folder):
            return _write_set(folder, files, force=force)
    except OSError as error:
        raise EnvmgrError(
            f"{folder} cannot be written: {error.strerror}",
            state="Its files are all as before, or all as the spec says.",
            details=(str(error),),
        ) from error


def edited_error(folder: Path, changes: tuple[FileChange, ...]) -> StaleError:
    """Return the error for files that were edited by hand, with their differences."""
    edited = [change for change in changes if change.change is Change.EDITED]
    names = ", ".join(f"{folder.name}/{change.path}" for change in edited)
    return StaleError(
        f"edited by hand: {names}",
        state="Nothing was written.",
        help="Move the edit into envmgr.toml (a setting of the service there) and run `envmgr render`, "
        "or drop it with `envmgr render --force`.",
        details=tuple(line for change in edited for line in change.diff),
    )


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other writers out with a kernel lock, which dies with its process; go on where there is none."""
    try:
        descriptor = os.open(folder.parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        yield
        return
    try:
        with suppress(OSError):  # some network file systems lock no folder
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _compare_all(folder: Path, files: Mapping[str, str]) -> tuple[FileChange, ...]:
    recover(folder)
    manifest = _read_manifest(folder)
    paths = sorted(files.keys() | manifest.keys())
    changes = (_compare(folder, path, files.get(path), manifest.get(path)) for path in paths)
    return tuple(change for change in changes if change is not None)


def _write_set(folder: Path, files: Mapping[str, str], *, force: bool) -> tuple[FileChange, ...]:
    changes = tuple(change for change in _compare_all(folder, files) if change.change is not Change.UNCHANGED)
    if not force and any(change.change is Change.EDITED for change in changes):
        raise edited_error(folder, changes)
    _sweep(folder)
    if changes:
        _replace(folder, files)
    return changes


def _compare(folder: Path, path: str, wanted: str | None, recorded: str | None) -> FileChange | None:
    found = _read(folder, path)
    if found is None:
        return None if wanted is None else FileChange(path, Change.NEW, _diff(path, "", wanted))
    if wanted is not None and found == wanted.encode():
        return FileChange(path, Change.UNCHANGED)
    diff = _diff(path, found.decode(errors="replace"), wanted or "")
    if _sha256(found) != recorded:
        return FileChange(path, Change.EDITED, diff)
    return FileChange(path, Change.OBSOLETE if wanted is None else Change.STALE, diff)


def _read(folder: Path, path: str) -> bytes | None:
    """Return what a file holds, None when it is not there; a link to nowhere holds nothing."""
    place = folder / path
    try:
        return place.read_bytes()
    except FileNotFoundError:
        return b"" if place.is_symlink() else None
    except IsADirectoryError:
        raise _in_the_way(folder, f"{path} is a folder") from None
    except NotADirectoryError:
        raise _in_the_way(folder, f"{path} has a file in its way") from None


def _in_the_way(folder: Path, what: str) -> StaleError:
    return StaleError(f"{folder.name}/{what}", state="Nothing was written.", help="Move that away, then: envmgr render")


def _diff(path: str, found: str, wanted: str) -> tuple[str, ...]:
    lines = difflib.unified_diff(
        found.splitlines(), wanted.splitlines(), f"{path} (on disk)", f"{path} (from the spec)", lineterm=""
    )
    return tuple(lines)


def _read_manifest(folder: Path) -> dict[str, str]:
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        files = manifest["files"] if manifest["format"] == _FORMAT else {}
    except (OSError, ValueError, KeyError, TypeError):
        # Without a readable manifest every file that differs counts as edited: the careful side.
        return {}
    return {str(path): str(digest) for path, digest in files.items()} if isinstance(files, dict) else {}


def _manifest(files: Mapping[str, str]) -> str:
    digests = {path: _sha256(text.encode()) for path, text in sorted(files.items())}
    return json.dumps({"format": _FORMAT, "files": digests}, indent=1) + "\n"


def _replace(folder: Path, files: Mapping[str, str]) -> None:
    folder.mkdir(exist_ok=True)
    fresh = folder.with_name(f".{folder.name}.new-{os.getpid()}")
    try:
        _fill(fresh, folder, {**files, MANIFEST: _manifest(files)})
        exchange(folder, fresh)
        sync_folder(folder.parent)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _fill(fresh: Path, folder: Path, files: Mapping[str, str]) -> None:
    """Lay out the new set; what is not ours, and what does not change, is the same file as before."""
    ours = _read_manifest(folder).keys() | files.keys()
    fresh.mkdir()
    for path in sorted(p for p in folder.rglob("*") if p.is_file() or p.is_symlink()):
        relative = path.relative_to(folder).as_posix()
        if relative not in ours or (relative in files and _read(folder, relative) == files[relative].encode()):
            _link(path, fresh / relative)
    for relative, text in files.items():
        if not (fresh / relative).exists():
            _write(fresh / relative, text)
    for directory in (fresh, *(p for p in fresh.rglob("*") if p.is_dir())):
        sync_folder(directory)


def _link(source: Path, target: Path) -> None:
    # A hard link keeps the inode: a container that has the file mounted goes on seeing it.
    target.parent.mkdir(parents=True, exist_ok=True)
    target.hardlink_to(source)


def _write(target: Path, text: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as file:
        # Read inside a container by a user of its own, whatever the operator's umask is.
        os.fchmod(file.fileno(), 0o644)
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())


def _sweep(folder: Path) -> None:
    """Remove what a killed run left beside the folder."""
    for left in folder.parent.glob(f".{folder.name}.new-*"):
        owner = left.name.rpartition("-")[2]
        if not owner.isdigit() or not _is_running(int(owner)):
            shutil.rmtree(left, ignore_errors=True)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return pid != os.getpid()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
