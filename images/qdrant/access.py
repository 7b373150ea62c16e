"""Who may do what: API keys and the JSON web tokens signed with them, as Qdrant's documentation defines them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from stand_in.settings import same, setting

_LEEWAY_SECONDS = 30


@dataclass(frozen=True)
class Refused(Exception):
    """A request that is not allowed; `status` is 401 without a valid key, 403 with one that is too small."""

    status: int
    message: str


@dataclass(frozen=True, slots=True)
class Access:
    """What one request may touch: everything, or the named collections."""

    everywhere: Literal["m", "r", ""] = ""
    collections: Mapping[str, Literal["rw", "r"]] = field(default_factory=dict)
    proof: Mapping[str, Any] = field(default_factory=dict)
    """The token's `value_exists`: it is valid while a point of a collection holds these values."""

    def to_everything(self, *, manage: bool) -> None:
        """Raises: `Refused` without access to all collections."""
        if not self.everywhere:
            raise Refused(403, "Forbidden: Global access is required")
        if manage and self.everywhere != "m":
            raise Refused(403, "Forbidden: Global manage access is required")

    def to_collection(self, name: str, *, write: bool) -> None:
        """Raises: `Refused` without access to the collection's points."""
        if self.everywhere:
            return self.to_everything(manage=write)
        if name not in self.collections:
            raise Refused(403, f"Forbidden: Access to collection {name} is required")
        if write and self.collections[name] != "rw":
            raise Refused(403, f"Forbidden: Write access to collection {name} is required")
        return None

    def sees(self, name: str) -> bool:
        """Tell whether a collection belongs into a list of collections."""
        return bool(self.everywhere) or name in self.collections


class Keys:
    """The keys that the server was started with; without any, everybody may do everything."""

    def __init__(self) -> None:
        self._managing = [setting(f"QDRANT__SERVICE__{name}") for name in ("API_KEY", "ALT_API_KEY")]
        self._managing = [key for key in self._managing if key]
        self._reading = setting("QDRANT__SERVICE__READ_ONLY_API_KEY")
        self._takes_tokens = setting("QDRANT__SERVICE__JWT_RBAC").lower() in ("true", "1")

    def access(self, headers: Mapping[str, str]) -> Access:
        """Return what a request's key or token allows. Raises: `Refused`."""
        if not self._managing and not self._reading:
            return Access("m")
        given = headers.get("api-key") or headers.get("authorization", "").removeprefix("Bearer ")
        if not given:
            raise Refused(401, "Unauthorized: Must provide an API key or an Authorization bearer token")
        if any(same(given, key) for key in self._managing):
            return Access("m")
        if self._reading and same(given, self._reading):
            return Access("r")
        return self._token_access(given)

    def _token_access(self, token: str) -> Access:
        claims = _claims(token) if self._takes_tokens else None
        if claims is None:
            raise Refused(401, "Unauthorized: Invalid API key or JWT")
        if not any(_is_signed(token, key) for key in self._managing):
            raise Refused(403, "Forbidden: InvalidSignature")
        if claims.get("exp", math.inf) < time.time() - _LEEWAY_SECONDS:
            raise Refused(403, "Forbidden: ExpiredSignature")
        return replace(_granted(claims.get("access", "m")), proof=claims.get("value_exists") or {})


def _claims(token: str) -> dict[str, Any] | None:
    """Return a token's claims, none for what Qdrant takes for no token."""
    try:
        header, claims, _ = (_decoded(part) for part in token.split("."))
        algorithm, read = json.loads(header)["alg"], json.loads(claims)
        return read if algorithm == "HS256" and isinstance(read.get("exp", 0), int) else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _is_signed(token: str, key: str) -> bool:
    signed, _, signature = token.rpartition(".")
    return hmac.compare_digest(hmac.digest(key.encode(), signed.encode(), hashlib.sha256), _decoded(signature))


def _decoded(part: str) -> bytes:
    try:
        return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error


def _granted(claim: Any) -> Access:
    if claim in ("m", "r"):
        return Access(claim)
    granted: dict[str, Any] = {}
    for one in claim if isinstance(claim, list) else [None]:
        # Qdrant refuses a collection named twice, and the payload filters that it once had.
        match one:
            case {"collection": str(name), "access": ("r" | "rw") as level} if name not in granted and len(one) == 2:
                granted[name] = level
            case _:
                raise Refused(401, "Unauthorized: Invalid API key or JWT")
    return Access(collections=granted)
