"""Progress on stderr: a live table on a terminal, plain lines in a pipe, one JSON object a line for machines."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, assert_never

from envmgr.model.health import ServiceHealth, Verdict
from envmgr.model.progress import Caution, Listener, Message, Note, Output, Progress, Step
from envmgr.report.machine import write_json
from envmgr.report.screen import is_live, paint, printable, sign, wrapped

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions
    from rich.text import Text

STYLES: Mapping[str, str] = {
    Verdict.HEALTHY: "32",
    Verdict.COMPLETED: "32",
    Verdict.STARTING: "33",
    Verdict.UNHEALTHY: "31",
    Verdict.CRASHING: "31",
    Verdict.FAILED: "31",
    Verdict.STOPPED: "31",
    Verdict.MISSING: "31",
}
"""SGR style of each verdict."""
_BELOW = 3
"""Lines below the services: what is being done, what its program says, and the cursor."""
_RICH = {"31": "red", "32": "green", "33": "yellow"}


def mark(verdict: Verdict, stream: IO[str]) -> str:
    """Return a verdict's sign, which tells it without a colour."""
    if verdict.is_good:
        return sign("✓", "+", stream)
    return sign("…", "~", stream) if verdict is Verdict.STARTING else sign("✗", "x", stream)


@contextmanager
def listening(*, as_json: bool) -> Iterator[Listener]:
    """Give a listener that suits where the output goes."""
    if as_json:
        yield lambda message: write_json(**as_event(message))
    elif is_live(sys.stderr):
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


def _plain(message: Message) -> None:
    match message:
        case Step():
            _say(f"{_head(message.target)}{message.text}")
        case Note():
            _say(f"{_head(message.target)}{paint('note:', '36', sys.stderr)} {message.text}")
        case Caution():
            _say(f"{_head(message.target)}{paint('warning:', '33', sys.stderr)} {message.text}")
        case Output():
            pass
        case Progress(health):
            verdict = paint(describe(health), STYLES[health.verdict], sys.stderr)
            _say(f"{_head(health.target)}{health.service}: {verdict}")
        case _:
            assert_never(message)


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


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

    from envmgr.report.live import SteadyLive

    console = Console(stderr=True, highlight=False)
    board = _Board()
    live = SteadyLive(board, console=console, refresh_per_second=8, transient=False)

    def listen(message: Message) -> None:
        board.take(message)
        if isinstance(message, Note | Caution):
            for line in _said(message, console.width):
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


def _said(message: Note | Caution, columns: int) -> Iterator[Text]:
    """Return the lines that stay above the board, broken between words."""
    from rich.text import Text

    head, style = ("note", "cyan") if isinstance(message, Note) else ("warning", "yellow")
    text = f"{head}  {_head(message.target)}{printable(message.text)}"
    for index, line in enumerate(wrapped(text, columns, " " * (len(head) + 2))):
        shown = Text(line)
        if index == 0:
            shown.stylize(style, 0, len(head))
        yield shown


class _Board:
    """The lines that change in place: one per service, and what is being done."""

    def __init__(self) -> None:
        self.is_over = False
        self._services: dict[tuple[str, str], ServiceHealth] = {}
        self._doing = ""
        self._output = ""
        self._since = time.monotonic()

    def take(self, message: Message) -> None:
        """Keep what a message says of the services and of what is being done."""
        match message:
            case Step():
                self._doing, self._output, self._since = f"{_head(message.target)}{message.text}", "", time.monotonic()
            case Output():
                self._output = printable(message.text).strip()
            case Progress(health):
                self._services[health.target, health.service] = health
            case Note() | Caution():
                pass
            case _:
                assert_never(message)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        from rich.text import Text

        yield from self._lines(options.height or options.size.height)
        if self._doing and not self.is_over:
            seconds = f"{time.monotonic() - self._since:5.1f} s  "
            yield Text(seconds + self._doing, style="bold", no_wrap=True, overflow="ellipsis")
            if self._output:
                yield Text(" " * len(seconds) + self._output, style="dim", no_wrap=True, overflow="ellipsis")

    def _lines(self, height: int) -> Iterator[Text]:
        """Give a line to each service; where that is too much, one to those that are good."""
        from rich.text import Text

        shown = list(self._services.values())
        if len(shown) > height - _BELOW and not self.is_over:
            shown = [health for health in shown if not health.verdict.is_good]
            good = len(self._services) - len(shown)
            yield Text(f"{sign('✓', '+', sys.stderr)} {good} of {len(self._services)} are healthy", style="green")
        targets = max((len(health.target) for health in shown), default=0)
        names = max((len(health.service) for health in shown), default=0)
        for health in shown:
            head = f"{mark(health.verdict, sys.stderr)} {health.target:<{targets}}  {health.service:<{names}}  "
            line = Text(head, no_wrap=True, overflow="ellipsis")
            yield line.append(printable(describe(health)), style=_RICH[STYLES[health.verdict]])
