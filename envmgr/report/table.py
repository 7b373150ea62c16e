"""Aligned columns that fit where they are printed: what matters least goes first, whole in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import IO

from envmgr.model.value import dataclass
from envmgr.report.screen import cells, cut, padded, paint, printable, width, wrapped

GAP = "  "
_SHORTEST = 12
"""Columns of a cut cell, below which its column had better go."""


@dataclass(frozen=True, slots=True)
class Column:
    """How one column gives way on a narrow terminal."""

    title: str = ""
    rank: int = 0
    """0 never goes; of the others the highest goes first."""
    may_be_cut: bool = False
    """Its cells may end in `…` before the column goes."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell, with an SGR style."""

    text: str
    style: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One row, and what is said below it where there is no room beside it."""

    cells: tuple[Cell, ...]
    note: str = ""


def row(*texts: str | Cell, note: str = "") -> Row:
    """Make a row of texts and styled cells."""
    return Row(tuple(one if isinstance(one, Cell) else Cell(one) for one in texts), printable(note))


def print_table(columns: Sequence[Column], rows: Sequence[Row], note: str = "", stream: IO[str] | None = None) -> None:
    """Print rows below their titles, notes as a last column titled so, or below their rows when they do not fit."""
    stream = stream or sys.stdout
    for line in lines(columns, rows, note, stream):
        stream.write(line + "\n")


def lines(columns: Sequence[Column], rows: Sequence[Row], note: str, stream: IO[str]) -> list[str]:
    """Return a table's lines, painted."""
    if not rows:
        return []
    room = width(stream)
    widths = _widths(columns, rows)
    if room is not None:
        widths = [size if any(_sizes(rows, index)) else 0 for index, size in enumerate(widths)]
    beside = max((cells(one.note) for one in rows), default=0)
    is_beside = bool(note and beside) and (room is None or _total([*widths, max(beside, len(note))]) <= room)
    if not is_beside:
        widths = _fitted(columns, widths, room)
    title = Row(tuple(Cell(column.title, "1") for column in columns), note if is_beside else "")
    shown = [title, *rows] if any(column.title for column in columns) else list(rows)
    return [line for one in shown for line in _row_lines(one, widths, room, stream, is_beside=is_beside)]


def natural(columns: Sequence[Column], rows: Sequence[Row]) -> int:
    """Return how many columns a table takes when nothing gives way."""
    return _total(_widths(columns, rows))


def _widths(columns: Sequence[Column], rows: Sequence[Row]) -> list[int]:
    return [max(cells(column.title), *_sizes(rows, index)) for index, column in enumerate(columns)]


def _sizes(rows: Sequence[Row], index: int) -> list[int]:
    return [cells(printable(one.cells[index].text)) for one in rows]


def _fitted(columns: Sequence[Column], widths: list[int], room: int | None) -> list[int]:
    """Cut and drop columns until they fit; nobody is left with less than the columns of rank 0."""
    widths = list(widths)
    ranked = sorted((i for i, one in enumerate(columns) if one.rank), key=lambda i: -columns[i].rank)
    for index in ranked:
        over = _total(widths) - room if room is not None else 0
        if over <= 0:
            break
        left = widths[index] - over
        widths[index] = left if columns[index].may_be_cut and left >= _SHORTEST else 0
    return widths


def _total(widths: Iterable[int]) -> int:
    shown = [one for one in widths if one]
    return sum(shown) + len(GAP) * (len(shown) - 1)


def _row_lines(one: Row, widths: Sequence[int], room: int | None, stream: IO[str], *, is_beside: bool) -> list[str]:
    parts = [_shown(cell, size, stream) for cell, size in zip(one.cells, widths, strict=True) if size]
    if is_beside:
        return [GAP.join([*parts, one.note]).rstrip()]
    return [GAP.join(parts).rstrip(), *(wrapped(f"    {one.note}", room, "    ") if one.note else [])]


def _shown(cell: Cell, size: int, stream: IO[str]) -> str:
    text = cut(printable(cell.text), size)
    return paint(text, cell.style, stream) + padded("", size - cells(text))
