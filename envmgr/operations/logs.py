"""What services print: on the terminal as Compose shows it, or line by line with its time."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from envmgr.errors import UsageError
from envmgr.model.result import LogLine
from envmgr.model.stack import Stack
from envmgr.operations.session import Session

_LINE = re.compile(r"(?P<service>\S+)-\d+ +\| (?P<time>\d{4}-\S+Z) ?(?P<text>.*)", re.DOTALL)
"""How Compose prints a line with --timestamps."""


@dataclass(frozen=True, slots=True)
class LogOptions:
    """Which lines, and how."""

    tail: str = "100"
    """Lines of each container, or `all`."""
    follows: bool = False
    has_colour: bool = True


def logs(
    session: Session, names: tuple[str, ...], options: LogOptions, on_line: Callable[[LogLine], None] | None = None
) -> int:
    """Show the logs of targets or of some services of one; each line goes to `on_line`, else to the terminal.

    Returns the exit code of Compose, of several targets the worst.
    Raises: `UsageError` for names that are not known, and for following several targets.
    """
    stacks, services = session.project.choose(names)
    if options.follows and len(stacks) > 1:
        raise UsageError("--follow takes one target at a time", help=f"envmgr logs {stacks[0].target} --follow")
    return max(_of_stack(session, stack, services, options, on_line) for stack in stacks)


def _of_stack(
    session: Session,
    stack: Stack,
    services: tuple[str, ...],
    options: LogOptions,
    on_line: Callable[[LogLine], None] | None,
) -> int:
    flags = ("--tail", options.tail, *(("--follow",) if options.follows else ()))
    if on_line is None:
        colours = ("--ansi", "always" if options.has_colour else "never")
        return session.engine.passthrough(("compose", "-p", stack.compose_project, *colours, "logs", *flags, *services))
    return session.engine.follow(
        ("compose", "-p", stack.compose_project, "logs", "--timestamps", "--no-color", *flags, *services),
        lambda line: on_line(_line(stack.target, line)),
    )


def _line(target: str, line: str) -> LogLine:
    match = _LINE.fullmatch(line)
    if match is None:
        return LogLine(target, "", None, line)
    return LogLine(target, match["service"], match["time"], match["text"])
