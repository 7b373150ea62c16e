"""Find everything that is wrong with the secrets of targets, at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from envmgr.errors import EnvmgrError, Problem
from envmgr.model.secrets import SecretFinding, Severity
from envmgr.model.stack import Stack
from envmgr.operations.reading import Reading, read
from envmgr.operations.session import Session
from envmgr.operations.values import read_all
from envmgr.operations.weak import own_words
from envmgr.secrets.exposure import in_git
from envmgr.secrets.strength import weakness


def check(session: Session, targets: tuple[str, ...]) -> tuple[SecretFinding, ...]:
    """Return all findings about some targets, about all when none is named; Docker is not asked.

    Raises: `SourceError` when a store refuses or does not answer.
    """
    every = session.project.system.stacks
    chosen = session.project.stacks(targets) if targets else every
    readings = read_all(session, chosen)
    found: list[SecretFinding] = []
    # A value that two environments share is found whichever of them is named.
    for stack in (one for one in every if one not in chosen):
        try:
            readings[stack.target] = read(session, stack)
        except EnvmgrError as error:
            message = f"not compared with the others: {error.message}"
            found.append(SecretFinding("unreadable", "warning", stack.target, "", message, "", error.help))
    for stack in chosen:
        reading = readings[stack.target]
        found += _absent(stack, reading)
        found += _weak(session, stack, reading)
        found += _problems(session, stack, reading)
        found += _shared(stack, every, readings)
    git = in_git(session.project.folder, _files(chosen, readings))
    found += (_of(one, "git", "error", "") for one in git)
    return tuple(dict.fromkeys(found))


def has_errors(findings: Iterable[SecretFinding]) -> bool:
    """Tell whether one of them is more than a warning."""
    return any(one.severity == "error" for one in findings)


def _absent(stack: Stack, reading: Reading) -> Iterator[SecretFinding]:
    secret = {need.name for need in stack.needed if need.is_secret}
    for need in reading.to_generate:
        message = f"{need.name} is not made yet"
        yield SecretFinding(
            "missing", "error", stack.target, need.name, message, "", f"envmgr secrets init {stack.target}"
        )
    for problem in reading.missing:
        name = problem.message.split(" ", 1)[0]
        next_ = f"envmgr secrets set {stack.target} {name}" if name in secret else problem.hint
        yield SecretFinding("missing", "error", stack.target, name, problem.message, _place(problem), next_)


def _weak(session: Session, stack: Stack, reading: Reading) -> Iterator[SecretFinding]:
    words = own_words(session, stack)
    for name, value in sorted(reading.secrets(stack).items()):
        why = weakness(name, value, words)
        if why:
            next_ = f"envmgr secrets set {stack.target} {name}"
            place = reading.places.get(name, "")
            yield SecretFinding("weak", _severity(stack), stack.target, name, f"{name} is {why}", place, next_)


def _problems(session: Session, stack: Stack, reading: Reading) -> Iterator[SecretFinding]:
    for problem in reading.wrong:
        yield _of(problem, "twice" if "is given by" in problem.message else "unreadable", "error", stack.target)
    for problem in reading.loose:
        yield _of(problem, "loose", _severity(stack), stack.target)
    # The shared `.env` serves all targets: a key there is in use as soon as one of them needs it.
    everywhere = {need.name for one in session.project.system.stacks for need in one.needed}
    for problem in reading.unused:
        if Path(problem.file).name != ".env" or problem.path not in everywhere:
            place = Path(problem.file).name + (f":{problem.line}" if problem.line else "")
            message = f"nothing uses {problem.path}"
            yield SecretFinding("unused", "error", stack.target, problem.path, message, place, problem.hint)


def _shared(stack: Stack, every: tuple[Stack, ...], readings: Mapping[str, Reading]) -> Iterator[SecretFinding]:
    mine = readings[stack.target]
    for other in every:
        if other.target == stack.target or other.target not in readings:
            continue
        theirs = readings[other.target].secrets(other)
        for name, value in sorted(mine.secrets(stack).items()):
            for same in sorted(one for one, text in theirs.items() if text == value):
                first, second = sorted(((stack.target, name), (other.target, same)))
                message = f"{first[1]} of {first[0]} and {second[1]} of {second[0]} are the same value"
                next_ = f"envmgr secrets set {second[0]} {second[1]}"
                yield SecretFinding("shared", "error", second[0], second[1], message, "", next_)


def _files(stacks: tuple[Stack, ...], readings: Mapping[str, Reading]) -> list[Path]:
    files = [path for stack in stacks for path in readings[stack.target].files]
    return sorted({path for path in files if path.is_file()})


def _severity(stack: Stack) -> Severity:
    return "error" if stack.refuses_weak else "warning"


def _of(problem: Problem, kind: str, severity: Severity, target: str) -> SecretFinding:
    return SecretFinding(kind, severity, target, problem.path, problem.message, _place(problem), problem.hint)


def _place(problem: Problem) -> str:
    name = Path(problem.file).name if problem.file.startswith("/") else problem.file
    return f"{name}:{problem.line}" if problem.line else name
