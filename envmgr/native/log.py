"""Read what services on the desk have printed, and go on reading while they print more."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

OnText = Callable[[str, str], None]
"""Gets a line's time, RFC 3339, and its text."""
_LOOKS = 0.2
"""Seconds between two looks for more."""
_BLOCK = 64 * 1024


def last_lines(path: Path, count: int | None) -> tuple[list[tuple[str, str]], int]:
    """Return the last lines of a log, all without a count, and the offset behind them; none where there is no log."""
    try:
        with path.open("rb") as file:
            text = file.read()
    except OSError:
        return [], 0
    whole = text[: text.rfind(b"\n") + 1]
    lines = whole.decode(errors="replace").splitlines()
    return [_parted(line) for line in (lines if count is None else lines[max(0, len(lines) - count) :])], len(whole)


class Follow:
    """Hands on the lines that a log gets, from an offset on, until it is closed."""

    def __init__(self, path: Path, offset: int, on_text: OnText) -> None:
        self._path, self._offset, self._on_text = path, offset, on_text
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"follow {path.name}", daemon=True)

    def open(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End, after what is there now."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        is_last = False
        while not is_last:
            is_last = self._stop.wait(_LOOKS)
            for time, text in self._more():
                self._on_text(time, text)

    def _more(self) -> Iterator[tuple[str, str]]:
        try:
            if self._path.stat().st_size < self._offset:
                self._offset = 0  # it was begun anew
            with self._path.open("rb") as file:
                file.seek(self._offset)
                block = file.read(_BLOCK)
        except OSError:
            return
        whole = block[: block.rfind(b"\n") + 1]
        self._offset += len(whole)
        yield from (_parted(line) for line in whole.decode(errors="replace").splitlines())


def _parted(line: str) -> tuple[str, str]:
    time, _, text = line.partition(" ")
    return time, text
