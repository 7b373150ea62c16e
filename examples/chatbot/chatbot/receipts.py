"""Sign messages with SECRET_KEY, so that every replica of an environment can be seen to hold the same key."""

from __future__ import annotations

import hmac

from chatbot.settings import Secret


def sign(key: Secret, message_id: int, text: str) -> str:
    """Return the HMAC-SHA256, in hexadecimal, of `ID:TEXT`."""
    return hmac.new(key.reveal().encode(), f"{message_id}:{text}".encode(), "sha256").hexdigest()
