"""What an operation of several steps has done so far, so that a kill in the middle is gone on from.

One operation at a time is open on a target; its file may hold secrets, and is the operator's alone. Whoever uses it
holds the target's lock.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from envmgr import layout
from envmgr.errors import EnvmgrError
from envmgr.files import sync_folder, write_atomic

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Entry:
    """An operation that was begun and has not ended."""

    operation: str
    """`rotate`."""
    subject: str
    """What it works on: `postgres`."""
    command: str
    """What goes on with it."""
    began: str
    """ISO 8601, UTC."""
    done: tuple[str, ...] = ()
    """Names of its steps, in the order in which they were done."""
    facts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """What its steps need beside the spec; may hold secrets."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of an operation; doing it twice is as good as once."""

    name: str
    text: str
    """What is being done, for whoever waits."""
    run: Callable[[], object]


@dataclass(slots=True)
class Journal:
    """The journal of one target."""

    folder: Path
    """The project's."""
    target: str
    entry: Entry | None = None

    @property
    def path(self) -> Path:
        """Where the open operation is written down."""
        return self.folder / layout.RUNTIME / self.target / "journal.json"

    def read(self) -> Entry | None:
        """Return the operation that was cut, if any.

        Raises: `EnvmgrError` when its file makes no sense: what it says of servers must not be guessed.
        """
        try:
            self.entry = _decoded(self.path.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            self.entry = None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise EnvmgrError(
                f"{self.path} cannot be read: {getattr(error, 'strerror', None) or error}",
                state=f"An operation on {self.target} was cut, and how far it came is not known. Nothing was changed.",
                help=f"Put it back, or move it away and bring {self.target} to its spec: envmgr up {self.target}",
            ) from error
        return self.entry

    def begin(self, operation: str, subject: str, command: str, facts: Mapping[str, Mapping[str, str]]) -> None:
        """Write down that an operation begins."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self._write(Entry(operation, subject, command, now, (), facts))

    def carry_out(self, stages: tuple[Stage, ...], say: Callable[[str], None]) -> None:
        """Do the steps that are not done yet, each written down as soon as it is, and close the operation."""
        for stage in stages:
            assert self.entry is not None, "begin or read comes first"
            if stage.name in self.entry.done:
                continue
            say(stage.text)
            stage.run()
            self._write(replace(self.entry, done=(*self.entry.done, stage.name)))
        self.close()

    def close(self) -> None:
        """Forget the operation: it has ended, or was undone."""
        self.path.unlink(missing_ok=True)
        if self.path.parent.is_dir():
            sync_folder(self.path.parent)
        self.entry = None

    def _write(self, entry: Entry) -> None:
        data = json.dumps({"format": FORMAT, **asdict(entry)}, indent=1)
        try:
            for folder in (self.path.parent.parent, self.path.parent):
                folder.mkdir(exist_ok=True)
                folder.chmod(0o700)
            write_atomic(self.path, data.encode(), 0o600)
        except OSError as error:
            raise EnvmgrError(
                f"{self.path} cannot be written: {error.strerror}",
                # Later on, whoever carries the steps out knows better what state things are in.
                state="Nothing was changed.",
                help=f"Make it writable, or make room; then: {entry.command}",
            ) from error
        self.entry = entry


def _decoded(data: bytes) -> Entry:
    found = json.loads(data)
    if found["format"] != FORMAT:
        raise ValueError(f"it has format {found['format']}, which this version of envmgr does not know")
    facts = {name: dict(values) for name, values in found["facts"].items()}
    texts = {name: str(found[name]) for name in ("operation", "subject", "command", "began")}
    return Entry(**texts, done=tuple(map(str, found["done"])), facts=facts)
