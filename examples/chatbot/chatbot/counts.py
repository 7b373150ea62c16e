"""What the workers of an environment count together in Redis; imported by every process, so it imports very little.

The web process shows these numbers: a worker has no port to be asked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

TASKS_KEY = "chatbot:tasks"  # a hash: `STATE NAME` → how many runs ended so
HEARTBEAT_KEY = "chatbot:heartbeat"  # seconds since 1970


@dataclass(frozen=True, slots=True)
class Counts:
    """Ended runs of tasks by (name, state), and when beat and a worker last worked together, in seconds since 1970."""

    tasks: Mapping[tuple[str, str], int] = field(default_factory=dict)
    heartbeat: float | None = None


def count_task(redis: Any, key_prefix: str, name: str, state: str) -> None:
    """Add one; `redis` is a blocking client. Raises: RedisError."""
    redis.hincrby(f"{key_prefix}{TASKS_KEY}", f"{state} {name}", 1)


def note_heartbeat(redis: Any, key_prefix: str, now: float) -> None:
    """Replace the time of the last heartbeat. Raises: RedisError."""
    redis.set(f"{key_prefix}{HEARTBEAT_KEY}", f"{now:.3f}")


async def read_counts(redis: Any, key_prefix: str) -> Counts:
    """Return the numbers of this environment; `redis` is an asyncio client. Raises: RedisError, OSError."""
    tasks = await redis.hgetall(f"{key_prefix}{TASKS_KEY}")
    heartbeat = await redis.get(f"{key_prefix}{HEARTBEAT_KEY}")
    return Counts(
        {_name_and_state(name.decode()): int(count) for name, count in tasks.items()},
        float(heartbeat) if heartbeat else None,
    )


def _name_and_state(name: str) -> tuple[str, str]:
    state, _, task = name.partition(" ")
    return task, state
