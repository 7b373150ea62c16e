"""Put the web process together: `chatbot.main:app`."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from chatbot import health, tasks
from chatbot.api import create_app
from chatbot.counts import Counts, read_counts
from chatbot.db import Messages, create_pool
from chatbot.jobs import Jobs
from chatbot.logs import configure_logging
from chatbot.metrics import forget_process
from chatbot.nudge import Nudge
from chatbot.services import Services
from chatbot.settings import QdrantSettings, StorageSettings, load_or_exit, read_web_settings

if TYPE_CHECKING:  # each is loaded only where it is configured
    from chatbot.files import Files
    from chatbot.search import SearchIndex

METRICS_TIMEOUT_S = 1.0

# uvicorn replaces a child process that dies, for ever, unless it exits with 3.
settings = load_or_exit(read_web_settings, exit_code=3 if multiprocessing.parent_process() else 1)
configure_logging(settings.log_level)
logger = logging.getLogger("chatbot")


def create_redis() -> Redis:
    """Return the client that /health and /metrics ask with; one retry, for a connection that the server closed."""
    timeout_s = health.TIMEOUT_S
    return Redis.from_url(
        settings.redis_url.reveal(),
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        retry=Retry(NoBackoff(), 1),
    )


async def counts(redis: Redis) -> Counts:
    """Return what the workers counted; nothing when Redis does not say it soon, for /metrics has more to tell."""
    try:
        return await asyncio.wait_for(read_counts(redis, tasks.settings.key_prefix), METRICS_TIMEOUT_S)
    except (RedisError, OSError) as error:  # TimeoutError is an OSError
        logger.warning("the workers' numbers are missing in /metrics: %s", type(error).__name__)
        return Counts()


async def open_search(stack: AsyncExitStack, where: QdrantSettings | None) -> SearchIndex | None:
    """Return the index, where search is on."""
    if where is None:
        return None
    from chatbot.search import open_index

    return await stack.enter_async_context(open_index(where))


def open_files(where: StorageSettings | None) -> Files | None:
    """Return the files, where they are on."""
    if where is None:
        return None
    from chatbot.files import connect

    return connect(where)


@asynccontextmanager
async def open_services() -> AsyncIterator[Services]:
    """Open what the routes use; nothing is connected before its first use."""
    logger.info("environment %s, release %s, process %d", settings.environment, settings.release, os.getpid())
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(create_redis())
        pool = await stack.enter_async_context(create_pool(settings.database_url, settings.pool_size, "chatbot web"))
        search, files = await open_search(stack, settings.qdrant), open_files(settings.storage)
        messages, jobs = Messages(pool), Jobs()
        nudge = await stack.enter_async_context(Nudge(jobs.send_embed).running())
        pings: dict[str, health.Ping] = {"postgres": messages.ping, "redis": redis.ping}
        if search:
            pings["qdrant"] = search.ping
        if files:
            pings["storage"] = files.ping
        yield Services(
            settings=settings,
            messages=messages,
            jobs=jobs,
            pings=pings,
            read_counts=lambda: counts(redis),
            request_indexing=nudge.request if search else lambda: None,
            search=search,
            files=files,
        )
    forget_process()


app = create_app(settings.debug, open_services)
