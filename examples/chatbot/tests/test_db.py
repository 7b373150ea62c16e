"""The database: connection arguments and the translation of errors, with a fake pool."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from chatbot.db import DatabaseNotMigrated, DatabaseUnavailable, Messages, connection_arguments
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

    fetchval = fetchrow


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
        (asyncpg.SyntaxOrAccessError("a bug"), asyncpg.SyntaxOrAccessError),
    ],
)
def test_errors_are_translated(error: Exception, translated: type[Exception]) -> None:
    messages = Messages(FailingPool(error))  # type: ignore[arg-type]
    for call in (messages.add("x"), messages.get(1), messages.page(0, 1)):
        with pytest.raises(translated):
            asyncio.run(call)


def test_a_ping_fails_untranslated() -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        asyncio.run(Messages(FailingPool(asyncpg.InvalidPasswordError("no"))).ping())  # type: ignore[arg-type]
