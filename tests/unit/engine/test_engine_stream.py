from __future__ import annotations

import pytest

from envmgr.engine.stream import HEADER, MULTIPLEXED, Demultiplexer, decode


def frame(stream: int, payload: bytes) -> bytes:
    return HEADER.pack(stream, len(payload)) + payload


def test_the_layout_of_a_frame():
    assert frame(2, b"ab") == b"\x02\x00\x00\x00\x00\x00\x00\x02ab"


def test_streams_come_in_the_order_they_were_written():
    assert decode(frame(1, b"out\n") + frame(2, b"err\n") + frame(1, b"more\n")) == "out\nerr\nmore\n"


@pytest.mark.parametrize("size", [1, 3, 7, 8, 9, 100])
def test_frames_cut_anywhere_give_the_same_text(size):
    data = frame(1, "žluť".encode()) + frame(2, b"") + frame(1, b"x" * 30)
    frames = Demultiplexer()
    text = "".join(frames.feed(data[at : at + size]) for at in range(0, len(data), size))
    assert text + frames.finish() == "žluť" + "x" * 30


def test_a_character_cut_in_two_by_the_other_stream_is_whole():
    first, second = "é".encode()[:1], "é".encode()[1:]
    assert decode(frame(1, first) + frame(2, b"!") + frame(1, second)) == "!é"


def test_bytes_that_are_no_text_are_replaced():
    assert decode(frame(1, b"a\xffb")) == "a\ufffdb"
    assert decode(b"a\xffb", "application/vnd.docker.raw-stream") == "a\ufffdb"


def test_an_unfinished_frame_gives_what_is_there():
    assert decode(frame(1, b"whole") + frame(1, b"half of it")[:12]) == "wholehalf"
    assert decode(frame(1, "é".encode()[:1])) == "\ufffd"


def test_a_terminal_is_not_multiplexed():
    assert decode(b"\x01\x00\x00\x00plain", "application/vnd.docker.raw-stream") == "\x01\x00\x00\x00plain"
    assert decode(frame(1, b"framed"), f"{MULTIPLEXED}; charset=x") == "framed"


def test_a_megabyte_of_short_lines_is_quick():
    assert len(decode(frame(1, b"a line\n") * 150_000)) == 7 * 150_000
