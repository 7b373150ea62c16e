"""Values that could be guessed, and files that others can read: refused where it matters, told elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from envmgr.errors import Problem, SpecError
from envmgr.model.stack import Stack
from envmgr.operations.reading import Reading
from envmgr.operations.session import Session
from envmgr.secrets.strength import weakness


def refuse_weak(session: Session, stacks: tuple[Stack, ...], readings: Mapping[str, Reading]) -> None:
    """Refuse to start what is strict with weak values or open files; say of anything else that it has them.

    Raises: `SpecError` with all of it.
    """
    refused: list[Problem] = []
    targets: list[str] = []
    for stack in stacks:
        reading = readings[stack.target]
        found = (*weak(session, stack, reading), *reading.loose)
        if found and is_strict(session, stack, stacks):
            refused += found
            targets.append(stack.target)
            continue
        for problem in found:
            session.caution(stack.target, _sentence(problem))
    if refused:
        raise SpecError(
            f"secrets of {', '.join(targets)} are not kept as they should be",
            tuple(refused),
            state="Nothing was written or started.",
            help=f"envmgr secrets set {targets[-1]} NAME sets another value; where nobody depends on an environment, "
            f'write weak = "warn" under [secrets.{targets[-1]}]',
        )


def weak(session: Session, stack: Stack, reading: Reading) -> list[Problem]:
    """Return the secrets of a target that could be guessed."""
    words = own_words(session, stack)
    found = []
    for name, value in sorted(reading.secrets(stack).items()):
        why = weakness(name, value, words)
        if why:
            found.append(Problem(f"{name} of {stack.target} is {why}", file=reading.places.get(name, "")))
    return found


def own_words(session: Session, stack: Stack) -> tuple[str, ...]:
    """Return the names that everybody knows who knows the project."""
    services = (one.name for each in (session.project.system.base, stack) for one in each.services)
    targets = (each.target for each in session.project.system.stacks)
    return (session.project.system.project, *targets, *services)


def is_strict(session: Session, stack: Stack, started: tuple[Stack, ...]) -> bool:
    """Tell whether a stack refuses; the base does where a strict environment starts with it or is there already."""
    if not stack.is_base or not stack.refuses_weak:
        return stack.refuses_weak
    strict = [one for one in session.project.system.environments if one.refuses_weak]
    if session.project.spec.resolved.base_says_weak or any(one in started for one in strict):
        return True
    observed = session.observe()
    return any(observed.of(one.compose_project) for one in strict)


def _sentence(problem: Problem) -> str:
    place = f" ({Path(problem.file).as_posix()})" if problem.file else ""
    return f"{problem.message}{place}" + (f": {problem.hint}" if problem.hint else "")
