"""Fakes of the servers, bound by the interface that the application speaks to the real ones."""

from __future__ import annotations

import json
import operator
from typing import Any

import httpx2

from chatbot.search import SearchIndex

KEY = "dev-key"
COLLECTION = "/collections/dev_messages"


class FakeQdrant:
    """One collection behind Qdrant's REST interface, for one key."""

    def __init__(self) -> None:
        self.points: dict[int, list[float]] = {}
        self.vectors: Any = {"size": 64, "distance": "Cosine"}
        self.answer: httpx2.Response | None = None
        self.is_down = False

    def index(self, key: str = KEY, collection: str = "dev_messages") -> SearchIndex:
        transport = httpx2.MockTransport(self._serve)
        client = httpx2.AsyncClient(base_url="http://qdrant:6333", headers={"api-key": key}, transport=transport)
        return SearchIndex(client, collection)

    def _serve(self, request: httpx2.Request) -> httpx2.Response:
        if self.is_down:
            raise httpx2.ConnectError("refused", request=request)
        if self.answer is not None:
            return self.answer
        if request.headers["api-key"] != KEY:
            return httpx2.Response(403, json={"status": {"error": "Forbidden"}})
        if not request.url.path.startswith(COLLECTION):
            return httpx2.Response(404, json={"status": {"error": "Not found: the collection doesn't exist!"}})
        return httpx2.Response(200, json={"result": self._result(request), "status": "ok", "time": 0.0})

    def _result(self, request: httpx2.Request) -> Any:
        match request.method, request.url.path.removeprefix(COLLECTION):
            case "GET", "":
                return {"status": "green", "config": {"params": {"vectors": self.vectors}}}
            case "PUT", "/points" if request.url.params["wait"] == "true":
                self.points |= {point["id"]: point["vector"] for point in json.loads(request.content)["points"]}
                return {"operation_id": 1, "status": "completed"}
            case "POST", "/points/query":
                return {"points": self._nearest(**json.loads(request.content))}
        raise AssertionError(f"not Qdrant's: {request.method} {request.url}")

    def _nearest(self, query: list[float], limit: int) -> list[dict[str, Any]]:
        scored = [{"id": key, "score": sum(map(operator.mul, query, value))} for key, value in self.points.items()]
        return sorted(scored, key=lambda point: -point["score"])[:limit]


class FakeRedis:
    """The commands of both clients, blocking and not, that the counts need; values are bytes, as a server's are."""

    def __init__(self) -> None:
        self.hashes: dict[str, dict[bytes, int]] = {}
        self.strings: dict[str, bytes] = {}

    def hincrby(self, key: str, field: str, amount: int) -> None:
        counts = self.hashes.setdefault(key, {})
        counts[field.encode()] = counts.get(field.encode(), 0) + amount

    def set(self, key: str, value: str) -> None:
        self.strings[key] = value.encode()

    async def hgetall(self, key: str) -> dict[bytes, bytes]:
        return {field: str(count).encode() for field, count in self.hashes.get(key, {}).items()}

    async def get(self, key: str) -> bytes | None:
        return self.strings.get(key)
