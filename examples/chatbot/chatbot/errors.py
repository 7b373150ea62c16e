"""What can go wrong with the servers that the application uses.

Unavailable                 one sentence for whoever asked; the cause is for the log
├── DatabaseUnavailable     DatabaseNotMigrated
├── QueueUnavailable
├── SearchUnavailable       SearchNotProvisioned
└── FilesUnavailable        FilesNotProvisioned
FileTooLarge
"""

from __future__ import annotations

from typing import ClassVar


class Unavailable(Exception):
    """A server cannot do what was asked of it now."""

    sentence: ClassVar[str]


class DatabaseUnavailable(Unavailable):
    """The database refused, did not answer, or went away during the query."""

    sentence = "The database is not available."


class DatabaseNotMigrated(Unavailable):
    """A table or a column does not exist yet."""

    sentence = "The database lacks a table or a column: run `alembic upgrade head`."


class QueueUnavailable(Unavailable):
    """Redis refused, or did not answer in time."""

    sentence = "The task queue is not available."


class SearchUnavailable(Unavailable):
    """Qdrant refused, did not answer in time, or answered something else than Qdrant does."""

    sentence = "The search index is not available."


class SearchNotProvisioned(Unavailable):
    """The collection does not exist, or its vectors have another size or distance."""

    sentence = "The search index lacks this environment's collection, or it was made for other vectors."


class FilesUnavailable(Unavailable):
    """The object storage refused, or did not answer in time."""

    sentence = "The object storage is not available."


class FilesNotProvisioned(Unavailable):
    """The bucket does not exist."""

    sentence = "The object storage lacks this environment's bucket."


class FileTooLarge(Exception):
    """More than `limit` bytes arrived; nothing was stored."""

    limit: ClassVar[int] = 10 * 1024**2
