"""Text that may hold secrets: references while it travels through documents, redacted values at the last step."""

from __future__ import annotations

import hmac
from typing import Literal

from envmgr.model.value import dataclass

Encoding = Literal["plain", "url", "sha256", "json"]


@dataclass(frozen=True, slots=True)
class SecretRef:
    """A secret by name, never its value."""

    name: str
    scope: str
    """The target whose secrets hold it: an environment, or `infra`."""
    encoding: Encoding = "plain"
    """`url` percent-encodes for a URL's user part, `sha256` gives 64 hexadecimal digits, `json` what stands
    between the quotes of a JSON string."""


@dataclass(frozen=True, slots=True)
class SignedToken:
    """A JSON Web Token, made and signed (HS256, RFC 7515) when the value of its key is known."""

    key: SecretRef
    claims: tuple[str | SecretRef, ...]
    """JSON, as it is signed; without a time, so that it is the same token each time."""


Template = tuple[str | SecretRef | SignedToken, ...]
"""Literal text, references and tokens, joined without anything between them."""


class SecretValue:
    """A secret's value; its repr, str and format are redacted, `reveal` is the one way out.

    No dataclass: `asdict` and its like would look inside.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the value."""
        return self._value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretValue) and hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return "SecretValue(********)"

    def __str__(self) -> str:
        return "********"

    def __deepcopy__(self, _memo: object) -> SecretValue:
        return self

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("a secret is not serialised")


def references(template: Template) -> tuple[SecretRef, ...]:
    """Return the secrets that a template needs."""
    return tuple(ref for part in template for ref in _references(part))


def _references(part: str | SecretRef | SignedToken) -> tuple[SecretRef, ...]:
    match part:
        case str():
            return ()
        case SecretRef():
            return (part,)
        case SignedToken():
            return (part.key, *references(part.claims))
