"""What a supervised program prints: shown as it comes, on a terminal of its own where we have one, and kept."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

_LONGEST_LOG = 10 * 1024**2
"""Bytes; what is older is kept once, as NAME.log.1."""


class Output:
    """What a program prints: shown as it comes, and kept line by line with the time in front."""

    def __init__(self, log: Path, stdout: IO[str]) -> None:
        self._stdout = stdout
        self._is_terminal = stdout.isatty()
        if log.exists() and log.stat().st_size > _LONGEST_LOG:
            log.replace(log.with_suffix(".log.1"))
        self._log = log.open("ab", buffering=0)
        self._ends = (-1, -1)
        self._thread: threading.Thread | None = None

    def open(self) -> int:
        """Return where the next program is to write; a terminal when ours is one, for colours and prompts."""
        self._ends = os.openpty() if self._is_terminal else os.pipe()
        if self._is_terminal:
            _copy_size(self._stdout.fileno(), self._ends[1])
        return self._ends[1]

    def pump(self) -> None:
        """Carry what the program writes, once it has its end."""
        read, write = self._ends
        os.close(write)
        if self._thread:
            self._thread.join(1)
        self._thread = threading.Thread(target=self._carry, args=(read,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Write what is left."""
        if self._thread:
            self._thread.join(1)
        self._log.close()

    def _carry(self, descriptor: int) -> None:
        pending = b""
        with suppress(OSError):  # how Linux ends a terminal whose other side is closed
            while chunk := os.read(descriptor, 64 * 1024):
                self._show(chunk)
                *lines, pending = (pending + chunk).split(b"\n")
                self._keep(lines)
        self._keep([pending] if pending else [])
        os.close(descriptor)

    def _show(self, chunk: bytes) -> None:
        with suppress(OSError):
            self._stdout.buffer.write(chunk)  # type: ignore[attr-defined]
            self._stdout.flush()

    def _keep(self, lines: list[bytes]) -> None:
        for line in lines:
            with suppress(OSError, ValueError):
                self._log.write(f"{datetime.now(UTC).isoformat()} ".encode() + line.rstrip(b"\r") + b"\n")


def _copy_size(source: int, target: int) -> None:
    if sys.platform != "win32":
        import fcntl
        import termios

        with suppress(OSError):
            fcntl.ioctl(target, termios.TIOCSWINSZ, fcntl.ioctl(source, termios.TIOCGWINSZ, b"\0" * 8))
