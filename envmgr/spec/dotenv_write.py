"""Writing the operator's `.env` files: values are added or set anew, what else stands there stays as it is.

Values never appear in a message.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from envmgr.errors import Problem, SpecError
from envmgr.files import write_atomic
from envmgr.naming import VARIABLE
from envmgr.spec.dotenv import cannot_pass, parse

_BARE = re.compile(r"[A-Za-z0-9_./:@%+,~=-]*")
"""Values that need no quotes: for python-dotenv, for a shell, and for whoever reads the file."""


def append_env(path: Path, values: Mapping[str, str], comment: str) -> None:
    """Add values under a comment at the end of a file, or make it; what stands there stays as it is.

    Raises:
        SpecError: a value cannot stand on one line, the file is not readable text, or it cannot be written.
    """
    if not values:
        return
    _check_lines(path, values)
    # A link is the operator's own arrangement: the file behind it is replaced, not the link.
    path = path.resolve()
    try:
        old = path.read_bytes() if path.exists() else b""
        new = extended(old, values, comment)
        _check_read_back(path, new, values)
        write_atomic(path, new, mode=0o600, uid=_owner(path))
    except OSError as error:
        raise SpecError(f"{path} cannot be written: {error.strerror}", state="No value was kept.") from error


def put_env(path: Path, values: Mapping[str, str], comment: str) -> None:
    """Set values where they stand already, the last line of each, and add the others under a comment.

    Raises:
        SpecError: as `append_env` does.
    """
    _check_lines(path, values)
    path = path.resolve()
    try:
        old = path.read_bytes() if path.exists() else b""
        new = changed(old, values, comment, str(path))
        _check_read_back(path, new, values)
        write_atomic(path, new, mode=0o600, uid=_owner(path))
    except OSError as error:
        raise SpecError(f"{path} cannot be written: {error.strerror}", state="No value was kept.") from error
    except UnicodeDecodeError as error:
        raise SpecError(f"{path} is not UTF-8 text", state="No value was kept.") from error


def changed(old: bytes, values: Mapping[str, str], comment: str, file: str) -> bytes:
    """Return a file's bytes with values set.

    Raises:
        UnicodeDecodeError: it is no text.
    """
    text = old.decode("utf-8-sig").replace("\r\n", "\n")
    last = {entry.key: entry for entry in parse(old, file).entries if entry.key in values}
    for entry in sorted(last.values(), key=lambda one: -one.start):
        text = f"{text[: entry.start]}{entry.key}={_quoted(values[entry.key])}\n{text[entry.end :]}"
    added = {name: value for name, value in values.items() if name not in last}
    return extended(text.encode(), added, comment) if added else text.encode()


def _check_lines(path: Path, values: Mapping[str, str]) -> None:
    reasons = {name: cannot_pass(value) for name, value in values.items()}
    reasons |= {name: "is no name of a variable" for name in values if not VARIABLE.fullmatch(name)}
    problems = tuple(Problem(f"{name} {reason}", file=str(path)) for name, reason in reasons.items() if reason)
    if problems:
        raise SpecError(f"{path} cannot hold these values", problems, state="No value was kept.")


def extended(old: bytes, values: Mapping[str, str], comment: str) -> bytes:
    """Return a file's bytes with values added below a comment."""
    lines = [f"# {line}" for line in comment.splitlines()]
    lines += [f"{name}={_quoted(value)}" for name, value in values.items()]
    gap = b"" if not old or old.endswith(b"\n") else b"\n"
    return old + gap + "".join(f"{line}\n" for line in lines).encode()


def _owner(path: Path) -> int | None:
    """Keep a file its owner's; one made under sudo belongs to whom the project belongs to."""
    if path.exists():
        return path.stat().st_uid
    return path.parent.stat().st_uid if os.geteuid() == 0 else None


def _quoted(value: str) -> str:
    if _BARE.fullmatch(value):
        return value
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _check_read_back(path: Path, data: bytes, values: Mapping[str, str]) -> None:
    """Refuse when a quote left open above would swallow the new lines."""
    try:
        entries = parse(data, str(path)).entries
    except UnicodeDecodeError as error:
        raise SpecError(f"{path} is not UTF-8 text", state="No value was kept.") from error
    read = {entry.key: entry.value.value for entry in entries}
    if any(read.get(name) != value for name, value in values.items()):
        message = f"{path} has a line that would swallow what is added below it"
        raise SpecError(message, state="No value was kept.", help="look for a quote that is not closed")
