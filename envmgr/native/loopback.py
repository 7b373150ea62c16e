"""Addresses that only containers understand become those of the host's loopback; pure.

A service is known on its networks as NAME:PORT, and to the desk by the port that it publishes. What is rewritten is
`NAME:PORT`, `//NAME` without a port in a URL of its scheme's default port, and pairs of variables X_HOST and X_PORT.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from envmgr.model.secret import Template
from envmgr.model.stack import Service, Stack
from envmgr.model.value import dataclass

ADDRESS = "127.0.0.1"
_DEFAULT_PORTS = {"http": 80, "https": 443}
_WORD = r"[A-Za-z0-9_.-]"


@dataclass(frozen=True, slots=True)
class Loopback:
    """Where services that containers know by name are found from the desk."""

    published: Mapping[tuple[str, int], int]
    """(name, port inside) → port on the loopback."""
    names: frozenset[str]
    """Everything that has a name on the networks, published or not."""

    @classmethod
    def of(cls, stacks: Iterable[Stack]) -> Loopback:
        """Return what the services of some stacks publish; a server of a later stack hides one of its name before."""
        named = {name: one for stack in stacks for one in (*stack.services, *stack.native) for name in _names(one)}
        found = {(name, port.target): port.published for name, one in named.items() for port in one.ports}
        return cls(found, frozenset(named))

    def rewrite(self, text: str) -> str:
        """Return a value with every address that is published rewritten."""
        for (name, port), published in self.published.items():
            text = re.sub(rf"(?<!{_WORD}){re.escape(name)}:{port}(?![0-9])", f"{ADDRESS}:{published}", text)
            for scheme, default in _DEFAULT_PORTS.items():
                if port == default:
                    bare = rf"(?<={scheme}://){re.escape(name)}(?=[/?#]|$)"
                    text = re.sub(bare, f"{ADDRESS}:{published}", text)
        return text

    def rewrite_template(self, template: Template) -> Template:
        """Return a template whose literal parts are rewritten; an address is never a secret's part."""
        return tuple(self.rewrite(part) if isinstance(part, str) else part for part in template)

    def rewrite_all(self, variables: Mapping[str, str]) -> dict[str, str]:
        """Return variables with addresses rewritten, those included that are split in two."""
        found = {name: self.rewrite(value) for name, value in variables.items()}
        for name, value in variables.items():
            port = variables.get(f"{name.removesuffix('_HOST')}_PORT", "") if name.endswith("_HOST") else ""
            published = self.published.get((value, int(port))) if port.isdigit() else None
            if published is not None:
                found |= {name: ADDRESS, f"{name.removesuffix('_HOST')}_PORT": str(published)}
        return found

    def unreachable(self, text: str) -> tuple[str, ...]:
        """Return the addresses in a value that name a service and that nothing publishes: `redis:6379`."""
        found = re.findall(rf"(?<!{_WORD})({_WORD}+):([0-9]{{1,5}})(?![0-9])", self.rewrite(text))
        return tuple(f"{name}:{port}" for name, port in found if name in self.names)


def _names(service: Service) -> tuple[str, ...]:
    return (service.name, *service.aliases)
