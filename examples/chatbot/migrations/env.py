"""Run the migrations over asyncpg on DATABASE_URL, one runner at a time."""

from __future__ import annotations

import asyncio

import asyncpg
from alembic import context
from sqlalchemy import Connection, NullPool, text
from sqlalchemy.ext.asyncio import create_async_engine

from chatbot.db import connection_arguments
from chatbot.logs import configure_logging
from chatbot.models import metadata
from chatbot.settings import Secret, load_or_exit, read_database_url

LOCK = "SELECT pg_advisory_xact_lock(hashtext('chatbot migrations'))"
LOCK_TIMEOUT = "15s"  # give up rather than queue all readers behind a waiting ALTER TABLE


def migrate(connection: Connection) -> None:
    """Apply what is missing, in one transaction."""
    context.configure(connection=connection, target_metadata=metadata)
    with context.begin_transaction():
        connection.execute(text(LOCK))
        context.run_migrations()


async def connect_and_migrate(url: Secret) -> None:
    """Stop with one sentence when the database does not let us in."""
    arguments = connection_arguments(url, "chatbot migrate", lock_timeout=LOCK_TIMEOUT)
    arguments["command_timeout"] = None  # a migration may take long
    try:
        opened = await asyncpg.connect(**arguments)
    except (OSError, asyncpg.PostgresError) as error:
        raise SystemExit(f"chatbot: no connection to the database of DATABASE_URL ({type(error).__name__}: {error}).") from None

    async def give() -> asyncpg.Connection:
        return opened

    engine = create_async_engine("postgresql+asyncpg://", async_creator=give, poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(migrate)


def print_sql() -> None:
    """`alembic upgrade --sql`: needs no database."""
    context.configure(dialect_name="postgresql", target_metadata=metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()


configure_logging("INFO", stream="stderr")  # stdout is for what was asked: `current`, `upgrade --sql`
if context.is_offline_mode():
    print_sql()
else:
    asyncio.run(connect_and_migrate(load_or_exit(read_database_url)))
