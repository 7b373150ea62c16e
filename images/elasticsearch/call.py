"""One request, as the handlers see it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from errors import ApiError
from security import User


@dataclass(frozen=True, slots=True)
class Call:
    """Who asks, for what, with which body."""

    user: User
    path: Mapping[str, str]
    query: Mapping[str, str]
    raw: bytes

    @property
    def body(self) -> dict[str, Any]:
        """The body as a JSON object. Raises: `ApiError` when it is none."""
        try:
            document = json.loads(self.raw or b"{}")
        except ValueError as error:
            raise ApiError(400, "parse_exception", "request body is not valid JSON") from error
        if not isinstance(document, dict):
            raise ApiError(400, "parse_exception", "request body is not an object")
        return document

    def is_set(self, name: str) -> bool:
        """Tell whether an option of the address is given and not false."""
        return self.query.get(name, "false") != "false"


@dataclass(frozen=True, slots=True)
class Answer:
    """A document with a status of its own."""

    status: int
    document: Any
