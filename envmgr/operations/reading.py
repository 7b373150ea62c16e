"""The values of one target, from everywhere that the operator may keep them: `.env` files, a folder, a store."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from envmgr.errors import Problem
from envmgr.model.needed import Needed
from envmgr.model.stack import Stack
from envmgr.operations.session import Session
from envmgr.secrets.exposure import loose
from envmgr.secrets.folder import read_folder
from envmgr.secrets.store import Given, Store
from envmgr.spec.dotenv import Collected, EnvValues, cannot_pass, collect, counts, read_env_files


@dataclass(frozen=True, slots=True)
class Reading:
    """What was found for one target, and what is wrong with it."""

    known: Mapping[str, str] = field(repr=False)
    places: Mapping[str, str]
    """Name → where its value stands."""
    to_generate: tuple[Needed, ...] = ()
    missing: tuple[Problem, ...] = ()
    """Required and set by nobody, or not to be passed on."""
    wrong: tuple[Problem, ...] = ()
    """Not to be read, or said in two places."""
    unused: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()
    loose: tuple[Problem, ...] = ()
    """Files with secrets that others can read."""
    files: tuple[Path, ...] = ()
    """Files in the project that hold a secret in clear."""

    def secrets(self, stack: Stack) -> dict[str, str]:
        """Return the values that are secret."""
        names = {need.name for need in stack.needed if need.is_secret}
        return {name: value for name, value in self.known.items() if name in names and value}


def read(session: Session, stack: Stack) -> Reading:
    """Read everything of one target.

    Raises: `SpecError` for a `.env` file that is none; `SourceError` when a store refuses or does not answer.
    """
    folder = session.project.folder
    files = read_env_files(folder, stack.target, secrets=())  # who can read them is told in `loose`
    given, wrong = read_folder(folder, stack.target)
    kept = _asked(session, stack)
    contents, unread = _contents(folder, stack)
    spelled = {name: Given(value, _fixed(stack, name)) for name, value in contents.items()}
    others = (spelled, given, kept)
    merged = {name: one for source in reversed(others) for name, one in source.items()}
    needed = {need.name: need for need in stack.needed if not need.file}
    taken = {name: one for name, one in merged.items() if name in needed or name in spelled}
    collected = collect((need for name, need in needed.items() if name not in taken), files, os.environ)
    holding = _holding(stack, files)
    return Reading(
        known={**collected.values, **{name: one.value for name, one in taken.items()}},
        places={**_places(collected, needed, files), **{name: one.place for name, one in taken.items()}},
        to_generate=collected.to_generate,
        missing=(*collected.missing_required, *_not_passable(needed, taken)),
        wrong=(*unread, *wrong, *_twice(stack, files, others)),
        unused=(*(p for p in collected.unused if p.path not in taken), *_unknown(stack, (given, kept))),
        warnings=files.warnings,
        loose=tuple(loose(folder, stack.target, holding)),
        files=tuple(path for path in (*holding, *(folder / one.place for one in given.values()))),
    )


def store_of(session: Session, stack: Stack) -> Store | None:
    """Return the store that the spec chose for a target."""
    if stack.target not in session.project.spec.resolved.stores:
        return None
    from envmgr.secrets.opening import open_store

    table = session.project.loaded.spec.secrets[stack.target]
    return open_store(table, session.project.folder, stack.target, os.environ)


def _asked(session: Session, stack: Stack) -> Mapping[str, Given]:
    """Ask a target's store, once in a command."""
    if stack.target not in session.kept:
        store = store_of(session, stack)
        names = [need.name for need in stack.needed if need.is_secret and not need.file]
        session.kept[stack.target] = store.read(names) if store else {}
    return session.kept[stack.target]


def _contents(folder: Path, stack: Stack) -> tuple[dict[str, str], list[Problem]]:
    """Read the values that are files of the operator's; return those that cannot be read as problems."""
    found: dict[str, str] = {}
    problems: list[Problem] = []
    for need in (one for one in stack.needed if one.file):
        try:
            found[need.name] = (folder / need.file).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no text"
            problems.append(Problem(f"{need.file} cannot be read: {why}", need.place))
    return found, problems


def _fixed(stack: Stack, name: str) -> str:
    return next(need.file for need in stack.needed if need.name == name)


def _holding(stack: Stack, files: EnvValues) -> tuple[Path, ...]:
    """Return the `.env` files that hold one of the secrets."""
    secret = {need.name for need in stack.needed if need.is_secret}
    entries = [
        entry
        for name in secret & files.values.keys()
        for entry in (files.values[name], *files.earlier.get(name, ()))
        if entry.value
    ]
    return tuple(sorted({Path(entry.file) for entry in entries}))


def _places(collected: Collected, needed: Mapping[str, Needed], files: EnvValues) -> dict[str, str]:
    found = {}
    for name in collected.values:
        entry, need = files.values.get(name), needed[name]
        if entry and counts(need, entry.value):
            found[name] = f"{Path(entry.file).name}:{entry.line}"
        else:
            is_shell = need.from_shell and counts(need, os.environ.get(name))
            found[name] = "the shell" if is_shell else f"{need.place}.default"
    return found


def _twice(stack: Stack, files: EnvValues, others: Iterable[Mapping[str, Given]]) -> Iterable[Problem]:
    """Yield a name that several sources give: which of them counts is not for envmgr to guess."""
    names = {need.name for need in stack.needed}
    places: dict[str, list[str]] = {}
    for name, entry in files.values.items():
        if name in names and entry.value:
            places.setdefault(name, []).append(f"{Path(entry.file).name}:{entry.line}")
    for source in others:
        for name, one in source.items():
            if name in names:
                places.setdefault(name, []).append(one.place)
    for name, found in places.items():
        if len(found) > 1:
            yield Problem(f"{name} is given by {' and by '.join(found)}", hint="keep one of them")


def _not_passable(needed: Mapping[str, Needed], taken: Mapping[str, Given]) -> Iterable[Problem]:
    for name, one in taken.items():
        why = cannot_pass(one.value)
        if why and name in needed and not needed[name].is_secret:
            yield Problem(f"{name} {why}", needed[name].place, one.place)
        elif name in needed and "\0" in one.value:
            yield Problem(f"{name} holds NUL", needed[name].place, one.place)


def _unknown(stack: Stack, sources: Iterable[Mapping[str, Given]]) -> Iterable[Problem]:
    names = {need.name for need in stack.needed}
    for source in sources:
        for name, one in source.items():
            if name not in names:
                hint = f"declare it as [variables.{name}], or remove it"
                yield Problem("nothing uses it", name, one.place, hint=hint)
