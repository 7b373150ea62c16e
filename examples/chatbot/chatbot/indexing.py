"""Make stored messages searchable: what PostgreSQL has as pending goes to Qdrant; runs in the worker.

PostgreSQL alone knows what is pending, so neither Qdrant, Redis nor a worker can lose a message by being away.
"""

from __future__ import annotations

import asyncio

from chatbot.db import Messages, create_pool
from chatbot.embedding import embed
from chatbot.search import SearchIndex, open_index
from chatbot.settings import IndexSettings

BATCH = 100
BATCHES = 50  # a run ends well within the task's time limit; the next one goes on


async def index_pending(messages: Messages, index: SearchIndex) -> int:
    """Return how many messages became searchable.

    Raises: DatabaseUnavailable, DatabaseNotMigrated, SearchUnavailable, SearchNotProvisioned.
    """
    done = 0
    for _ in range(BATCHES):
        async with messages.pending(BATCH) as batch:
            if batch:
                await index.put({message.id: embed(message.text) for message in batch})
        done += len(batch)
        if len(batch) < BATCH:
            break
    return done


def run(settings: IndexSettings | None) -> int:
    """Open what indexing needs, index, close; do nothing where search is off. Raises: as `index_pending`."""
    return asyncio.run(_run(settings)) if settings else 0


async def _run(settings: IndexSettings) -> int:
    async with create_pool(settings.database_url, 1, "chatbot worker") as pool, open_index(settings.qdrant) as index:
        return await index_pending(Messages(pool), index)
