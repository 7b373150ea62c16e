"""Read a program's last words: what of them means something, and where its last error begins."""

from __future__ import annotations

import re

_FRAME = re.compile(
    r"\s+(?:File \"|at |\.\.\. |\[Previous line repeated|[\^~]+\s*$)"
    r"|.*Traceback \(most recent call last\)"
    r"|During handling of the above exception"
    r"|The above exception was the direct cause"
    r"|\s*[|+]?\s*[\^~-]+\s*$"
    r"|goroutine \d+ \["
    r"|\t.*\.go:\d+"
    r"|\s+(?:code|errno|syscall|address|port|path|hostname|requireStack|spawnargs): "
    r"|\(Background on this error at:"
)
_CODE = re.compile(r"\s{2,}\S")
_FILE = re.compile(r"\s+File \"")
_ERROR = re.compile(
    r"(?:[\w.]+\.)?[A-Z]\w*(?:Error|Exception|Exit|Refused|Interrupt|Warning|Invalid|NotFound)\b(?::|$)"
)
_BEGIN = "Traceback (most recent call last)"
_WORDS = 8
"""Lines that an exception's message and a supervisor's farewell take at most."""
_LOGGED = re.compile(r"\b(?:ERROR|CRITICAL|FATAL)\b")
_TELLING = re.compile(
    r"error|fail|fatal|cannot|can't|could not|unable|denied|refused|invalid|missing|not |panic|abort|exception|no such",
    re.IGNORECASE,
)


def clean(text: str) -> tuple[str, ...]:
    """Return the lines of an output without colours, and without blank ones."""
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    return tuple(line.rstrip() for line in plain.splitlines() if line.strip())


def meaningful(lines: tuple[str, ...]) -> tuple[str, ...]:
    """Return lines without those of a stack: frames, the code in them, and what joins tracebacks."""
    kept = []
    in_frame = False
    for line in lines:
        if _FRAME.match(line):
            in_frame = bool(_FILE.match(line)) or in_frame
            continue
        if in_frame and _CODE.match(line):
            continue
        in_frame = False
        kept.append(line)
    return tuple(kept)


def last_error(lines: tuple[str, ...]) -> str:
    """Return the line that says most about the end: an exception's own, else the last that sounds like an error."""
    told = meaningful(lines)
    for wanted in (_ERROR.match, _TELLING.search):
        for line in reversed(told):
            if wanted(line):
                return line.strip()
    return told[-1].strip() if told else ""


def is_telling(line: str) -> bool:
    """Tell whether a line sounds like an error."""
    return bool(_ERROR.match(line) or _TELLING.search(line))


def final_part(lines: tuple[str, ...]) -> tuple[str, ...]:
    """Return the traceback, with those it stems from, that a program ended with; all lines when it ended otherwise.

    What it complained of before, and got over, is no reason for its end.
    """
    begins = [number for number, line in enumerate(lines) if _BEGIN in line]
    if not begins or not _ends_with_exception(lines, begins[-1]):
        return lines
    first = begins[-1]
    for begin in reversed(begins[:-1]):
        joined = any("above exception" in line for line in lines[begin:first])
        if not joined:
            break
        first = begin
    # A logger says what failed before the traceback that it appends.
    says_why = first > 0 and _LOGGED.search(lines[first - 1]) is not None
    return lines[first - says_why :]


def _ends_with_exception(lines: tuple[str, ...], begin: int) -> bool:
    """Tell whether nothing but the exception, and a few words about it, comes after a traceback's frames."""
    return len(meaningful(lines[begin:])) <= _WORDS
