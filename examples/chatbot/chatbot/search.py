"""Keep vectors of messages in this environment's Qdrant collection and find the nearest; must not create it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

from chatbot.embedding import DISTANCE, SIZE
from chatbot.errors import SearchNotProvisioned, SearchUnavailable
from chatbot.settings import QdrantSettings

TIMEOUT = httpx2.Timeout(5.0, connect=2.0)


@dataclass(frozen=True, slots=True)
class Hit:
    """A message that was found; `score` is the cosine, 1 for the same words."""

    id: int
    score: float


class SearchIndex:
    """The vectors of an environment's messages, by the message's id; the texts stay in PostgreSQL."""

    def __init__(self, client: httpx2.AsyncClient, collection: str) -> None:
        self._client = client
        self._path = f"/collections/{collection}"

    async def ping(self) -> None:
        """Read the collection with this environment's key. Raises: SearchUnavailable, SearchNotProvisioned."""
        found = await self._ask("GET", self._path)
        try:
            vectors = found["config"]["params"]["vectors"]
            fits = (vectors["size"], vectors["distance"]) == (SIZE, DISTANCE)
        except (KeyError, TypeError) as error:  # named vectors, or not Qdrant
            raise SearchNotProvisioned from error
        if not fits:
            raise SearchNotProvisioned

    async def put(self, vectors: Mapping[int, Sequence[float]]) -> None:
        """Add or replace, and return when it is searchable. Raises: SearchUnavailable, SearchNotProvisioned."""
        points = [{"id": message_id, "vector": list(vector)} for message_id, vector in vectors.items()]
        await self._ask("PUT", f"{self._path}/points?wait=true", {"points": points})

    async def nearest(self, vector: Sequence[float], limit: int) -> tuple[Hit, ...]:
        """Return the nearest messages, nearest first. Raises: SearchUnavailable, SearchNotProvisioned."""
        found = await self._ask("POST", f"{self._path}/points/query", {"query": list(vector), "limit": limit})
        try:
            return tuple(Hit(int(point["id"]), float(point["score"])) for point in found["points"])
        except (KeyError, TypeError, ValueError) as error:
            raise SearchUnavailable from error

    async def _ask(self, method: str, path: str, body: object = None) -> Any:
        try:
            answer = await self._client.request(method, path, json=body)
            if answer.status_code == 404:
                raise SearchNotProvisioned
            return answer.raise_for_status().json()["result"]
        except (httpx2.HTTPError, KeyError, TypeError, ValueError) as error:
            raise SearchUnavailable from error


@asynccontextmanager
async def open_index(settings: QdrantSettings) -> AsyncIterator[SearchIndex]:
    """Nothing is connected before its first use."""
    headers = {"api-key": settings.api_key.reveal()} if settings.api_key else {}
    async with httpx2.AsyncClient(base_url=settings.url, headers=headers, timeout=TIMEOUT) as client:
        yield SearchIndex(client, settings.collection)
