"""Lines that change in place also while the window gets narrower; it says nothing about what they show."""

from __future__ import annotations

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderResult
from rich.control import Control
from rich.live import Live
from rich.segment import ControlType, Segment

from envmgr.report.screen import reflows


class SteadyLive(Live):
    """rich's Live, which would leave a copy of its lines above them when the window gets narrower.

    A terminal breaks the lines that no longer fit, so that they take more rows than Live goes back by.
    """

    drawn: tuple[int, ...] = ()
    """Columns of each line that is there now."""

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        """Draw over all rows of the last drawing."""
        shown = super().process_renderables(renderables)
        if not self.console.is_interactive:
            return shown
        *before, drawing = shown
        # The cursor rests at the beginning of the last line: where it ends, it could be in either of two rows.
        rest = Control(ControlType.CARRIAGE_RETURN)
        return [self._to_the_end(self.console.width), *before, _Measured(drawing, self), rest]

    def _to_the_end(self, columns: int) -> Control:
        """Return the way to the last row of the drawing, and up from there over the rows that Live knows nothing of."""
        rows = [max(1, -(-cells // columns)) for cells in self.drawn] if reflows() else []
        up = ((ControlType.ERASE_IN_LINE, 2), (ControlType.CURSOR_UP, 1)) * (sum(rows) - len(rows))
        down = rows[-1] - 1 if rows else 0
        return Control(*([(ControlType.CURSOR_DOWN, down)] if down else []), *up)


class _Measured:
    """A drawing that tells how wide its lines are."""

    def __init__(self, drawing: ConsoleRenderable, live: SteadyLive) -> None:
        self._drawing = drawing
        self._live = live

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        segments = list(console.render(self._drawing, options))
        self._live.drawn = tuple(Segment.get_line_length(line) for line in Segment.split_lines(segments))
        yield from segments
