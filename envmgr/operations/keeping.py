"""Keep values of secrets where a target has its own: in its store, a file of its own, or its `.env` file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from envmgr import layout
from envmgr.errors import UsageError
from envmgr.model.stack import Stack
from envmgr.operations.reading import read, store_of
from envmgr.operations.session import Session
from envmgr.secrets.ages import note_ages
from envmgr.secrets.folder import write_secrets
from envmgr.secrets.store import Given, Store
from envmgr.spec.dotenv_write import put_env


def keep(session: Session, stack: Stack, values: Mapping[str, str]) -> str:
    """Keep values, each where it stands already; return where, in words. What one file holds is written in one go.

    The one way by which envmgr writes a secret of the operator's. The next `read` of the session gives the new values.

    Raises: `SourceError` when the store only gives, before anything is written; `SpecError`; `UsageError` for a value
    that a file of the spec's holds.
    """
    _refuse_fixed(stack, values)
    in_files = _in_files(session, stack, values)
    store = store_of(session, stack)
    stored = {name: value for name, value in values.items() if store and name not in in_files}
    where = []
    if store and stored:
        where.append(_put_in(session, stack, store, stored))
    where += _put_in_files(session, stack, {n: v for n, v in values.items() if n not in stored}, in_files)
    note_values(session, stack)
    return " and ".join(where)


def refuse_unkept(session: Session, stack: Stack, values: Mapping[str, str]) -> None:
    """Refuse what `keep` could not keep, before anything depends on it.

    Raises: `SourceError`, `UsageError`.
    """
    _refuse_fixed(stack, values)
    in_files = _in_files(session, stack, values)
    store = store_of(session, stack)
    names = [name for name in values if name not in in_files]
    if store and names:
        store.prepare(names)


def _put_in(session: Session, stack: Stack, store: Store, values: Mapping[str, str]) -> str:
    """Keep values in a target's store; what the session has read of it follows."""
    store.write(values)
    read_before = session.kept.get(stack.target, {})
    session.kept[stack.target] = {**read_before, **{name: Given(value, store.title) for name, value in values.items()}}
    return store.title


def _put_in_files(
    session: Session, stack: Stack, values: Mapping[str, str], in_files: Mapping[str, str]
) -> Iterable[str]:
    """Keep values in files of the operator's; return the files."""
    lines, several = _divided(values, in_files)
    written = list(dict.fromkeys(write_secrets(session.project.folder, stack.target, several).values()))
    if not lines:
        return written
    path = layout.operator_file(session.project.folder, stack.target)
    put_env(path, lines, f"Set by envmgr for {stack.target}; keep a copy, they are not stored elsewhere.")
    return (*written, path.name)


def note_values(session: Session, stack: Stack) -> None:
    """Note since when the values of a target's secrets are what they are now."""
    known = read(session, stack).secrets(stack)
    note_ages(session.project.folder, stack.target, known, datetime.now(UTC))


def _in_files(session: Session, stack: Stack, values: Mapping[str, str]) -> dict[str, str]:
    """Return where values stand in files of the operator's: there they stay.

    As whom one enters is no secret: it stands in the file of values, wherever the passwords are.
    """
    folder = session.project.folder
    store = store_of(session, stack)
    plain = {need.name: ".env" for need in stack.needed if not need.is_secret and need.name in values}
    places = {name: place for name, place in read(session, stack).places.items() if name in values}
    found = {
        name: place
        for name, place in places.items()
        if place.startswith((".env", f"{layout.SECRETS}/{stack.target}/")) and (store is None or place != store.title)
        if (folder / place.rpartition(":")[0]).exists() or (folder / place).exists()
    }
    return {**found, **plain}


def _divided(values: Mapping[str, str], in_files: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Tell what goes into the `.env` file from what needs a file of its own."""
    several = {
        name: value
        for name, value in values.items()
        if not in_files.get(name, ".env").startswith(".env") or (name not in in_files and "\n" in value)
    }
    return {name: value for name, value in values.items() if name not in several}, several


def _refuse_fixed(stack: Stack, values: Mapping[str, str]) -> None:
    for need in stack.needed:
        if need.file and need.name in values:
            raise UsageError(
                f"{need.name} of {stack.target} is the content of {Path(need.file)}, which the spec names",
                state="No value was kept.",
                help=f"write that file, or correct {need.place}",
            )
