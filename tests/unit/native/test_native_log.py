"""The log of a service on the desk: its last lines, and those that come."""

import time

import pytest

from envmgr.native.log import Follow, last_lines


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "app.log"
    path.write_text("1T one\n2T two words\n3T \n4T begun but not")
    return path


def test_the_last_lines_with_their_times(log):
    lines, offset = last_lines(log, 2)
    assert lines == [("2T", "two words"), ("3T", "")]
    assert last_lines(log, None)[0] == [("1T", "one"), ("2T", "two words"), ("3T", "")]
    assert last_lines(log, 0)[0] == []
    assert log.read_bytes()[offset:] == b"4T begun but not"


def test_no_log_is_no_line(tmp_path):
    assert last_lines(tmp_path / "absent.log", 10) == ([], 0)


def test_new_lines_are_handed_on_each_once(log):
    seen = []
    _, offset = last_lines(log, 0)
    follow = Follow(log, offset, lambda when, text: seen.append((when, text)))
    follow.open()
    with log.open("a") as file:
        file.write(" ended\n5T more\n")
    deadline = time.monotonic() + 10
    while len(seen) < 2:
        assert time.monotonic() < deadline, seen
        time.sleep(0.01)
    with log.open("a") as file:
        file.write("6T the last\n")
    follow.close()
    assert seen == [("4T", "begun but not ended"), ("5T", "more"), ("6T", "the last")]


def test_a_log_that_begins_anew_is_read_from_its_beginning(log):
    seen = []
    follow = Follow(log, last_lines(log, 0)[1], lambda when, text: seen.append((when, text)))
    log.write_text("1T new\n")
    follow.open()
    follow.close()
    assert seen == [("1T", "new")]


def test_a_log_that_goes_away_ends_nothing(log):
    follow = Follow(log, 0, print)
    log.unlink()
    follow.open()
    follow.close()
