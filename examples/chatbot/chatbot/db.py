"""Connect to PostgreSQL, store messages and know which are searchable; must not create tables (migrations do)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

from chatbot.errors import DatabaseNotMigrated, DatabaseUnavailable
from chatbot.metrics import DB_CONNECTIONS, DB_QUERIES, DB_QUERY_DURATION
from chatbot.settings import Secret

CONNECT_TIMEOUT_S = 5.0
ACQUIRE_TIMEOUT_S = 5.0
QUERY_TIMEOUT_S = 10.0

UNAVAILABLE = (
    OSError,  # TimeoutError is one
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
)


# Several workers share the pending ones; who fails leaves its own to the next.
LOCK_PENDING = """
    SELECT id, text, created_at, indexed_at FROM messages WHERE indexed_at IS NULL
    ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED
"""


@dataclass(frozen=True, slots=True)
class Message:
    """One row of the table `messages`."""

    id: int
    text: str
    created_at: datetime
    indexed_at: datetime | None


def connection_arguments(url: Secret, application: str, **server_settings: str) -> dict[str, Any]:
    """Return asyncpg's arguments for DATABASE_URL, whose scheme is SQLAlchemy's."""
    return {
        "dsn": url.reveal().replace("postgresql+asyncpg://", "postgresql://", 1),
        "timeout": CONNECT_TIMEOUT_S,
        "command_timeout": QUERY_TIMEOUT_S,
        "server_settings": {"application_name": application, **server_settings},
    }


def create_pool(url: Secret, size: int, application: str) -> asyncpg.Pool:
    """Return a pool that opens its connections at first use, so that the web process starts without the database."""
    return asyncpg.create_pool(min_size=0, max_size=size, init=_count_queries, **connection_arguments(url, application))


async def _count_queries(connection: Any) -> None:
    connection.add_query_logger(count_query)


def count_query(query: asyncpg.connection.LoggedQuery) -> None:
    """Count and time one query of the application's own."""
    if "pg_advisory_unlock_all" in query.query:  # the pool resets a connection that it takes back
        return
    DB_QUERIES.labels("failed" if query.exception else "ok").inc()
    DB_QUERY_DURATION.observe(query.elapsed)


class Messages:
    """The table `messages`."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def ping(self) -> None:
        """Run one query as the application's own role; errors arrive untranslated."""
        async with self._pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection:
            await connection.fetchval("SELECT 1")

    async def add(self, text: str) -> Message:
        """Raises: DatabaseUnavailable, DatabaseNotMigrated."""
        async with self._connection() as connection:
            row = await connection.fetchrow(
                "INSERT INTO messages (text) VALUES ($1) RETURNING id, text, created_at, indexed_at", text
            )
        return Message(**row)

    async def get(self, message_id: int) -> Message | None:
        """Raises: DatabaseUnavailable, DatabaseNotMigrated."""
        async with self._connection() as connection:
            row = await connection.fetchrow(
                "SELECT id, text, created_at, indexed_at FROM messages WHERE id = $1", message_id
            )
        return None if row is None else Message(**row)

    async def find(self, ids: Sequence[int]) -> dict[int, Message]:
        """Return those of the messages that exist, by id. Raises: DatabaseUnavailable, DatabaseNotMigrated."""
        async with self._connection() as connection:
            rows = await connection.fetch(
                "SELECT id, text, created_at, indexed_at FROM messages WHERE id = ANY($1)", ids
            )
        return {row["id"]: Message(**row) for row in rows}

    async def page(self, after: int, limit: int) -> tuple[int, tuple[Message, ...]]:
        """Return the number of all messages and those that follow `after`, oldest first.

        Raises: DatabaseUnavailable, DatabaseNotMigrated.
        """
        async with self._connection() as connection:
            count = await connection.fetchval("SELECT count(*) FROM messages")
            rows = await connection.fetch(
                "SELECT id, text, created_at, indexed_at FROM messages WHERE id > $1 ORDER BY id LIMIT $2", after, limit
            )
        return count, tuple(Message(**row) for row in rows)

    @asynccontextmanager
    async def pending(self, limit: int) -> AsyncIterator[tuple[Message, ...]]:
        """Give messages that are not searchable yet, oldest first; they count as searchable if the block succeeds.

        Raises: DatabaseUnavailable, DatabaseNotMigrated.
        """
        async with self._connection() as connection, connection.transaction():
            batch = tuple(Message(**row) for row in await connection.fetch(LOCK_PENDING, limit))
            yield batch
            if batch:
                ids = [message.id for message in batch]
                await connection.execute("UPDATE messages SET indexed_at = now() WHERE id = ANY($1)", ids)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Any]:
        try:
            async with self._pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection:
                with DB_CONNECTIONS.track_inprogress():
                    yield connection
        except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError) as error:
            raise DatabaseNotMigrated from error
        except UNAVAILABLE as error:
            raise DatabaseUnavailable from error
