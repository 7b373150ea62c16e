"""Files, on obstore's own store in memory; its errors, and how the bucket is addressed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from obstore.exceptions import GenericError, PermissionDeniedError
from obstore.store import MemoryStore

from chatbot import files
from chatbot.errors import FilesNotProvisioned, FilesUnavailable, FileTooLarge
from chatbot.files import Files
from chatbot.settings import Secret, StorageSettings


class FailingStore:
    """Whatever is asked fails with one error."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def put_async(self, *_: object, **__: object) -> None:
        raise self._error

    get_async = delete_async = put_async

    async def list(self, **_: object) -> AsyncIterator[Any]:
        raise self._error
        yield


async def pieces(*content: bytes) -> AsyncIterator[bytes]:
    for piece in content:
        yield piece


async def read(kept: Files, name: str) -> tuple[int, bytes]:
    download = await kept.open(name)
    assert download is not None
    return download.size, b"".join([piece async for piece in download.content])


def test_a_file_is_stored_read_replaced_and_deleted() -> None:
    async def walk() -> None:
        kept = Files(MemoryStore())
        assert await kept.put("a.bin", pieces(b"\0one", b"two")) == 7
        assert await read(kept, "a.bin") == (7, b"\0onetwo")
        assert await kept.put("a.bin", pieces()) == 0
        assert await read(kept, "a.bin") == (0, b"")
        await kept.delete("a.bin")
        await kept.delete("a.bin")
        assert await kept.open("a.bin") is None
        await kept.ping()

    asyncio.run(walk())


def test_files_are_listed_by_name_in_pages() -> None:
    async def walk() -> list[tuple[str, ...]]:
        kept = Files(MemoryStore())
        assert await kept.page("", 2) == ()
        for name in ("c", "a", "b"):
            await kept.put(name, pieces(b"x"))
        return [tuple(file.name for file in await kept.page(after, 2)) for after in ("", "b", "c")]

    assert asyncio.run(walk()) == [("a", "b"), ("c",), ()]


def test_the_largest_file_is_kept() -> None:
    half = b"x" * (FileTooLarge.limit // 2)
    assert asyncio.run(Files(MemoryStore()).put("a", pieces(half, half))) == FileTooLarge.limit


def test_a_file_too_large_is_given_up_early_and_the_old_one_stays() -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield b"x" * 1024**2

    async def walk() -> tuple[int, bytes]:
        kept = Files(MemoryStore())
        await kept.put("a", pieces(b"old"))
        with pytest.raises(FileTooLarge):
            await kept.put("a", endless())
        return await read(kept, "a")

    assert asyncio.run(walk()) == (3, b"old")
    assert taken == 11


@pytest.mark.parametrize("error", [PermissionDeniedError("403"), GenericError("refused"), TimeoutError()])
def test_a_server_that_refuses(error: Exception) -> None:
    kept = Files(FailingStore(error))  # type: ignore[arg-type]
    for call in (kept.ping(), kept.put("a", pieces(b"x")), kept.open("a"), kept.page("", 1), kept.delete("a")):
        with pytest.raises(FilesUnavailable):
            asyncio.run(call)


def test_a_missing_bucket() -> None:
    kept = Files(FailingStore(FileNotFoundError("NoSuchBucket")))  # type: ignore[arg-type]
    for call in (kept.ping(), kept.put("a", pieces(b"x")), kept.page("", 1)):
        with pytest.raises(FilesNotProvisioned):
            asyncio.run(call)


def test_the_bucket_is_addressed_by_path(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
    monkeypatch.setattr(files, "S3Store", lambda *args, **options: made.append((args, options)))
    files.connect(
        StorageSettings(
            endpoint_url="http://minio:9000",
            region="us-east-1",
            bucket="dev-uploads",
            access_key_id=Secret("dev"),
            secret_access_key=Secret("hunter2"),
        )
    )
    (((bucket,), options),) = made
    assert (bucket, options["endpoint"], options["virtual_hosted_style_request"]) == (
        "dev-uploads",
        "http://minio:9000",
        False,
    )
    assert (options["access_key_id"], options["secret_access_key"]) == ("dev", "hunter2")
    assert options["client_options"]["allow_http"] is True


def test_the_client_takes_these_settings() -> None:
    secure = StorageSettings(
        endpoint_url="https://s3.invalid",
        region="eu-central-1",
        bucket="dev-uploads",
        access_key_id=Secret("dev"),
        secret_access_key=Secret("hunter2"),
    )
    assert isinstance(files.connect(secure), Files)
