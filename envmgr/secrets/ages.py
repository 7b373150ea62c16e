"""Since when each secret of a target has its value: a record of keyed digests beside what is delivered.

A file's own time lies after a copy or a restore, and a store has none; a value whose digest changed is new.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from envmgr import layout
from envmgr.errors import EnvmgrError
from envmgr.files import write_atomic
from envmgr.secrets.deliver import digest, key_of, private_folder

_FORMAT = 1
Record = dict[str, tuple[str, datetime]]
"""Name → digest, and since when."""


def note_ages(folder: Path, target: str, values: Mapping[str, str], now: datetime) -> None:
    """Bring the record up to date: a new or changed value is as old as this moment, what is gone is forgotten.

    Raises: `EnvmgrError` when it cannot be written.
    """
    path = folder / layout.ages_file(target)
    try:
        private_folder(path.parent)
        key = key_of(path.parent, makes=True)
        known = _read(path)
        found = {name: _renewed(known.get(name), digest(key, name, value), now) for name, value in values.items()}
        if found != known:
            write_atomic(path, _written(found), 0o600)
    except OSError as error:
        raise EnvmgrError(f"{path} cannot be written: {error.strerror}") from error


def ages(folder: Path, target: str) -> dict[str, datetime]:
    """Return since when each secret has its value, as far as it was ever seen."""
    return {name: since for name, (_, since) in _read(folder / layout.ages_file(target)).items()}


def ages_of(folder: Path, target: str, values: Mapping[str, str]) -> dict[str, datetime]:
    """Return the same for values that are known: what has changed since it was last seen has no age yet."""
    path = folder / layout.ages_file(target)
    known = _read(path)
    with suppress(OSError):
        key = key_of(path.parent, makes=False)
        return {
            name: known[name][1]
            for name, value in values.items()
            if name in known and known[name][0] == digest(key, name, value)
        }
    return {}


def _renewed(known: tuple[str, datetime] | None, new: str, now: datetime) -> tuple[str, datetime]:
    return known if known and known[0] == new else (new, now)


def _written(record: Record) -> bytes:
    rows = {name: {"digest": one, "since": since.isoformat()} for name, (one, since) in sorted(record.items())}
    return (json.dumps({"format": _FORMAT, "secrets": rows}, indent=1) + "\n").encode()


def _read(path: Path) -> Record:
    """Return the record; one that is not there, or is damaged, knows nothing."""
    try:
        rows = json.loads(path.read_bytes())["secrets"]
        found = {name: (str(row["digest"]), datetime.fromisoformat(row["since"])) for name, row in rows.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    return {name: (one, since.replace(tzinfo=since.tzinfo or UTC)) for name, (one, since) in found.items()}
