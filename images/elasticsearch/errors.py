"""The one exception that becomes Elasticsearch's error document."""

from __future__ import annotations

from typing import Any


class ApiError(Exception):
    """A request that is refused: its status, Elasticsearch's name for the reason, and the reason."""

    def __init__(self, status: int, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.cause = {"type": kind, "reason": reason}

    def document(self) -> dict[str, Any]:
        """Return the answer's body."""
        return {"error": {"root_cause": [self.cause], **self.cause}, "status": self.status}


def missing_index(name: str) -> ApiError:
    """Return the refusal of a request to an index that does not exist."""
    return ApiError(404, "index_not_found_exception", f"no such index [{name}]")
