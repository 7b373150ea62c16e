"""Ctrl-C in the middle of an operation becomes an error that says what is left running."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from envmgr.errors import EnvmgrError, InterruptedByUser
from envmgr.model.stack import Stack
from envmgr.operations.session import Session


@contextmanager
def interruptible(session: Session, stacks: tuple[Stack, ...], command: str) -> Iterator[None]:
    """Turn Ctrl-C into an error with the state; `command` goes on from there, for every step converges.

    Raises: `InterruptedByUser`.
    """
    try:
        yield
    except KeyboardInterrupt as error:
        from envmgr.operations.diagnosis import running_state

        try:
            observed = session.observe()
            state = " ".join(running_state(stack, observed) for stack in stacks)
        except EnvmgrError:
            state = "What runs cannot be seen: the engine does not answer."
        raise InterruptedByUser("interrupted", state=state, help=f"{command} goes on from here") from error
