"""The values of one command's secrets, and templates filled in with them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from envmgr.model.secret import SecretRef, SecretValue, Template


@dataclass(frozen=True, slots=True)
class Vault:
    """Values by target and name."""

    values: Mapping[str, Mapping[str, SecretValue]] = field(default_factory=dict)

    def fill(self, template: Template) -> str:
        """Return the text of a template; a secret that nobody set and nothing requires is empty."""
        return "".join(part if isinstance(part, str) else self._encoded(part) for part in template)

    def fill_all(self, templates: Mapping[str, Template]) -> dict[str, str]:
        """Return the texts of several templates."""
        return {name: self.fill(template) for name, template in templates.items()}

    def all(self) -> tuple[SecretValue, ...]:
        """Return every value, for those who must not show one."""
        return tuple(value for values in self.values.values() for value in values.values())

    def with_target(self, target: str, values: Mapping[str, str]) -> Vault:
        """Return a vault that knows one target more."""
        return Vault({**self.values, target: {name: SecretValue(value) for name, value in values.items()}})

    def _encoded(self, ref: SecretRef) -> str:
        value = self.values.get(ref.scope, {}).get(ref.name)
        text = value.reveal() if value else ""
        if ref.encoding == "url":
            return quote(text, safe="")
        if ref.encoding == "sha256":
            return hashlib.sha256(text.encode()).hexdigest()
        return text
