"""The operator's `.env` files: read with the place of each value, matched with what is needed.

Values are never interpolated and never appear in a message.
"""

from __future__ import annotations

import io
import os
import re
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from envmgr.errors import Problem, SpecError
from envmgr.model.needed import Needed, Origin
from envmgr.spec.suggest import did_you_mean

_LIMIT = 60 * 1024
"""Compose reads no env file with a line above 64 KiB."""
_BREAKS = re.compile(r"[\r\n\0]")


@dataclass(frozen=True, slots=True)
class EnvValue:
    """One value and where it was written."""

    value: str = field(repr=False)
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class EnvValues:
    """What the files of one target say, the later file before the earlier."""

    folder: Path
    target: str
    values: Mapping[str, EnvValue]
    warnings: tuple[str, ...] = ()
    earlier: Mapping[str, tuple[EnvValue, ...]] = field(default_factory=dict)
    """Key → what a later line, or the later file, has set anew; the last of them first."""


@dataclass(frozen=True, slots=True)
class Collected:
    """The values that are needed, and what is wrong with them."""

    values: Mapping[str, str] = field(repr=False)
    missing_required: tuple[Problem, ...] = ()
    """Required values that nobody has set, and values of any kind that cannot be passed on."""
    to_generate: tuple[Needed, ...] = ()
    unused: tuple[Problem, ...] = ()
    """Keys of the files that nothing needs; `path` is the key."""


@dataclass(frozen=True, slots=True)
class EnvEntry:
    """One statement of a file."""

    key: str
    value: EnvValue
    start: int = 0
    """Where it begins in the file's text."""
    end: int = 0


@dataclass(frozen=True, slots=True)
class EnvFile:
    """One file, read."""

    entries: tuple[EnvEntry, ...] = ()
    problems: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()


def read_env_files(folder: Path, target: str, secrets: Collection[str] | None = None) -> EnvValues:
    """Read `.env` and, over it, `.env.<target>`; either may be absent.

    A file that others can read is warned about when it holds one of `secrets`, or any value when those are not given.

    Raises:
        SpecError: with every line of both files that is not NAME=value.
    """
    files = [_read(folder / name, secrets) for name in (".env", f".env.{target}")]
    problems = tuple(problem for file in files for problem in file.problems)
    if problems:
        raise SpecError(
            "a .env file cannot be read", problems, state="Nothing was changed.", help="write one NAME=value a line"
        )
    values: dict[str, EnvValue] = {}
    earlier: dict[str, tuple[EnvValue, ...]] = {}
    for entry in (entry for file in files for entry in file.entries):
        if entry.key in values:
            earlier[entry.key] = (values[entry.key], *earlier.get(entry.key, ()))
        values[entry.key] = entry.value
    return EnvValues(folder, target, values, tuple(text for file in files for text in file.warnings), earlier)


def collect(needed: Iterable[Needed], values: EnvValues, shell: Mapping[str, str]) -> Collected:
    """Match what is needed with what is there: the files, then the shell where the spec allows it, then defaults."""
    needed = tuple(needed)
    found = {need.name: _value(need, values, shell) for need in needed}
    refused = [_refused(need, values) for need in needed if cannot_pass(found[need.name] or "")]
    absent = [need for need in needed if found[need.name] is None]
    missing = [_missing(need, values) for need in absent if need.origin is Origin.OPERATOR and need.is_required]
    return Collected(
        values={name: value for name, value in found.items() if value is not None and not cannot_pass(value)},
        missing_required=tuple(dict.fromkeys((*refused, *missing))),
        to_generate=tuple(need for need in absent if need.origin is Origin.GENERATED),
        unused=tuple(_unused(needed, values)),
    )


def _read(path: Path, secrets: Collection[str] | None) -> EnvFile:
    try:
        with path.open("rb") as stream:
            data, mode = stream.read(), stat.S_IMODE(os.fstat(stream.fileno()).st_mode)
    except FileNotFoundError:
        if path.is_symlink():
            return EnvFile(problems=(Problem("is a link to a file that does not exist", file=str(path)),))
        return EnvFile()
    except OSError as error:
        return EnvFile(problems=(Problem(f"cannot be read: {error.strerror}", file=str(path)),))
    try:
        file = parse(data, str(path))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return EnvFile(
            problems=(Problem("expected UTF-8 text: save the file in that encoding", file=str(path), line=line),)
        )
    warnings = (*_duplicates(file.entries), *_exposed(path, mode, file.entries, secrets))
    return EnvFile(file.entries, file.problems, warnings)


