"""Take all that an environment may have for some seconds: processors, memory, and all of its Redis."""

import multiprocessing
import os
import sys
import time
from pathlib import Path

import redis

SECONDS = float(sys.argv[1])
URL = Path(os.environ["REDIS_URL_FILE"]).read_text()
# Half a second without a pause, again and again: the server answers nobody meanwhile.
LOOP = "local n = 0 for i = 1, 3e7 do n = n + i end return n"


def burn() -> None:
    """Compute for nothing."""
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        sum(range(10_000))


def crowd() -> None:
    """Hold connections, as many as there are."""
    until, held = time.monotonic() + SECONDS, []
    while time.monotonic() < until:
        try:
            held.append(redis.Redis.from_url(URL))
            held[-1].ping()
        except (redis.RedisError, OSError):
            time.sleep(0.1)


def loop() -> None:
    """Keep Redis from everybody."""
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        try:
            redis.Redis.from_url(URL).eval(LOOP, 0)
        except (redis.RedisError, OSError):
            time.sleep(0.05)


if __name__ == "__main__":
    ballast = bytearray(int(sys.argv[2]) * 1024**2)
    ballast[::4096] = b"x" * len(ballast[::4096])
    each = [multiprocessing.Process(target=what) for what in (burn, burn, crowd, loop)]
    for one in each:
        one.start()
    for one in each:
        one.join()
