"""References to variables in a text, as the Compose Specification writes them: `$NAME`, `${NAME:-default}`."""

from __future__ import annotations

import re
from dataclasses import dataclass

_ANY = re.compile(r"\$\$|\$\{?([A-Za-z_][A-Za-z0-9_]*)")
_WHOLE = re.compile(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?:(:?[-?])([^${}]*))?\})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Reference:
    """A text that is nothing but one reference."""

    name: str
    default: str | None
    is_required: bool


def names(text: str) -> tuple[str, ...]:
    """Return the variables that a text names, each once."""
    return tuple(dict.fromkeys(match[1] for match in _ANY.finditer(text) if match[1]))


def whole(text: str) -> Reference | None:
    """Return the reference that a text consists of; None when it is more, less, or refers inside its default."""
    match = _WHOLE.fullmatch(text)
    if match is None:
        return None
    plain, braced, operator, rest = match.groups()
    is_required = bool(operator) and operator.endswith("?")
    return Reference(plain or braced, rest if operator and not is_required else None, is_required)
