"""What a stream can show: colours, columns, signs."""

from __future__ import annotations

import io

import pytest

from envmgr.report import screen


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")


@pytest.mark.parametrize(
    ("variables", "pipe", "terminal"),
    [
        ({}, False, True),
        ({"NO_COLOR": "1"}, False, False),
        ({"NO_COLOR": ""}, False, True),
        ({"FORCE_COLOR": "1"}, True, True),
        ({"FORCE_COLOR": "0"}, False, True),
        ({"CLICOLOR_FORCE": "1"}, True, True),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False, False),
        ({"TERM": "dumb"}, False, False),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, True, True),
    ],
)
def test_when_there_are_colours(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], pipe: bool, terminal: bool):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert (screen.has_colour(io.StringIO()), screen.has_colour(Terminal())) == (pipe, terminal)


@pytest.mark.parametrize(
    ("columns", "expected"), [("120", 120), ("", 80), ("0", 80), ("wide", 80), ("-1", 80), ("3", screen.NARROWEST)]
)
def test_the_columns_of_a_terminal(monkeypatch: pytest.MonkeyPatch, columns: str, expected: int):
    monkeypatch.setenv("COLUMNS", columns)
    assert (screen.width(Terminal()), screen.width(io.StringIO())) == (expected, None)


def test_lines_change_in_place_where_the_cursor_moves(monkeypatch: pytest.MonkeyPatch):
    assert (screen.is_live(Terminal()), screen.is_live(io.StringIO())) == (True, False)
    monkeypatch.setenv("TERM", "dumb")
    assert not screen.is_live(Terminal())


@pytest.mark.parametrize(
    ("text", "columns", "expected"),
    [
        ("abc", 3, "abc"),
        ("abcd", 3, "ab…"),
        ("日本語", 6, "日本語"),
        ("日本語", 5, "日本…"),
        ("e\u0301a", 2, "e\u0301a"),
    ],
)
def test_a_text_is_cut_by_columns(text: str, columns: int, expected: str):
    assert screen.cut(text, columns) == expected
    assert screen.cells(expected) <= columns


def test_what_would_move_the_cursor_is_taken_out():
    assert screen.printable("a\x1b[31mb\x07c\nd") == "a b c d"
    assert screen.printable("plain … text") == "plain … text"


def test_lines_break_between_words_alone():
    assert screen.wrapped("  one two three-four five", 20, "    ") == ["  one two three-four", "    five"]
    assert screen.wrapped("one two three-fourteen", 20) == ["one two", "three-fourteen"]
    assert screen.wrapped("http://localhost:8000/a/long/path", 20) == ["http://localhost:8000/a/long/path"]
    assert screen.wrapped("one two", None) == ["one two"]


def test_a_sign_that_the_stream_cannot_write_is_another_one():
    ascii_only = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    assert (screen.sign("✓", "+", ascii_only), screen.sign("✓", "+", io.StringIO())) == ("+", "✓")
    assert screen.sign("✓", "+", io.TextIOWrapper(io.BytesIO(), encoding="utf-8")) == "✓"
