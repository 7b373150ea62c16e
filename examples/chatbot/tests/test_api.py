"""The HTTP interface, with fakes for the database, the queue, the pings, Qdrant and the object storage."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from fakes import FakeQdrant
from fastapi.testclient import TestClient
from obstore.store import MemoryStore

from chatbot.api import create_app
from chatbot.counts import Counts
from chatbot.db import Message
from chatbot.embedding import embed
from chatbot.errors import DatabaseNotMigrated, DatabaseUnavailable, QueueUnavailable
from chatbot.files import Files
from chatbot.jobs import Job
from chatbot.search import SearchIndex
from chatbot.services import Services
from chatbot.settings import read_web_settings

CREATED = datetime(2026, 1, 2, tzinfo=UTC)
KNOWN = UUID("11111111-1111-4111-8111-111111111111")
UNKNOWN = UUID("22222222-2222-4222-8222-222222222222")


class FakeMessages:
    def __init__(self) -> None:
        self.rows: list[Message] = []
        self.error: Exception | None = None

    async def add(self, text: str) -> Message:
        self.fail()
        self.rows.append(Message(len(self.rows) + 1, text, CREATED, None))
        return self.rows[-1]

    async def get(self, message_id: int) -> Message | None:
        self.fail()
        return next((row for row in self.rows if row.id == message_id), None)

    async def find(self, ids: list[int]) -> dict[int, Message]:
        self.fail()
        return {row.id: row for row in self.rows if row.id in ids}

    async def page(self, after: int, limit: int) -> tuple[int, tuple[Message, ...]]:
        self.fail()
        return len(self.rows), tuple(row for row in self.rows if row.id > after)[:limit]

    def fail(self) -> None:
        if self.error:
            raise self.error


class FakeJobs:
    def __init__(self) -> None:
        self.sent: list[tuple[str, float]] = []
        self.is_down = False

    def send_reverse(self, text: str, seconds: float) -> UUID:
        if self.is_down:
            raise QueueUnavailable from ConnectionRefusedError("refused")
        self.sent.append((text, seconds))
        return KNOWN

    def find(self, job_id: UUID) -> Job | None:
        if self.is_down:
            raise QueueUnavailable from ConnectionRefusedError("refused")
        return Job(KNOWN, "SUCCESS", "olleh", None) if job_id == KNOWN else None


class Fakes:
    def __init__(self) -> None:
        self.messages = FakeMessages()
        self.jobs = FakeJobs()
        self.redis_error: Exception | None = None
        self.counts = Counts()
        self.requests = 0
        self.qdrant = FakeQdrant()
        self.search: SearchIndex | None = self.qdrant.index()
        self.files: Files | None = Files(MemoryStore())

    async def ping(self) -> None:
        pass

    async def ping_redis(self) -> None:
        if self.redis_error:
            raise self.redis_error

    async def read_counts(self) -> Counts:
        return self.counts

    def request_indexing(self) -> None:
        self.requests += 1

    def client(self, variables: dict[str, str]) -> TestClient:
        settings = read_web_settings(variables)

        @asynccontextmanager
        async def open_services() -> AsyncIterator[Services]:
            optional = {"qdrant": self.search, "storage": self.files}
            pings = {name: server.ping for name, server in optional.items() if server}
            yield Services(
                settings=settings,
                messages=self.messages,  # type: ignore[arg-type]
                jobs=self.jobs,  # type: ignore[arg-type]
                pings={"postgres": self.ping, "redis": self.ping_redis, **pings},
                read_counts=self.read_counts,
                request_indexing=self.request_indexing,
                search=self.search,
                files=self.files,
            )

        return TestClient(create_app(settings.debug, open_services))


@pytest.fixture
def fakes() -> Fakes:
    return Fakes()


@pytest.fixture
def client(fakes: Fakes, variables: dict[str, str]) -> Iterator[TestClient]:
    with fakes.client(variables | {"RELEASE": "1.2.3"}) as client:
        yield client


def test_healthy(client: TestClient) -> None:
    answer = client.get("/health")
    assert answer.status_code == 200
    checks = {"postgres": "ok", "redis": "ok", "qdrant": "ok", "storage": "ok"}
    assert answer.json() == {"status": "ok", "checks": checks}


def test_unhealthy_names_the_server_and_no_secret(client: TestClient, fakes: Fakes) -> None:
    fakes.redis_error = ConnectionRefusedError("redis://dev:hunter2@redis:6379")
    answer = client.get("/health")
    assert answer.status_code == 503
    assert answer.json() == {
        "status": "failed",
        "checks": {"postgres": "ok", "redis": "failed (ConnectionRefusedError)", "qdrant": "ok", "storage": "ok"},
    }


def test_whoami(client: TestClient) -> None:
    assert client.get("/whoami").json() == {"environment": "dev", "prefix": "dev_", "release": "1.2.3"}


def test_a_message_is_stored_counted_and_shown(client: TestClient) -> None:
    added = client.post("/messages", json={"text": "hello"})
    assert added.status_code == 201
    assert added.json() == {
        "id": 1,
        "text": "hello",
        "created_at": "2026-01-02T00:00:00Z",
        "searchable": False,
        # printf 1:hello | openssl dgst -sha256 -hmac key
        "receipt": "cdda439a5a47454c284510a8395dfd32773a45500562bc1ac0849ad6febb3e6d",
    }
    assert client.get("/messages").json() == {"count": 1, "messages": [added.json()]}
    assert client.get("/messages?after=1").json() == {"count": 1, "messages": []}
    assert client.get("/messages/1").json() == added.json()


def test_an_absent_message(client: TestClient) -> None:
    answer = client.get("/messages/7")
    assert (answer.status_code, answer.json()) == (404, {"detail": "There is no message 7."})


@pytest.mark.parametrize(
    "body", [{}, {"text": ""}, {"text": 1}, {"text": "x" * 2001}, {"text": "a\0b"}, {"text": "x", "y": 1}, []]
)
def test_a_bad_message_is_refused(client: TestClient, fakes: Fakes, body: Any) -> None:
    assert client.post("/messages", json=body).status_code == 422
    assert fakes.messages.rows == []


def test_a_refusal_does_not_repeat_the_input(client: TestClient) -> None:
    answer = client.post(
        "/messages", content=b'{"text": "a\\ud800 hunter2"}', headers={"content-type": "application/json"}
    )
    assert answer.status_code == 422
    assert "hunter2" not in answer.text


@pytest.mark.parametrize(
    "path", ["/messages/0", "/messages/x", f"/messages/{2**63}", "/messages?limit=101", "/tasks/x"]
)
def test_a_bad_address_is_refused(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 422


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        (DatabaseUnavailable(), "The database is not available."),
        (DatabaseNotMigrated(), "The database lacks a table or a column: run `alembic upgrade head`."),
    ],
)
def test_a_failing_database_is_503(client: TestClient, fakes: Fakes, error: Exception, detail: str) -> None:
    fakes.messages.error = error
    for answer in (client.get("/messages"), client.get("/messages/1"), client.post("/messages", json={"text": "x"})):
        assert (answer.status_code, answer.json()) == (503, {"detail": detail})


def test_a_task_is_queued_and_shown(client: TestClient, fakes: Fakes) -> None:
    queued = client.post("/tasks/reverse", json={"text": "hello", "seconds": 1.5})
    assert (queued.status_code, queued.json()["id"], queued.json()["state"]) == (202, str(KNOWN), "QUEUED")
    assert fakes.jobs.sent == [("hello", 1.5)]
    assert client.get(f"/tasks/{KNOWN}").json() == {
        "id": str(KNOWN),
        "state": "SUCCESS",
        "result": "olleh",
        "error": None,
    }


@pytest.mark.parametrize("body", [{}, {"text": ""}, {"text": "x", "seconds": 31}, {"text": "x", "seconds": -1}])
def test_a_bad_task_is_refused(client: TestClient, fakes: Fakes, body: Any) -> None:
    assert client.post("/tasks/reverse", json=body).status_code == 422
    assert fakes.jobs.sent == []


def test_an_unknown_task(client: TestClient) -> None:
    answer = client.get(f"/tasks/{UNKNOWN}")
    assert answer.status_code == 404
    assert answer.json() == {"detail": f"There is no task {UNKNOWN}, or its result has expired."}


def test_a_failing_queue_is_503(client: TestClient, fakes: Fakes) -> None:
    fakes.jobs.is_down = True
    for answer in (client.post("/tasks/reverse", json={"text": "x"}), client.get(f"/tasks/{KNOWN}")):
        assert (answer.status_code, answer.json()) == (503, {"detail": "The task queue is not available."})


@pytest.mark.parametrize(("debug", "status"), [("true", 200), ("false", 404)])
def test_docs_only_when_debugging(fakes: Fakes, variables: dict[str, str], debug: str, status: int) -> None:
    with fakes.client(variables | {"DEBUG": debug}) as client:
        assert client.get("/docs").status_code == status
        assert client.get("/openapi.json").status_code == status


def test_metrics_count_by_route(client: TestClient) -> None:
    client.get("/messages/41")
    client.get("/messages/42")
    client.get("/no/such/path")
    lines = client.get("/metrics").text.splitlines()
    (found,) = [
        line
        for line in lines
        if line.startswith("http_requests_total") and 'path="/messages/{message_id}",status="404"' in line
    ]
    assert float(found.rpartition(" ")[2]) >= 2
    assert not [line for line in lines if "/no/such/path" in line]


def test_a_stored_message_asks_for_indexing(client: TestClient, fakes: Fakes) -> None:
    before = _number(client, "messages_stored_total")
    client.post("/messages", json={"text": "hello"})
    assert (fakes.requests, _number(client, "messages_stored_total")) == (1, before + 1)


def test_a_message_that_was_not_stored_asks_for_nothing(client: TestClient, fakes: Fakes) -> None:
    fakes.messages.error = DatabaseUnavailable()
    before = _number(client, "messages_stored_total")
    assert client.post("/messages", json={"text": "hello"}).status_code == 503
    assert (fakes.requests, _number(client, "messages_stored_total")) == (0, before)


def test_a_message_is_stored_while_qdrant_is_down(client: TestClient, fakes: Fakes) -> None:
    fakes.qdrant.is_down = True
    added = client.post("/messages", json={"text": "hello"})
    assert (added.status_code, added.json()["searchable"], fakes.requests) == (201, False, 1)
    answer = client.get("/messages/search?q=hello")
    assert (answer.status_code, answer.json()) == (503, {"detail": "The search index is not available."})
    health = client.get("/health")
    assert (health.status_code, health.json()["checks"]["qdrant"]) == (503, "failed (SearchUnavailable)")


def test_an_indexed_message_is_searchable(client: TestClient, fakes: Fakes) -> None:
    fakes.messages.rows = [Message(1, "hello", CREATED, CREATED)]
    assert client.get("/messages/1").json()["searchable"] is True


def test_the_nearest_messages_are_found(client: TestClient, fakes: Fakes) -> None:
    for text in ("invoice", "good morning", "good evening"):
        client.post("/messages", json={"text": text})
    # 4 was restored with the index and not with the database.
    fakes.qdrant.points = {row.id: embed(row.text) for row in fakes.messages.rows} | {4: embed("good morning")}
    found = client.get("/messages/search", params={"q": "Good morning", "limit": 3}).json()["messages"]
    assert [message["text"] for message in found] == ["good morning", "good evening"]
    assert found[0]["score"] == pytest.approx(1.0)
    assert found[0] == client.get("/messages/2").json() | {"score": found[0]["score"]}


@pytest.mark.parametrize("query", ["", "q=", f"q={'x' * 2001}", "q=x&limit=0", "q=x&limit=101"])
def test_a_bad_search_is_refused(client: TestClient, query: str) -> None:
    assert client.get(f"/messages/search?{query}").status_code == 422


def test_a_missing_collection_is_503(client: TestClient, fakes: Fakes) -> None:
    fakes.qdrant.vectors = {"size": 1536, "distance": "Cosine"}
    assert client.get("/health").json()["checks"]["qdrant"] == "failed (SearchNotProvisioned)"


def test_a_search_that_is_not_configured_is_501(fakes: Fakes, variables: dict[str, str]) -> None:
    fakes.search = None
    with fakes.client(variables) as client:
        answer = client.get("/messages/search?q=x")
        assert client.post("/messages", json={"text": "hello"}).status_code == 201
        assert "qdrant" not in client.get("/health").json()["checks"]
    assert answer.status_code == 501
    assert answer.json() == {"detail": "Search is not configured: set QDRANT_URL and QDRANT_PREFIX."}


def test_metrics_show_what_workers_counted(client: TestClient, fakes: Fakes) -> None:
    fakes.counts = Counts({("chatbot.embed", "SUCCESS"): 3})
    assert 'celery_tasks_total{state="SUCCESS",task="chatbot.embed"} 3.0' in client.get("/metrics").text


def _number(client: TestClient, name: str) -> float:
    (line,) = [line for line in client.get("/metrics").text.splitlines() if line.startswith(f"{name} ")]
    return float(line.rpartition(" ")[2])
