"""Somebody who types on a pseudo-terminal and reads what appears."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_ESCAPES = re.compile(r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[\[(>=][0-9;?<>=]*[A-Za-z0-9]?|[\x00\x07\x0e\x0f\r]")


@dataclass
class Typist:
    """Types and reads; all that appeared so far is in `seen`."""

    child: subprocess.Popen[bytes]
    fd: int
    seen: str = ""
    raw: str = field(default="", repr=False)
    """Everything that has appeared, escapes and all."""

    def __post_init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self.fd, text.encode())

    def until(self, pattern: str, seconds: float = 30) -> re.Match[str]:
        """Read until a pattern has appeared after what was found before."""
        deadline = time.monotonic() + seconds
        while True:
            found = re.search(pattern, self.seen)
            if found:
                self.seen = self.seen[found.end() :]
                return found
            left = deadline - time.monotonic()
            assert left > 0, f"{pattern!r} did not appear in {self.seen!r}"
            assert self._read(left), f"it ended before {pattern!r} appeared in {self.seen!r}"

    def end(self, seconds: float = 30) -> int:
        """Read to the end; return how the child ended."""
        while self._read(seconds):
            pass
        return self.child.wait(seconds)

    def resize(self, columns: int, lines: int = 24) -> None:
        """Make the window another size."""
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def _read(self, seconds: float) -> bool:
        if not select.select([self.fd], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:  # how a terminal says that nobody is at its other end
            return False
        if b"\x1b[0c" in data or b"\x1b[c" in data:
            self.type("\x1b[?62;22c")  # fish asks the terminal what it is, and waits for the answer
        text = self._decode(data)
        self.raw += text
        self.seen += _ESCAPES.sub("", text)
        return bool(data)


@contextmanager
def typing(command: list[str], folder: Path, columns: int = 80, **variables: str) -> Iterator[Typist]:
    """Start a program on a terminal of its own, with these variables alone."""
    ours, theirs = pty.openpty()
    environment: Mapping[str, str] = {"TERM": "xterm", "HOME": str(folder), "LC_ALL": "C.UTF-8", **variables}
    child = subprocess.Popen(
        command, cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )  # fmt: skip
    one = Typist(child, ours)
    one.resize(columns)
    os.close(theirs)
    try:
        yield one
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        os.close(ours)
