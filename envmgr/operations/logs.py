"""What services print: on the terminal as Compose shows it, or line by line with its time."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event

from envmgr.errors import UsageError
from envmgr.model.result import LogLine
from envmgr.model.stack import Stack
from envmgr.native.log import Follow, last_lines
from envmgr.native.running import log_file
from envmgr.operations.session import Session

OnLine = Callable[[LogLine], None]
_LINE = re.compile(r"(?P<service>\S+)-\d+ +\| (?P<time>\d{4}-\S+Z) ?(?P<text>.*)", re.DOTALL)
"""How Compose prints a line with --timestamps."""


@dataclass(frozen=True, slots=True)
class LogOptions:
    """Which lines, and how."""

    tail: str = "100"
    """Lines of each container, or `all`."""
    follows: bool = False
    has_colour: bool = True


def logs(session: Session, names: tuple[str, ...], options: LogOptions, on_line: OnLine | None = None) -> int:
    """Show the logs of targets or of some services of one; each line goes to `on_line`, else to the terminal.

    Returns the exit code of Compose, of several targets the worst.
    Raises: `UsageError` for names that are not known, and for following several targets.
    """
    declared = session.project.in_containers()
    stacks, services = declared.choose(names, takes_colours=True)
    if options.follows and len(stacks) > 1:
        raise UsageError("--follow takes one target at a time", help=f"envmgr logs {stacks[0].target} --follow")
    return max(
        _of_stack(session, session.project.system.stack(stack.target), services, options, on_line) for stack in stacks
    )


def _of_stack(
    session: Session,
    stack: Stack,
    services: tuple[str, ...],
    options: LogOptions,
    on_line: OnLine | None,
) -> int:
    """Show the containers' lines and, beside them, those of services on the desk."""
    away = tuple(one.name for one in stack.native if not services or one.name in services)
    inside = tuple(
        one.name for one in stack.services if one.name not in away and (not services or one.name in services)
    )
    with _desk(session.project.folder, stack, away, options, on_line or _show) as wait:
        if inside:
            return _of_containers(session, stack, inside if away or services else (), options, on_line)
        wait()
        return 0


def _of_containers(
    session: Session, stack: Stack, services: tuple[str, ...], options: LogOptions, on_line: OnLine | None
) -> int:
    flags = ("--tail", options.tail, *(("--follow",) if options.follows else ()))
    if on_line is None:
        colours = ("--ansi", "always" if options.has_colour else "never")
        return session.engine.passthrough(("compose", "-p", stack.compose_project, *colours, "logs", *flags, *services))
    return session.engine.follow(
        ("compose", "-p", stack.compose_project, "logs", "--timestamps", "--no-color", *flags, *services),
        lambda line: on_line(_line(stack.target, line)),
    )


@contextmanager
def _desk(
    folder: Path, stack: Stack, names: tuple[str, ...], options: LogOptions, on_line: OnLine
) -> Iterator[Callable[[], None]]:
    """Show the lines of services on the desk, and their new ones meanwhile; yields what waits for Ctrl-C."""
    follows = []
    for name in names:
        path = log_file(folder, stack.target, name)
        handed = partial(_hand_on, on_line, stack.target, name)
        lines, offset = last_lines(path, None if options.tail == "all" else int(options.tail))
        for time, text in lines:
            handed(time, text)
        follows += [Follow(path, offset, handed)] if options.follows else []
    for one in follows:
        one.open()
    try:
        yield partial(_wait, is_forever=bool(follows))
    finally:
        for one in follows:
            one.close()


def _wait(*, is_forever: bool) -> None:
    if is_forever:
        Event().wait()


def _hand_on(on_line: OnLine, target: str, name: str, time: str, text: str) -> None:
    on_line(LogLine(target, name, time, text))


def _show(line: LogLine) -> None:
    sys.stdout.write(f"{line.service} (native)  | {line.text}\n")
    sys.stdout.flush()


def _line(target: str, line: str) -> LogLine:
    match = _LINE.fullmatch(line)
    if match is None:
        return LogLine(target, "", None, line)
    return LogLine(target, match["service"], match["time"], match["text"])
