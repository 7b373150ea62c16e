"""Indexing what is pending: batches, and that a failure leaves it pending."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from fakes import FakeQdrant

from chatbot import indexing
from chatbot.db import Message
from chatbot.embedding import embed
from chatbot.errors import SearchUnavailable
from chatbot.indexing import BATCH, BATCHES, index_pending


class FakeMessages:
    """`pending` as the real one: what was given is done when the block succeeds."""

    def __init__(self, count: int) -> None:
        created = datetime(2026, 1, 2, tzinfo=UTC)
        self.left = [Message(number, f"text {number}", created, None) for number in range(1, count + 1)]

    @asynccontextmanager
    async def pending(self, limit: int) -> AsyncIterator[tuple[Message, ...]]:
        batch = tuple(self.left[:limit])
        yield batch
        del self.left[: len(batch)]


@pytest.mark.parametrize("count", [0, 1, BATCH, BATCH + 1])
def test_all_that_is_pending_becomes_searchable(count: int) -> None:
    messages, qdrant = FakeMessages(count), FakeQdrant()
    assert asyncio.run(index_pending(messages, qdrant.index())) == count  # type: ignore[arg-type]
    assert (messages.left, len(qdrant.points)) == ([], count)
    assert all(qdrant.points[number] == embed(f"text {number}") for number in qdrant.points)


def test_what_fails_stays_pending() -> None:
    messages, qdrant = FakeMessages(2), FakeQdrant()
    qdrant.is_down = True
    with pytest.raises(SearchUnavailable):
        asyncio.run(index_pending(messages, qdrant.index()))  # type: ignore[arg-type]
    assert len(messages.left) == 2


def test_a_run_ends_although_more_is_pending(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexing, "BATCH", 1)
    messages = FakeMessages(BATCHES + 1)
    assert asyncio.run(index_pending(messages, FakeQdrant().index())) == BATCHES  # type: ignore[arg-type]
    assert len(messages.left) == 1


def test_nothing_is_done_where_search_is_off() -> None:
    assert indexing.run(None) == 0
