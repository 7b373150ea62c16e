"""What all tests share: settings for the modules that read them at import, and no network."""

from __future__ import annotations

import os
import socket

import pytest

# chatbot.tasks reads its settings when it is imported, as `celery -A` wants.
os.environ |= {"REDIS_URL": "redis://dev:pw@redis.invalid:6379/0", "REDIS_KEY_PREFIX": "dev_", "LOG_LEVEL": "INFO"}


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every connection an error."""

    def refuse(_: socket.socket, address: object) -> None:
        raise AssertionError(f"a test connected to {address}")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture
def variables() -> dict[str, str]:
    """A complete environment for the web process, as a native run gives it."""
    return {
        "ENVIRONMENT": "dev",
        "ENV_PREFIX": "dev_",
        "DATABASE_URL": "postgresql+asyncpg://dev_app_1:pw@postgres:5432/dev_shia_chatbot",
        "REDIS_URL": "redis://dev:pw@redis:6379/0",
        "REDIS_KEY_PREFIX": "dev_",
        "SECRET_KEY": "key",
    }
