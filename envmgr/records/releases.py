"""The releases of one environment: a folder each, written once, and the history of what was made to serve when.

.envmgr/prod/releases/3/release.json     what it is
                       envmgr.toml       the spec that it was made from, with its lock
                       blue.yml green.yml, files/…   what Compose is given
                       values.json       what its own variables and secrets were; the operator's alone
             releases/history.json       every attempt, oldest first
             releases/colours.json       which release each colour was last made from
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from envmgr import layout, naming
from envmgr.errors import EnvmgrError
from envmgr.files import sync_folder, write_atomic
from envmgr.model.release import Attempt, Outcome, Release, ReleasedImage

FORMAT = 1
_RELEASE, _HISTORY, _COLOURS, _VALUES = "release.json", "history.json", "colours.json", "values.json"


class Releases:
    """The record; whoever changes it holds the environment's lock."""

    def __init__(self, project: Path, environment: str) -> None:
        self.environment = environment
        self.folder = project / layout.releases_folder(environment)

    def all(self) -> tuple[Release, ...]:
        """Return the releases that are kept, oldest first.

        Raises: `EnvmgrError` when one cannot be read.
        """
        return tuple(self.get(number) for number in self._numbers())

    def get(self, number: int) -> Release:
        """Return one release.

        Raises: `KeyError` when it is not kept; `EnvmgrError`.
        """
        if number not in self._numbers():
            raise KeyError(number)
        found = self._read(self.path(number) / _RELEASE)
        images = {name: ReleasedImage(**one) for name, one in found.pop("images").items()}
        return Release(**found, images=images)

    def path(self, number: int) -> Path:
        """Return a release's folder."""
        return self.folder / str(number)

    def next_number(self) -> int:
        """Return the number of the next release; none is given twice, also after old ones were forgotten."""
        return max((0, *self._numbers(), *(attempt.release for attempt in self.history()))) + 1

    def make(self, release: Release, files: Mapping[str, bytes], values: Mapping[str, str]) -> None:
        """Write a whole release; until it is complete, it is none."""
        self._make_folder()
        final, beside = self.path(release.number), self.folder / f".{release.number}.new"
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(mode=0o700)
        contents = {
            **files,
            _VALUES: json.dumps(values, indent=1).encode(),
            _RELEASE: json.dumps({"format": FORMAT, **asdict(release)}, indent=1).encode(),
        }
        for name, data in contents.items():
            path = beside / name
            path.parent.mkdir(parents=True, exist_ok=True)
            # Containers read the files below `files/` as their own users; the folder above is closed to others.
            write_atomic(path, data, 0o644 if name.startswith("files/") else 0o600)
        for folder, _, _ in os.walk(beside):
            sync_folder(Path(folder))
        beside.replace(final)
        sync_folder(self.folder)

    def values(self, number: int) -> dict[str, str]:
        """Return what the variables and secrets of a release were."""
        return {str(name): str(value) for name, value in self._load(self.path(number) / _VALUES).items()}

    def forget(self, number: int) -> None:
        """Remove a release's folder; its attempts stay in the history."""
        gone = self.folder / f".{number}.old"
        shutil.rmtree(gone, ignore_errors=True)
        self.path(number).replace(gone)
        sync_folder(self.folder)
        shutil.rmtree(gone)

    def history(self) -> tuple[Attempt, ...]:
        """Return every attempt, oldest first.

        Raises: `EnvmgrError`.
        """
        found = self._read(self.folder / _HISTORY, {"attempts": []})["attempts"]
        return tuple(Attempt(**{**one, "outcome": Outcome(one["outcome"])}) for one in found)

    def add(self, attempt: Attempt) -> None:
        """Append an attempt."""
        attempts = [asdict(one) for one in (*self.history(), attempt)]
        self._write(_HISTORY, {"attempts": attempts})

    def colours(self) -> dict[str, int]:
        """Return which release each colour was last made from."""
        found = self._read(self.folder / _COLOURS, {"colours": {}})["colours"]
        return {name: int(found[name]) for name in naming.COLOURS if name in found}

    def dress(self, colour: str, number: int) -> None:
        """Write down which release a colour is about to be made from."""
        self._write(_COLOURS, {"colours": {**self.colours(), colour: number}})

    def _numbers(self) -> tuple[int, ...]:
        if not self.folder.is_dir():
            return ()
        return tuple(sorted(int(one.name) for one in self.folder.iterdir() if one.name.isdecimal()))

    def _make_folder(self) -> None:
        for folder in (self.folder.parent.parent, self.folder.parent, self.folder):
            folder.mkdir(exist_ok=True)
            folder.chmod(0o700)

    def _write(self, name: str, content: Mapping[str, Any]) -> None:
        self._make_folder()
        write_atomic(self.folder / name, json.dumps({"format": FORMAT, **content}, indent=1).encode(), 0o600)

    def _read(self, path: Path, absent: Mapping[str, Any] | None = None) -> dict[str, Any]:
        try:
            found = self._load(path)
        except FileNotFoundError:
            if absent is None:
                raise self._unreadable(path, "it is not there") from None
            return dict(absent)
        except (OSError, ValueError) as error:
            raise self._unreadable(path, getattr(error, "strerror", None) or str(error)) from error
        version = found.pop("format", None)
        if version != FORMAT:
            raise self._unreadable(path, f"it has format {version}, which this version of envmgr does not know")
        return found

    def _load(self, path: Path) -> dict[str, Any]:
        found = json.loads(path.read_bytes())
        if not isinstance(found, dict):
            raise ValueError("it is no table")
        return found

    def _unreadable(self, path: Path, why: str) -> EnvmgrError:
        return EnvmgrError(
            f"{path} cannot be read: {why}",
            state="Nothing was changed.",
            help=f"Put it back from a copy; what {self.environment} serves is not touched.",
        )
