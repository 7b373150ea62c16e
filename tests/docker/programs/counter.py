"""A WSGI application whose every page counts in Redis, under its environment's prefix."""

import os
from pathlib import Path

import redis

PREFIX = os.environ["REDIS_KEY_PREFIX"]
client = redis.Redis.from_url(Path(os.environ["REDIS_URL_FILE"]).read_text(), socket_timeout=5)


def app(environ, start_response):
    if environ["PATH_INFO"] != "/health":
        client.incr(f"{PREFIX}visits")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"counted"]
