"""What an output stream can show: colours, how many columns, whether lines may change in place."""

from __future__ import annotations

import os
import re
import textwrap
import unicodedata
from typing import IO

NARROWEST = 20
"""Columns; what says that it has fewer is taken to have these."""
_USUAL = 80
"""Columns of a terminal that does not say."""
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x1f\x7f-\x9f]")


def has_colour(stream: IO[str]) -> bool:
    """Tell whether to paint: NO_COLOR wins, then FORCE_COLOR and CLICOLOR_FORCE, then what the stream is."""
    if os.environ.get("NO_COLOR"):
        return False
    if any(os.environ.get(name, "0") not in ("", "0") for name in ("FORCE_COLOR", "CLICOLOR_FORCE")):
        return True
    return stream.isatty() and not is_dumb()


def is_dumb() -> bool:
    """Tell whether the terminal knows no colours and no moving of the cursor."""
    return os.environ.get("TERM", "") in ("dumb", "unknown")


def is_live(stream: IO[str]) -> bool:
    """Tell whether lines may change in place."""
    return stream.isatty() and not is_dumb()


def reflows() -> bool:
    """Tell whether the terminal breaks lines anew when its window gets narrower, as nearly all do, or cuts them."""
    known = os.environ
    return "TMUX" in known or not (known.get("TERM") == "linux" or "XTERM_VERSION" in known or "STY" in known)


def width(stream: IO[str]) -> int | None:
    """Return how many columns a terminal has; None in a pipe, where nothing is cut or wrapped."""
    if not stream.isatty():
        return None
    told = os.environ.get("COLUMNS", "")
    return max(int(told) if told.isdecimal() and int(told) else _asked(stream), NARROWEST)


def _asked(stream: IO[str]) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns or _USUAL
    except OSError:
        return _USUAL


def paint(text: str, style: str, stream: IO[str]) -> str:
    """Return a text with an SGR style, such as `31;1`, where the stream shows it."""
    return f"\x1b[{style}m{text}\x1b[0m" if style and text and has_colour(stream) else text


def sign(text: str, plain: str, stream: IO[str]) -> str:
    """Return a sign, or what stands for it where the stream's encoding has no such character."""
    try:
        text.encode(getattr(stream, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return plain
    return text


def printable(text: str) -> str:
    """Return a text from elsewhere without what would move the cursor or change colours."""
    return _CONTROL.sub(" ", text) if _CONTROL.search(text) else text


def cells(text: str) -> int:
    """Return how many columns a text takes."""
    if text.isascii():
        return len(text)
    return sum(_cell(character) for character in text)


def _cell(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def cut(text: str, columns: int) -> str:
    """Return a text that takes no more columns; what was left out shows as `…`."""
    if cells(text) <= columns:
        return text
    while text and cells(text) > columns - 1:
        text = text[:-1]
    return f"{text}…" if columns > 0 else ""


def padded(text: str, columns: int) -> str:
    """Return a text filled up with blanks to a number of columns."""
    return text + " " * (columns - cells(text))


def wrapped(text: str, columns: int | None, indent: str = "") -> list[str]:
    """Return lines broken between words, the later ones indented; a word is never broken, so that it can be copied."""
    if columns is None or cells(text) <= columns:
        return [text]
    lead = text[: len(text) - len(text.lstrip())]
    return textwrap.wrap(
        text.strip(),
        max(columns, NARROWEST),
        initial_indent=lead,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
