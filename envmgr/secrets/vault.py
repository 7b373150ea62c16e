"""The values of one command's secrets, and templates filled in with them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import assert_never
from urllib.parse import quote

from envmgr.model.needed import Needed
from envmgr.model.secret import SecretRef, SecretValue, SignedToken, Template

_HEADER = b'{"alg":"HS256","typ":"JWT"}'


@dataclass(frozen=True, slots=True)
class Vault:
    """Values by target and name."""

    values: Mapping[str, Mapping[str, SecretValue]] = field(default_factory=dict)

    def fill(self, template: Template) -> str:
        """Return the text of a template; a secret that nobody set and nothing requires is empty."""
        return "".join(self._part(part) for part in template)

    def fill_all(self, templates: Mapping[str, Template]) -> dict[str, str]:
        """Return the texts of several templates."""
        return {name: self.fill(template) for name, template in templates.items()}

    def secrets(self, needed: Iterable[Needed]) -> tuple[SecretValue, ...]:
        """Return the values that are secret, for those who must not show one; a login's name is none."""
        known = (self.values.get(need.scope, {}).get(need.name) for need in needed if need.is_secret)
        return tuple(value for value in known if value)

    def with_target(self, target: str, values: Mapping[str, str]) -> Vault:
        """Return a vault that knows one target more."""
        return Vault({**self.values, target: {name: SecretValue(value) for name, value in values.items()}})

    def _part(self, part: str | SecretRef | SignedToken) -> str:
        match part:
            case str():
                return part
            case SecretRef():
                return self._encoded(part)
            case SignedToken():
                key = self._encoded(part.key)
                return _signed(self.fill(part.claims), key) if key else ""
            case _:
                assert_never(part)

    def _encoded(self, ref: SecretRef) -> str:
        value = self.values.get(ref.scope, {}).get(ref.name)
        text = value.reveal() if value else ""
        if ref.encoding == "url":
            return quote(text, safe="")
        if ref.encoding == "sha256":
            return hashlib.sha256(text.encode()).hexdigest()
        if ref.encoding == "json":
            return json.dumps(text)[1:-1]
        return text


def _signed(claims: str, key: str) -> str:
    """Return a token in its compact form: header, claims and signature, each as base64url without padding."""
    text = f"{_base64url(_HEADER)}.{_base64url(claims.encode())}"
    return f"{text}.{_base64url(hmac.digest(key.encode(), text.encode(), hashlib.sha256))}"


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
