"""Values that a stack needs from outside its spec."""

from __future__ import annotations

from enum import StrEnum

from envmgr.model.value import dataclass


class Origin(StrEnum):
    """Where the value of a needed secret comes from."""

    GENERATED = "generated"
    """envmgr makes it when nobody has set it."""
    OPERATOR = "operator"
    """Only the operator can know it."""


@dataclass(frozen=True, slots=True)
class Needed:
    """A value that a stack needs from the `.env` files."""

    name: str
    scope: str
    """Target whose files hold it."""
    is_secret: bool
    origin: Origin
    is_required: bool = True
    default: str | None = None
    from_shell: bool = False
    file: str = ""
    """Text file whose content is the value, relative to the spec; empty: it stands in the `.env` files."""
    place: str = ""
    """Dotted place in the spec that asks for it."""
