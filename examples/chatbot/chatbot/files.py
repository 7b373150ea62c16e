"""Keep files in this environment's bucket of an S3 server; must not create buckets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from obstore.exceptions import BaseError
from obstore.store import S3Store

from chatbot.errors import FilesNotProvisioned, FilesUnavailable, FileTooLarge
from chatbot.settings import StorageSettings

if TYPE_CHECKING:
    from obstore.store import ObjectStore

CHUNK_BYTES = 64 * 1024
NOBODY = "health"  # a folder; file names have no slash, so it stays empty


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file's entry in the list."""

    name: str
    size: int
    modified_at: datetime


@dataclass(frozen=True, slots=True)
class Download:
    """An open file: its size, and its content in pieces."""

    size: int
    content: AsyncIterator[bytes]


class Files:
    """The files of an environment, by name. Names are the caller's to check: this passes them on."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    async def ping(self) -> None:
        """List an empty folder with this environment's key. Raises: FilesUnavailable, FilesNotProvisioned."""
        with _translated():
            async for _ in self._store.list(prefix=NOBODY):
                pass

    async def put(self, name: str, body: AsyncIterator[bytes]) -> int:
        """Store all or nothing, and return the size. Raises: FileTooLarge, FilesUnavailable, FilesNotProvisioned."""
        content = await _collect(body)
        with _translated():
            # One request, not several parts: the limit is two parts of S3's least size, and no part can be left behind.
            await self._store.put_async(name, content, use_multipart=False)
        return len(content)

    async def open(self, name: str) -> Download | None:
        """Raises: FilesUnavailable; the content raises it too."""
        with _translated():
            try:
                found = await self._store.get_async(name)
            except FileNotFoundError:
                return None
        return Download(found.meta["size"], _pieces(found.stream(min_chunk_size=CHUNK_BYTES)))

    async def page(self, after: str, limit: int) -> tuple[StoredFile, ...]:
        """Return the files that follow `after`, by name. Raises: FilesUnavailable, FilesNotProvisioned."""
        with _translated():
            async for entries in self._store.list(offset=after or None, chunk_size=limit):
                return tuple(StoredFile(entry["path"], entry["size"], entry["last_modified"]) for entry in entries)
        return ()

    async def delete(self, name: str) -> None:
        """Delete a file, if it is there. Raises: FilesUnavailable."""
        with _translated():
            try:
                await self._store.delete_async(name)
            except FileNotFoundError:
                return


def connect(settings: StorageSettings) -> Files:
    """Nothing is connected before its first use."""
    store = S3Store(
        settings.bucket,
        endpoint=settings.endpoint_url,
        region=settings.region,
        access_key_id=settings.access_key_id.reveal(),
        secret_access_key=settings.secret_access_key.reveal(),
        virtual_hosted_style_request=False,  # http://SERVER/BUCKET/NAME: the server has one host name
        client_options={
            "allow_http": settings.endpoint_url.startswith("http://"),
            "connect_timeout": timedelta(seconds=2),
            "read_timeout": timedelta(seconds=10),  # the longest silence, the server's answer to an upload included
            "timeout": timedelta(minutes=5),  # of a whole request: a slow reader's download is one
        },
        retry_config={"max_retries": 1, "retry_timeout": timedelta(seconds=5)},
    )
    return Files(store)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise FilesNotProvisioned from error
    except (BaseError, OSError) as error:
        raise FilesUnavailable from error


async def _collect(body: AsyncIterator[bytes]) -> bytes:
    content = bytearray()
    async for piece in body:
        content += piece
        if len(content) > FileTooLarge.limit:
            raise FileTooLarge
    return bytes(content)


async def _pieces(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    with _translated():
        async for piece in stream:
            yield bytes(piece)
