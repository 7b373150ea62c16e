"""The search index: what it asks Qdrant, and what becomes of the answers."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pytest
from fakes import FakeQdrant

from chatbot.embedding import embed
from chatbot.errors import SearchNotProvisioned, SearchUnavailable
from chatbot.search import Hit, open_index
from chatbot.settings import QdrantSettings, Secret


def test_what_was_put_is_found_nearest_first() -> None:
    index = FakeQdrant().index()

    async def put_and_ask() -> tuple[Hit, ...]:
        await index.put({1: embed("good morning"), 2: embed("invoice"), 3: embed("good evening")})
        await index.put({2: embed("invoices")})
        return await index.nearest(embed("good morning"), 2)

    first, second = asyncio.run(put_and_ask())
    assert (first, second.id) == (Hit(1, pytest.approx(1.0)), 3)


def test_a_ping_reads_the_collection() -> None:
    asyncio.run(FakeQdrant().index().ping())


@pytest.mark.parametrize(
    "vectors", [{"size": 65, "distance": "Cosine"}, {"size": 64, "distance": "Dot"}, {"text": {"size": 64}}, None]
)
def test_a_ping_finds_a_collection_for_other_vectors(vectors: Any) -> None:
    qdrant = FakeQdrant()
    qdrant.vectors = vectors
    with pytest.raises(SearchNotProvisioned):
        asyncio.run(qdrant.index().ping())


def test_a_missing_collection() -> None:
    index = FakeQdrant().index(collection="prod_messages")
    for call in (index.ping(), index.put({1: embed("x")}), index.nearest(embed("x"), 1)):
        with pytest.raises(SearchNotProvisioned):
            asyncio.run(call)


def test_a_wrong_key_and_a_server_that_is_down() -> None:
    down = FakeQdrant()
    down.is_down = True
    for index in (FakeQdrant().index(key="prod-key"), down.index()):
        for call in (index.ping(), index.put({1: embed("x")}), index.nearest(embed("x"), 1)):
            with pytest.raises(SearchUnavailable) as caught:
                asyncio.run(call)
            assert isinstance(caught.value.__cause__, httpx2.HTTPError)


@pytest.mark.parametrize(
    "answer",
    [
        httpx2.Response(200, text="<html>"),
        httpx2.Response(200, json=[]),
        httpx2.Response(200, json={"result": {"points": [{"id": "a-uuid", "score": 1}]}}),
        httpx2.Response(200, json={"result": True}),
    ],
)
def test_an_answer_that_is_not_qdrants(answer: httpx2.Response) -> None:
    qdrant = FakeQdrant()
    qdrant.answer = answer
    with pytest.raises(SearchUnavailable):
        asyncio.run(qdrant.index().nearest(embed("x"), 1))


@pytest.mark.parametrize(("key", "header"), [(Secret("hunter2"), "hunter2"), (None, None)])
def test_the_key_is_sent_when_there_is_one(
    monkeypatch: pytest.MonkeyPatch, key: Secret | None, header: str | None
) -> None:
    sent: list[httpx2.Request] = []

    async def note(_: httpx2.AsyncHTTPTransport, request: httpx2.Request) -> httpx2.Response:
        sent.append(request)
        return httpx2.Response(200, json={"result": True})

    monkeypatch.setattr(httpx2.AsyncHTTPTransport, "handle_async_request", note)

    async def put() -> None:
        async with open_index(QdrantSettings(url="http://q:1/base", api_key=key, collection="dev_messages")) as index:
            await index.put({1: [1.0]})

    asyncio.run(put())
    (request,) = sent
    assert str(request.url) == "http://q:1/base/collections/dev_messages/points?wait=true"
    assert request.headers.get("api-key") == header
