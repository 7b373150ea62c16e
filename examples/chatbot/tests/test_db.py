"""The database: connection arguments and the translation of errors, with a fake pool."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from chatbot.db import Message, Messages, connection_arguments
from chatbot.errors import DatabaseNotMigrated, DatabaseUnavailable, SearchUnavailable
from chatbot.settings import Secret


class FailingPool:
    """A pool whose connections fail at the first query."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    @asynccontextmanager
    async def acquire(self, timeout: float) -> Any:
        yield self

    async def fetchrow(self, *_: object) -> None:
        raise self._error

    fetchval = fetch = fetchrow

    @asynccontextmanager
    async def transaction(self) -> Any:
        yield


async def enter(messages: Messages) -> None:
    async with messages.pending(1):
        raise AssertionError("not reached")


class PendingPool:
    """A pool with one pending message; notes what is executed and how the transaction ended."""

    def __init__(self, *rows: dict[str, Any]) -> None:
        self._rows = rows
        self.log: list[str] = []

    @asynccontextmanager
    async def acquire(self, timeout: float) -> Any:
        yield self

    @asynccontextmanager
    async def transaction(self) -> Any:
        try:
            yield
        except Exception:
            self.log.append("rollback")
            raise
        self.log.append("commit")

    async def fetch(self, sql: str, limit: int) -> tuple[dict[str, Any], ...]:
        assert "FOR UPDATE SKIP LOCKED" in sql
        return self._rows[:limit]

    async def execute(self, sql: str, ids: list[int]) -> None:
        self.log.append(f"{sql.split()[0]} {ids}")


ROW = {"id": 7, "text": "hello", "created_at": datetime(2026, 1, 2, tzinfo=UTC), "indexed_at": None}


async def handle(pool: PendingPool, error: Exception | None = None) -> tuple[Message, ...]:
    async with Messages(pool).pending(10) as batch:  # type: ignore[arg-type]
        if error:
            raise error
    return batch


def test_pending_messages_are_done_when_the_block_succeeds() -> None:
    pool = PendingPool(ROW)
    assert asyncio.run(handle(pool)) == (Message(**ROW),)
    assert pool.log == ["UPDATE [7]", "commit"]


def test_pending_messages_stay_pending_when_the_block_fails() -> None:
    pool = PendingPool(ROW)
    with pytest.raises(SearchUnavailable):
        asyncio.run(handle(pool, SearchUnavailable()))
    assert pool.log == ["rollback"]


def test_nothing_pending_changes_nothing() -> None:
    pool = PendingPool()
    assert asyncio.run(handle(pool)) == ()
    assert pool.log == ["commit"]


def test_sqlalchemys_scheme_becomes_postgresqls() -> None:
    arguments = connection_arguments(Secret("postgresql+asyncpg://u:p%40@h:5432/d"), "web", lock_timeout="1s")
    assert arguments["dsn"] == "postgresql://u:p%40@h:5432/d"
    assert arguments["server_settings"] == {"application_name": "web", "lock_timeout": "1s"}


@pytest.mark.parametrize(
    ("error", "translated"),
    [
        (ConnectionRefusedError(), DatabaseUnavailable),
        (TimeoutError(), DatabaseUnavailable),
        (asyncpg.InvalidPasswordError("no"), DatabaseUnavailable),
        (asyncpg.TooManyConnectionsError("no"), DatabaseUnavailable),
        (asyncpg.AdminShutdownError("no"), DatabaseUnavailable),
        (asyncpg.UndefinedTableError("no"), DatabaseNotMigrated),
        (asyncpg.UndefinedColumnError("no"), DatabaseNotMigrated),
        (asyncpg.SyntaxOrAccessError("a bug"), asyncpg.SyntaxOrAccessError),
    ],
)
def test_errors_are_translated(error: Exception, translated: type[Exception]) -> None:
    messages = Messages(FailingPool(error))  # type: ignore[arg-type]
    for call in (messages.add("x"), messages.get(1), messages.find([1]), messages.page(0, 1), enter(messages)):
        with pytest.raises(translated):
            asyncio.run(call)


def test_a_ping_fails_untranslated() -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        asyncio.run(Messages(FailingPool(asyncpg.InvalidPasswordError("no"))).ping())  # type: ignore[arg-type]
