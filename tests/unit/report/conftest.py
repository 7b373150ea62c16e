"""A terminal to print on."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout

import pytest


class Terminal(io.StringIO):
    """A stream that says it is one."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def on_terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], str]:
    """Run something whose stdout and stderr are a wide terminal with colours; return what it wrote."""
    for name, value in {"TERM": "xterm-256color", "COLUMNS": "200", "LINES": "40"}.items():
        monkeypatch.setenv(name, value)
    for name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "COLORTERM", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)

    def shown(work: Callable[[], object]) -> str:
        stream = Terminal()
        with redirect_stdout(stream), redirect_stderr(stream):
            work()
        return stream.getvalue()

    return shown
