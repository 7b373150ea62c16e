"""The live board on a pseudo-terminal whose window gets narrower: one board is there, whatever the terminal breaks."""

from __future__ import annotations

import os
import re
import signal
import sys
from pathlib import Path

import pytest

from envmgr.report.screen import reflows
from tests.typist import Typist, typing

pytestmark = pytest.mark.spawns

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """\
import signal
from envmgr.model.health import ServiceHealth, Verdict
from envmgr.model.progress import Note, Output, Progress, Step
from envmgr.report.progress import listening
over = {signal.SIGUSR1}
signal.pthread_sigmask(signal.SIG_BLOCK, over)
with listening(as_json=False) as listen:
    listen(Note("dev", "a note"))
    listen(Step("dev", "starting " + "everything " * 12))
    for name in ("app", "worker", "flower"):
        listen(Progress(ServiceHealth("dev", name, Verdict.STARTING, "waiting " * 12)))
    listen(Output("dev", "what a program says " * 12))
    signal.sigwait(over)
"""
TOKEN = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|(\r)|(\n)|([^\x1b\r\n])")


class Window:
    """What a terminal shows that breaks lines anew when it gets narrower; as tall as need be."""

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.lines = [""]
        """Each as it was written; it takes as many rows as it needs."""
        self.at = 0
        """The line of the cursor, which stands at its beginning whenever the window changes."""
        self.below = 0
        """Rows of that line above the cursor."""
        self.x = 0

    def rows(self, line: str) -> int:
        return max(1, -(-len(line) // self.columns))

    def write(self, text: str) -> None:
        for parameter, final, back, feed, character in TOKEN.findall(text):
            if character:
                line = self.lines[self.at]
                offset = self.below * self.columns + self.x
                self.lines[self.at] = line[:offset].ljust(offset) + character + line[offset + 1 :]
                self.x += 1
            elif back:
                self.x = 0
            elif feed:
                self.down()
                self.x = 0
            elif final in "AB":
                for _ in range(int(parameter or 1)):
                    self.up() if final == "A" else self.down()
            elif final == "K":
                self.erase()

    def up(self) -> None:
        if self.below:
            self.below -= 1
        elif self.at:
            self.at -= 1
            self.below = self.rows(self.lines[self.at]) - 1

    def down(self) -> None:
        if self.below < self.rows(self.lines[self.at]) - 1:
            self.below += 1
            return
        self.at, self.below = self.at + 1, 0
        if self.at == len(self.lines):
            self.lines.append("")

    def erase(self) -> None:
        """Empty one row; the rows of a broken line become lines of their own, as what is written next makes them."""
        line, size = self.lines[self.at], self.columns
        parts = [line[index * size : (index + 1) * size] for index in range(self.rows(line))]
        parts[self.below] = ""
        self.lines[self.at : self.at + 1] = parts
        self.at, self.below = self.at + self.below, 0

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.lines).strip()


def draw(one: Typist, window: Window) -> None:
    """Read until a whole drawing has come after what was there, and stop the program until the window has changed."""
    one.seen = ""
    begun = len(one.raw)
    one.until(r"what a program says[^\n]*…$")
    os.killpg(one.child.pid, signal.SIGSTOP)
    window.write(one.raw[begun:])


def narrowed(columns: tuple[int, ...], **more: str) -> list[str]:
    """Return what a window shows at its first size, at each further one, and at the end."""
    window, shown = Window(100), []
    variables = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], **more}
    with typing([sys.executable, "-c", PROGRAM], ROOT, columns=100, **variables) as one:
        draw(one, window)
        shown.append(window.text)
        for width in columns:
            one.resize(width)
            window.columns = width
            os.killpg(one.child.pid, signal.SIGCONT)
            draw(one, window)
            shown.append(window.text)
        begun = len(one.raw)
        os.killpg(one.child.pid, signal.SIGUSR1)
        os.killpg(one.child.pid, signal.SIGCONT)
        assert one.end() == 0
        window.write(one.raw[begun:])
    return [*shown, window.text]


def test_a_window_that_gets_narrower_shows_one_board():
    *drawings, end = narrowed((60, 30, 45, 90))
    for shown, width in zip(drawings, (100, 60, 30, 45, 90), strict=True):
        note, *services, doing, said = shown.splitlines()
        assert note == "note  dev: a note"
        assert [line.split()[2] for line in services] == ["app", "worker", "flower"], shown
        assert "dev: starting" in doing
        assert {len(line) for line in (*services, doing, said)} == {width}
    assert [line.split()[2] for line in end.splitlines()[1:4]] == ["app", "worker", "flower"]
    assert "what a program says" not in end


def test_where_the_terminal_cuts_lines_nothing_above_the_board_is_drawn_over():
    shown = narrowed((60,), TERM="linux")[1]
    assert shown.count("app") == 2, "this window breaks lines, which is not what a Linux console does"


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"TERM": "xterm-256color"}, True),
        ({"TERM": "linux"}, False),
        ({"TERM": "xterm", "XTERM_VERSION": "XTerm(379)"}, False),
        ({"TERM": "screen", "STY": "1.pts"}, False),
        ({"TERM": "screen", "TMUX": "/tmp/a,1,0", "XTERM_VERSION": "XTerm(379)"}, True),
    ],
)
def test_which_terminals_break_lines_anew(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: bool):
    for name in ("TERM", "TMUX", "STY", "XTERM_VERSION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert reflows() is expected
