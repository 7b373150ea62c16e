"""Keep indices, their documents, and named entries such as users and roles, in one SQLite file."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from errors import ApiError, missing_index

_SCHEMA = """
PRAGMA journal_mode = WAL;
CREATE TABLE IF NOT EXISTS entries (kind TEXT, name TEXT, body TEXT, PRIMARY KEY (kind, name));
CREATE TABLE IF NOT EXISTS documents (
  place TEXT, id TEXT, version INTEGER, body TEXT, PRIMARY KEY (place, id)
);
"""
_INDEX = re.compile(r"(?![-_+])(?!\.{1,2}$)[^A-Z\\/*?\"<>| ,#:\x00-\x1f]{1,255}")

Entry = dict[str, Any]


class Store:
    """One data folder. Whoever changes something calls `commit` at the end, or `rollback`."""

    def __init__(self, folder: Path) -> None:
        self._base = sqlite3.connect(folder / "stand-in.sqlite3")
        self._base.executescript(_SCHEMA)
        self.commit = self._base.commit
        self.rollback = self._base.rollback

    def entry(self, kind: str, name: str) -> Entry | None:
        """Return a named entry: of an index, user, role, password or repository."""
        row = self._base.execute("SELECT body FROM entries WHERE kind = ? AND name = ?", (kind, name)).fetchone()
        return json.loads(row[0]) if row else None

    def entries(self, kind: str) -> dict[str, Entry]:
        """Return all entries of a kind by name, in the order of the names."""
        rows = self._base.execute("SELECT name, body FROM entries WHERE kind = ? ORDER BY name", (kind,))
        return {name: json.loads(body) for name, body in rows}

    def keep(self, kind: str, name: str, body: Entry) -> bool:
        """Keep an entry; tell whether it is new."""
        is_new = self.entry(kind, name) is None
        self._base.execute("INSERT OR REPLACE INTO entries VALUES (?, ?, ?)", (kind, name, json.dumps(body)))
        return is_new

    def drop(self, kind: str, name: str) -> bool:
        """Remove an entry; tell whether there was one."""
        return self._base.execute("DELETE FROM entries WHERE kind = ? AND name = ?", (kind, name)).rowcount > 0

    def create_index(self, name: str, body: Entry) -> None:
        """Make an index."""
        if not _INDEX.fullmatch(name):
            raise ApiError(400, "invalid_index_name_exception", f"Invalid index name [{name}]")
        if self.entry("index", name) is not None:
            raise ApiError(400, "resource_already_exists_exception", f"index [{name}] already exists")
        self.keep("index", name, body)

    def delete_index(self, name: str) -> None:
        """Remove an index with its documents."""
        if not self.drop("index", name):
            raise missing_index(name)
        self._base.execute("DELETE FROM documents WHERE place = ?", (name,))

    def document(self, index: str, identity: str) -> tuple[int, Entry] | None:
        """Return version and source of a document."""
        row = self._base.execute(
            "SELECT version, body FROM documents WHERE place = ? AND id = ?", (index, identity)
        ).fetchone()
        return (row[0], json.loads(row[1])) if row else None

    def documents(self, index: str) -> Iterator[tuple[str, int, Entry]]:
        """Yield id, version and source of all documents, in the order of their arrival."""
        rows = self._base.execute("SELECT id, version, body FROM documents WHERE place = ? ORDER BY rowid", (index,))
        yield from ((identity, version, json.loads(body)) for identity, version, body in rows)

    def put(self, index: str, identity: str, source: Entry) -> int:
        """Keep a document; return its version."""
        found = self.document(index, identity)
        version = found[0] + 1 if found else 1
        self._base.execute(
            "INSERT INTO documents VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET version = ?3, body = ?4",
            (index, identity, version, json.dumps(source)),
        )
        return version

    def delete(self, index: str, identity: str) -> int | None:
        """Remove a document; return the version that its deletion counts as, none when there was none."""
        found = self.document(index, identity)
        self._base.execute("DELETE FROM documents WHERE place = ? AND id = ?", (index, identity))
        return found[0] + 1 if found else None
