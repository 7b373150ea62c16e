"""Take the values of secrets out of what is shown."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote

from envmgr.model.secret import SecretValue

SHORTEST = 6
"""A shorter value is a word or a number that stands everywhere; hiding it would hide the message."""
HIDDEN = "********"


def mask(text: str, secrets: Iterable[SecretValue]) -> str:
    """Return a text without any secret's value, as it is, as a URL carries it, or a line of it."""
    for value in sorted({form for secret in secrets for form in _forms(secret.reveal())}, key=len, reverse=True):
        text = text.replace(value, HIDDEN)
    return text


def _forms(value: str) -> set[str]:
    whole = {value, value.strip(), quote(value, safe=""), *(line.strip() for line in value.splitlines())}
    return {form for form in whole if len(form) >= SHORTEST}
