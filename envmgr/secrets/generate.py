"""New passwords and keys."""

from __future__ import annotations

import secrets
from collections.abc import Iterable

from envmgr.model.needed import Needed

_BYTES = 32
"""256 bits: guessing is hopeless whatever the server's hash is."""


def generate(needed: Iterable[Needed]) -> dict[str, str]:
    """Return a new value for each, of letters, digits, `-` and `_` only: safe in every file, URL and shell."""
    return {need.name: secrets.token_urlsafe(_BYTES) for need in needed}
