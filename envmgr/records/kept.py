"""A resolved system kept for the next command, in the user's own cache: reading a spec anew takes ten times as long.

It never fails and it decides nothing: what is absent, foreign, broken or older than anything it follows from is None.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any

from envmgr.model.resolved import Resolved
from envmgr.records import codec, evidence

_FORMAT = 1
_AT_MOST = 64
"""Systems; those that were written first go first."""
_LIMIT = 64 * 1024 * 1024


def recall(file: Path, spec: str) -> Resolved | None:
    """Return what a spec of this text was resolved to, when everything that this follows from is as it was."""
    try:
        data = _read(_place(file))
        checksum, _, text = data.partition(b"\n")
        if hashlib.sha256(text).hexdigest().encode() != checksum:
            return None
        head, _, kept = text.decode().partition("\n")
        return codec.decode(kept) if _holds(json.loads(head), file, spec) else None
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, AttributeError):
        return None


def sources_of(file: Path, spec: str, recipes: str) -> str | None:
    """Return a hash of what a spec is about to be resolved from, for `keep`; None when it cannot be told."""
    try:
        return evidence.digest(spec, file.resolve().parent, recipes)
    except (OSError, RuntimeError):
        return None


def keep(file: Path, spec: str, sources: str | None, resolved: Resolved) -> None:
    """Keep what a spec was resolved to, unless something has changed since `sources` was asked for."""
    code = evidence.loaded_code()
    if sources is None or code is None or sources_of(file, spec, resolved.recipes_folder) != sources:
        return
    head = {"format": _FORMAT, "recipes": resolved.recipes_folder, "sources": sources, "code": code}
    with suppress(OSError, ValueError, TypeError, RuntimeError):
        kept = codec.encode(resolved)
        if codec.decode(kept) == resolved:
            text = f"{json.dumps(head)}\n{kept}".encode()
            _write(_place(file), hashlib.sha256(text).hexdigest().encode() + b"\n" + text)


def _holds(head: Any, file: Path, spec: str) -> bool:
    return (
        head["format"] == _FORMAT
        and evidence.digest(spec, file.resolve().parent, head["recipes"]) == head["sources"]
        and all(evidence.stamp(path) == (path, changed, size) for path, changed, size in head["code"])
    )


def _place(file: Path) -> Path:
    """Return the file of a spec's system; another checkout or installation of envmgr has another one."""
    name = hashlib.sha256(f"{file.resolve()}\n{evidence.package()}".encode()).hexdigest()
    return _folder() / f"{name[:32]}.json"


def _folder() -> Path:
    """Return the folder by the XDG Base Directory Specification, which has a relative path ignored."""
    written = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(written) if Path(written).is_absolute() else Path.home() / ".cache") / "envmgr" / "systems"


def _read(path: Path) -> bytes:
    """Return what a file of ours holds.

    Raises: `OSError` when it is not there; `ValueError` when somebody else could have written it.
    """
    _refuse_foreign(path.parent.lstat(), stat.S_IFDIR)
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as stream:
        _refuse_foreign(os.fstat(stream.fileno()), stat.S_IFREG)
        return stream.read(_LIMIT)


def _refuse_foreign(found: os.stat_result, kind: int) -> None:
    mine = stat.S_IFMT(found.st_mode) == kind and found.st_uid == os.geteuid()
    if not mine or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ValueError("somebody else could have written it")


def _write(path: Path, data: bytes) -> None:
    """Put a file in place at once; not forced to the disk, for the checksum finds what a power cut leaves."""
    _make(path.parent)
    _refuse_foreign(path.parent.lstat(), stat.S_IFDIR)
    beside = path.with_suffix(f".{os.getpid()}")
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as stream:
            stream.write(data)
        beside.replace(path)
    except BaseException:
        with suppress(OSError):
            beside.unlink()
        raise
    _forget(path.parent)


def _make(folder: Path) -> None:
    """Make the folder below one of this user's: root with another's HOME must not leave a folder of root's there."""
    if folder.is_dir():
        return
    _make(folder.parent)
    if folder.parent.stat().st_uid != os.geteuid():
        raise ValueError("this is another user's")
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)


def _forget(folder: Path) -> None:
    written = sorted(folder.iterdir(), key=lambda one: one.lstat().st_mtime_ns)
    for one in written[:-_AT_MOST]:
        one.unlink(missing_ok=True)
