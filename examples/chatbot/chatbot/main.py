"""Put the web process together: `chatbot.main:app`."""

from __future__ import annotations

import logging
import multiprocessing
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from chatbot import health
from chatbot.api import Services, create_app
from chatbot.db import Messages, create_pool
from chatbot.jobs import Jobs
from chatbot.logs import configure_logging
from chatbot.metrics import forget_process
from chatbot.settings import load_or_exit, read_web_settings

# uvicorn replaces a child process that dies, for ever, unless it exits with 3.
settings = load_or_exit(read_web_settings, exit_code=3 if multiprocessing.parent_process() else 1)
configure_logging(settings.log_level)
logger = logging.getLogger("chatbot")


def create_redis() -> Redis:
    """Return the client that /health asks with; one retry, for a connection that the server closed meanwhile."""
    timeout_s = health.TIMEOUT_S
    return Redis.from_url(
        settings.redis_url.reveal(),
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        retry=Retry(NoBackoff(), 1),
    )


@asynccontextmanager
async def open_services() -> AsyncIterator[Services]:
    """Open what the routes use; nothing is connected before its first use."""
    logger.info("environment %s, release %s, process %d", settings.environment, settings.release, os.getpid())
    async with create_redis() as redis, create_pool(settings.database_url, settings.pool_size, "chatbot web") as pool:
        messages = Messages(pool)
        yield Services(settings, messages, Jobs(), {"postgres": messages.ping, "redis": redis.ping})
    forget_process()


app = create_app(settings.debug, open_services)
