"""The toy embedding: shape, constancy and what is near."""

from __future__ import annotations

import math
import operator

import pytest

from chatbot.embedding import SIZE, embed


def likeness(one: str, other: str) -> float:
    return sum(map(operator.mul, embed(one), embed(other)))


@pytest.mark.parametrize("text", ["hello", "x", "", "  \n", "\ud800", "Ω" * 2000, "سلام"])
def test_every_text_has_a_direction_of_length_one(text: str) -> None:
    vector = embed(text)
    assert len(vector) == SIZE
    assert math.hypot(*vector) == pytest.approx(1)


def test_what_is_stored_today_is_found_by_the_next_release() -> None:
    # " a " alone: zlib.crc32(b" a ") is 0x8084e5dc, dimension 28, positive.
    assert embed("a") == [0.0] * 28 + [1.0] + [0.0] * 35


def test_case_and_blanks_do_not_matter() -> None:
    assert embed("Hello  World\n") == embed("hello world")


def test_shared_spelling_is_nearer_than_none() -> None:
    # 64 dimensions are few, so unrelated texts share some by chance.
    question = "the weather in Tehran"
    assert likeness(question, "weather of Tehran") > likeness(question, "invoice number 17") + 0.3


def test_different_words_are_told_apart() -> None:
    assert embed("stop") != embed("pots")
