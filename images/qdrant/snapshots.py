"""Snapshots of a collection: one file each, with its configuration and all its points, in the snapshot folder."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import shutil
import time
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python
from qdrant_client.http import models
from qdrant_client.local.qdrant_local import QdrantLocal

_NAME = re.compile(r"[A-Za-z0-9_.-]+\.snapshot")
_PAGE = 1000


class BadSnapshot(Exception):
    """A file that no collection can be made from."""


class Snapshots:
    """The snapshot folder of one server."""

    def __init__(self, local: QdrantLocal, folder: Path) -> None:
        self._local = local
        self._folder = folder

    def listed(self, collection: str) -> list[models.SnapshotDescription]:
        """Describe a collection's snapshots, oldest first."""
        return [_described(path) for path in sorted((self._folder / collection).glob("*.snapshot"))]

    def path(self, collection: str, name: str) -> Path | None:
        """Return a snapshot's file, none when there is no such snapshot."""
        path = self._folder / collection / name
        return path if _NAME.fullmatch(name) and path.is_file() else None

    def create(self, collection: str) -> models.SnapshotDescription:
        """Write a snapshot of a collection; it appears under its name only when it is complete."""
        document = {
            "config": to_jsonable_python(self._local.collections[collection].config),
            "points": [to_jsonable_python(point) for point in self._points(collection)],
        }
        stamp = time.strftime("%Y-%m-%d-%H-%M-%S", time.gmtime())
        path = self._folder / collection / f"{collection}-{time.time_ns() % 10**9:09}-{stamp}.snapshot"
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part")
        unfinished.write_bytes(gzip.compress(json.dumps(document).encode()))
        return _described(unfinished.rename(path))

    def recover(self, collection: str, content: bytes) -> None:
        """Replace a collection by what a snapshot holds. Raises: `BadSnapshot`, with nothing changed."""
        config, points = _read(content)
        self._local.delete_collection(collection)
        self._local.create_collection(collection, config.vectors, config.sparse_vectors, config.metadata)
        self._local.upsert(collection, points)

    def forget(self, collection: str) -> None:
        """Delete a collection's snapshots with the collection, as the server does."""
        shutil.rmtree(self._folder / collection, ignore_errors=True)

    def _points(self, collection: str) -> list[models.PointStruct]:
        points: list[Any] = []
        page, following = self._local.scroll(collection, limit=_PAGE, with_vectors=True)
        points += page
        while following is not None:
            page, following = self._local.scroll(collection, limit=_PAGE, offset=following, with_vectors=True)
            points += page
        return [models.PointStruct(id=one.id, vector=one.vector or {}, payload=one.payload) for one in points]


def _described(path: Path) -> models.SnapshotDescription:
    status = path.stat()
    return models.SnapshotDescription(
        name=path.name,
        size=status.st_size,
        creation_time=time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(status.st_mtime)),
        checksum=hashlib.sha256(path.read_bytes()).hexdigest(),
    )


def _read(content: bytes) -> tuple[models.CreateCollection, list[models.PointStruct]]:
    try:
        document = json.loads(gzip.decompress(content))
        points = TypeAdapter(list[models.PointStruct]).validate_python(document["points"])
        return models.CreateCollection.model_validate(document["config"]), points
    except (OSError, EOFError, ValueError, KeyError, TypeError, ValidationError) as error:
        raise BadSnapshot("the file is no snapshot of this stand-in") from error