def parse(data: bytes, file: str) -> EnvFile:
    """Read a file's bytes.

    Raises: `UnicodeDecodeError`.
    """
    from dotenv.parser import parse_stream

    text = data.decode("utf-8-sig").replace("\r\n", "\n")
    entries: list[EnvEntry] = []
    problems: list[Problem] = []
    position = 0
    for binding in parse_stream(io.StringIO(text, newline="")):
        statement = binding.original.string
        # python-dotenv counts from the blank lines above a statement; an operator looks for the statement itself.
        start = position + len(statement) - len(statement.lstrip())
        line = text.count("\n", 0, start) + 1
        position += len(statement)
        if binding.error or (binding.key is not None and binding.value is None):
            problems.append(
                Problem("expected NAME=value, with matching quotes when there are some", file=file, line=line)
            )
        elif binding.key is not None and binding.value is not None:
            entries.append(EnvEntry(binding.key, EnvValue(binding.value, file, line), start, position))
    return EnvFile(tuple(entries), tuple(problems))


def _duplicates(entries: Iterable[EnvEntry]) -> Iterator[str]:
    seen: dict[str, EnvValue] = {}
    for entry in entries:
        earlier = seen.get(entry.key)
        # An empty one is a place that was kept free for a value, which envmgr may have added below.
        if earlier and earlier.value and earlier.value != entry.value.value:
            place = f"{entry.value.file}:{entry.value.line}"
            yield f"{place} {entry.key} is set a second time and wins over line {earlier.line}"
        seen[entry.key] = entry.value


def _exposed(path: Path, mode: int, entries: Iterable[EnvEntry], secrets: Collection[str] | None) -> Iterator[str]:
    is_secret = any(entry.value.value and (secrets is None or entry.key in secrets) for entry in entries)
    if is_secret and mode & 0o077:
        yield f"{path} can be read by other users of this host: chmod 600 {path}"


def counts(need: Needed, value: str | None) -> bool:
    """Tell whether a value counts as set: an empty one does only where none is needed."""
    return value is not None and (bool(value) or not (need.is_required or need.origin is Origin.GENERATED))


def _value(need: Needed, values: EnvValues, shell: Mapping[str, str]) -> str | None:
    """Return the first value that counts as set, or None."""
    entry = values.values.get(need.name)
    candidates = (entry.value if entry else None, shell.get(need.name) if need.from_shell else None, need.default)
    return next((value for value in candidates if counts(need, value)), None)


def cannot_pass(value: str) -> str:
    """Return why a value cannot reach a container, or nothing."""
    if _BREAKS.search(value):
        return "holds a line break or NUL, which no env file can carry"
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        return "is not UTF-8 text"
    return "is longer than 60 KiB, which Compose does not read" if size > _LIMIT else ""


def _refused(need: Needed, values: EnvValues) -> Problem:
    entry = values.values.get(need.name)
    value = _value(need, values, {})
    if entry and value == entry.value:
        return Problem(f"{need.name} {cannot_pass(entry.value)}", need.place, entry.file, entry.line)
    return Problem(f"{need.name}, which the shell sets, cannot be passed on", need.place)


def _missing(need: Needed, values: EnvValues) -> Problem:
    file = str(values.folder / f".env.{need.scope}")
    hint = f"write {need.name}=… in {file}" + (", or export it" if need.from_shell else "")
    entry = values.values.get(need.name)
    if entry:
        return Problem(f"{need.name} is empty", need.place, entry.file, entry.line, hint=hint)
    return Problem(f"{need.name} is not set", need.place, file, hint=hint)


def _unused(needed: tuple[Needed, ...], values: EnvValues) -> Iterator[Problem]:
    names = {need.name for need in needed}
    unset = names - set(values.values)
    for key, entry in values.values.items():
        if key not in names:
            hint = did_you_mean(key, unset) or f"declare it as [variables.{key}], or remove it"
            yield Problem("nothing uses it", key, entry.file, entry.line, hint=hint)
