"""Reading last words: what of them counts, and what never does."""

from __future__ import annotations

import pytest

from envmgr.diagnosis.log import clean, final_part, is_telling, last_error, meaningful

TRACEBACK = """\
starting
Traceback (most recent call last):
  File "/app/play.py", line 3, in <module>
    main()
    ~~~~^^
  File "/app/play.py", line 2, in main
    connect(
    ...<2 lines>...
    )
play.Refused: no
  more of it
"""
CHAINED = """\
Traceback (most recent call last):
  File "/app/a.py", line 1, in a
    b()
KeyError: 'x'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/app/a.py", line 2, in a
    c()
play.Refused: no
"""
NODE = """\
node:fs:441
    return binding.readFileUtf8(path, stringToFlags(options.flag));
                   ^

Error: ENOENT: no such file or directory, open '/etc/nosuch.json'
    at Object.openSync (node:fs:559:18)
    at [eval]:1:15 {
  errno: -2,
  code: 'ENOENT',
  syscall: 'open',
  path: '/etc/nosuch.json'
}

Node.js v24.19.0
"""


def test_colours_and_blank_lines_are_dropped():
    assert clean("\x1b[31mred\x1b[0m \n\n  in\n \t\n") == ("red", "  in")
    assert clean("") == ()


def test_stack_frames_mean_nothing():
    assert meaningful(clean(TRACEBACK)) == ("starting", "play.Refused: no", "  more of it")
    assert meaningful(clean(CHAINED)) == ("KeyError: 'x'", "play.Refused: no")
    assert meaningful(clean(NODE))[-3:] == (
        "Error: ENOENT: no such file or directory, open '/etc/nosuch.json'",
        "}",
        "Node.js v24.19.0",
    )
    assert meaningful(("goroutine 1 [running]:", "\t/app/main.go:12 +0x1d", "panic: no")) == ("panic: no",)
    assert meaningful(("ERROR: Traceback (most recent call last)", "Boom: x")) == ("Boom: x",)
    assert meaningful(()) == ()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (TRACEBACK, "starting"),
        (CHAINED.replace("play.Refused", "play.RefusedError"), "play.RefusedError: no"),
        ("ready\ncannot open the map\nbye", "cannot open the map"),
        ("one\ntwo\n", "two"),
        ("sqlalchemy.exc.ProgrammingError: no relation\nLINE 1: select\n[SQL: select]\n(Background on this error at: ",
         "sqlalchemy.exc.ProgrammingError: no relation"),
        ("", ""),
    ],
)  # fmt: skip
def test_the_line_that_says_most(text: str, line: str):
    expected = "play.Refused: no" if text == TRACEBACK else line
    assert last_error(clean(text)) == expected


def test_what_sounds_like_an_error():
    assert is_telling("the table is not there")
    assert is_telling("play.RefusedError: x")
    assert not is_telling("playing serve")
    assert not is_telling("")


def test_the_last_traceback_is_where_the_end_begins():
    early = ("ConnectionRefusedError: redis", "connected")
    assert final_part((*early, *clean(TRACEBACK))) == clean(TRACEBACK)[1:]
    assert final_part(clean("first\n" + CHAINED)) == clean(CHAINED)


def test_what_a_logger_says_before_its_traceback_belongs_to_it():
    logged = "[06:10:00: CRITICAL/MainProcess] Unrecoverable error: JSONDecodeError('Expecting value')"
    assert final_part(("connected", logged, *clean(TRACEBACK)[1:])) == (logged, *clean(TRACEBACK)[1:])


def test_tracebacks_that_have_nothing_to_do_with_each_other_stay_apart():
    assert final_part((*clean(CHAINED), "tried again", *clean(TRACEBACK))) == clean(TRACEBACK)[1:]


def test_a_program_that_went_on_after_its_traceback_did_not_end_with_it():
    lines = (*clean(TRACEBACK), *(f"served {number}" for number in range(20)))
    assert final_part(lines) == lines
    assert final_part(("a", "b")) == ("a", "b")
