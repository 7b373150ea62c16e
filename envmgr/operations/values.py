"""The values that stacks need from the `.env` files: gathered before anything changes, generated when missing."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from envmgr import layout, naming
from envmgr.errors import Problem, SpecError
from envmgr.model.needed import Needed
from envmgr.model.stack import Stack
from envmgr.operations.keeping import keep
from envmgr.operations.reading import Reading, read, store_of
from envmgr.operations.session import Session
from envmgr.operations.weak import refuse_weak
from envmgr.secrets.generate import generate
from envmgr.secrets.vault import Vault


@dataclass(frozen=True, slots=True)
class Values:
    """What the files hold for one target."""

    known: Mapping[str, str]
    to_generate: tuple[Needed, ...]

    def plain(self, stack: Stack) -> dict[str, str]:
        """Return the values that are no secrets."""
        names = {need.name for need in stack.needed if not need.is_secret}
        return {name: value for name, value in self.known.items() if name in names}


def gather(session: Session, stacks: tuple[Stack, ...], *, allows_weak: bool = False) -> dict[str, Values]:
    """Read the values of every stack; the session's vault knows them afterwards.

    `allows_weak`: what is about to be exchanged may be weak.

    Raises: `SpecError` that lists everything that is missing, wrong or weak, in all of them; `SourceError`.
    """
    readings = read_all(session, stacks)
    refuse_absent(stacks, readings)
    if not allows_weak:
        refuse_weak(session, stacks, readings)
    refuse_unkeepable(session, stacks, readings)
    found: dict[str, Values] = {}
    for stack in stacks:
        reading = readings[stack.target]
        for text in (*reading.warnings, *(str(problem) for problem in _unused(session, reading.unused))):
            session.caution(stack.target, text)
        found[stack.target] = Values(reading.known, reading.to_generate)
        session.vault = session.vault.with_target(stack.target, reading.known)
    return found


def read_all(session: Session, stacks: tuple[Stack, ...]) -> dict[str, Reading]:
    """Read several targets side by side; a store may be far away.

    Raises: `SpecError`, `SourceError`.
    """
    with ThreadPoolExecutor(max_workers=max(1, len(stacks))) as pool:
        return dict(zip((s.target for s in stacks), pool.map(lambda one: read(session, one), stacks), strict=True))


def refuse_absent(stacks: tuple[Stack, ...], readings: Mapping[str, Reading]) -> None:
    """Refuse what nobody has set, what cannot be read, and what two sources say.

    Raises: `SpecError` with all of it.
    """
    missing = [problem for one in readings.values() for problem in one.missing]
    wrong = [problem for one in readings.values() for problem in one.wrong]
    if missing or wrong:
        raise SpecError(
            "values are missing" if missing else "values cannot be told",
            tuple(dict.fromkeys((*missing, *wrong))),
            state="Nothing was written or started.",
            help=_help(stacks) if missing else "Put the files where the spec says, or correct the spec.",
        )


def refuse_unkeepable(session: Session, stacks: tuple[Stack, ...], readings: Mapping[str, Reading]) -> None:
    """Refuse to make values that could not be kept, before anything is changed.

    Raises: `SourceError` of a store that only gives, or lacks what it writes with.
    """
    for stack in stacks:
        names = [need.name for need in readings[stack.target].to_generate]
        store = store_of(session, stack) if names else None
        if store:
            store.prepare(names)


def store_generated(session: Session, stack: Stack, values: Values) -> Values:
    """Make the values that nobody has set, keep them where the target's secrets are, and say so.

    Raises: `SourceError` when they cannot be kept there; nothing is made then.
    """
    if not values.to_generate:
        return values
    made = generate(values.to_generate)
    where = keep(session, stack, made)
    session.note(stack.target, f"generated {', '.join(sorted(made))}: kept in {where} (keep a copy of that file)")
    known = {**values.known, **made}
    session.vault = session.vault.with_target(stack.target, known)
    return Values(known, ())


def with_values(vault: Vault, target: str, values: Mapping[str, str]) -> Vault:
    """Return a vault in which some values of a target are others."""
    known = {name: value.reveal() for name, value in vault.values.get(target, {}).items()}
    return vault.with_target(target, {**known, **values})


def lost(session: Session, stack: Stack, values: Values, holds: str, recover: str) -> SpecError:
    """Return the error for secrets that are missing although data exists that they open."""
    names = ", ".join(need.name for need in values.to_generate)
    path = layout.operator_file(session.project.folder, stack.target)
    return SpecError(
        f"{path.name} lacks {names}, and {stack.target} already has data: {holds}",
        state="Nothing was generated: new values would not fit it. Nothing of it was started or changed.",
        help=f"Put {path.name} back from your copy. {recover}",
    )


def is_password_of(need: Needed, server: str) -> bool:
    """Tell whether a value opens a server, for whoever administers it or for an environment."""
    return need.place == f"{naming.INFRA}.{server}" or need.place.endswith(f".{naming.INFRA}.{server}")


def _unused(session: Session, problems: tuple[Problem, ...]) -> tuple[Problem, ...]:
    # The shared `.env` serves all targets: a key there is in use as soon as one of them needs it.
    everywhere = {need.name for one in session.project.system.stacks for need in one.needed}
    return tuple(p for p in problems if Path(p.file).name != ".env" or p.path not in everywhere)


def _help(stacks: tuple[Stack, ...]) -> str:
    files = " or ".join(f".env.{stack.target}" for stack in stacks if stack.target != naming.INFRA)
    return f"Set them in {files or '.env'}, one NAME=value a line."


def plain_of(session: Session, stack: Stack) -> dict[str, str]:
    """Return a stack's values that are no secrets, as the files hold them now: for commands that only look."""
    return Values(read(session, stack).known, ()).plain(stack)


def vault_of(session: Session, stacks: tuple[Stack, ...]) -> Vault:
    """Return what is known of the stacks' secrets, asking nothing to be complete: for commands that only look.

    Raises: `SourceError`.
    """
    for target, reading in read_all(session, stacks).items():
        session.vault = session.vault.with_target(target, reading.known)
    return session.vault
