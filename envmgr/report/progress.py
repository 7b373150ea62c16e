"""Progress on stderr: a live table on a terminal, plain lines in a pipe, one JSON object a line for machines."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, assert_never

from envmgr.model.health import ServiceHealth, Verdict
from envmgr.model.progress import Caution, Listener, Message, Note, Output, Progress, Step

_STYLES = {
    Verdict.HEALTHY: "green",
    Verdict.COMPLETED: "green",
    Verdict.STARTING: "yellow",
    Verdict.UNHEALTHY: "red",
    Verdict.CRASHING: "red",
    Verdict.FAILED: "red",
}


@contextmanager
def listening(*, as_json: bool) -> Iterator[Listener]:
    """Give a listener that suits where the output goes."""
    if as_json:
        yield lambda message: _write_line(sys.stdout, json.dumps(as_event(message)))
    elif sys.stderr.isatty():
        with _live() as listener:
            yield listener
    else:
        yield _plain


@contextmanager
def silent() -> Iterator[Listener]:
    """Give a listener that says nothing, for commands that only look."""
    yield lambda _message: None


def as_event(message: Message) -> dict[str, Any]:
    """Return the JSON shape of a message: `event`, `target`, and `text` or the verdict's fields."""
    match message:
        case Step() | Note() | Caution() | Output():
            return {"event": type(message).__name__.lower(), "target": message.target, "text": message.text}
        case Progress(health):
            return {"event": "service", **health_fields(health)}
        case _:
            assert_never(message)


def health_fields(health: ServiceHealth) -> dict[str, Any]:
    """Return the JSON shape of a verdict; latency and seconds in seconds."""
    return {
        "target": health.target,
        "service": health.service,
        "verdict": health.verdict.value,
        "reason": health.reason,
        "latency": _rounded(health.latency),
        "seconds": _rounded(health.seconds),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _write_line(stream: IO[str], text: str) -> None:
    stream.write(text + "\n")
    stream.flush()


def _plain(message: Message) -> None:
    match message:
        case Step():
            _write_line(sys.stderr, f"{_head(message.target)}{message.text}")
        case Note():
            _write_line(sys.stderr, f"{_head(message.target)}note: {message.text}")
        case Caution():
            _write_line(sys.stderr, f"{_head(message.target)}warning: {message.text}")
        case Output():
            pass
        case Progress(health):
            _write_line(sys.stderr, f"{_head(health.target)}{health.service}: {describe(health)}")
        case _:
            assert_never(message)


def _head(target: str) -> str:
    return f"{target}: " if target else ""


def describe(health: ServiceHealth) -> str:
    """Return a verdict in words: `healthy in 1.2 s`, `starting (its healthcheck has not passed yet)`."""
    text = health.verdict.value
    if health.verdict.is_good and health.seconds is not None:
        return f"{text} in {health.seconds:.1f} s"
    return f"{text} ({health.reason})" if health.reason else text


@contextmanager
def _live() -> Iterator[Listener]:
    from rich.console import Console
    from rich.live import Live

    console = Console(stderr=True, highlight=False)
    board = _Board()
    live = Live(board, console=console, refresh_per_second=8, transient=False)

    def listen(message: Message) -> None:
        line = board.take(message)
        if line:
            console.print(line, soft_wrap=True)
        elif not live.is_started:
            # Not before there is something to do: a question may come first, and it needs the terminal.
            live.start()
        live.update(board)

    try:
        yield listen
        board.is_over = True
    finally:
        live.stop()


class _Board:
    """The lines that change in place: one per service, and what is being done."""

    def __init__(self) -> None:
        self.is_over = False
        self._services: dict[tuple[str, str], ServiceHealth] = {}
        self._doing = ""
        self._output = ""
        self._since = time.monotonic()

    def take(self, message: Message) -> str:
        """Keep what a message says; return the line to print for good, if it is one."""
        from rich.markup import escape

        match message:
            case Step():
                self._doing, self._output, self._since = f"{_head(message.target)}{message.text}", "", time.monotonic()
                return ""
            case Output():
                self._output = message.text.strip()
                return ""
            case Note():
                return f"[cyan]note[/]  {escape(_head(message.target) + message.text)}"
            case Caution():
                return f"[yellow]warning[/]  {escape(_head(message.target) + message.text)}"
            case Progress(health):
                self._services[health.target, health.service] = health
                return ""
            case _:
                assert_never(message)

    def __rich_console__(self, console: Any, options: Any) -> Iterator[Any]:
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2))
        for health in self._services.values():
            style = _STYLES.get(health.verdict, "")
            mark = "✓" if health.verdict.is_good else "…" if health.verdict is Verdict.STARTING else "✗"
            table.add_row(Text(mark, style=style), health.target, health.service, Text(describe(health), style=style))
        if self._services:
            yield table
        if self._doing and not self.is_over:
            yield Text(f"{time.monotonic() - self._since:5.1f} s  {self._doing}", style="bold", overflow="ellipsis")
            if self._output:
                yield Text(f"         {self._output}", style="dim", no_wrap=True, overflow="ellipsis")
