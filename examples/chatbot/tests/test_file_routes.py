"""The routes of files: names, limits, headers, and a storage that is not there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from obstore.exceptions import PermissionDeniedError
from test_api import Fakes
from test_files import FailingStore

from chatbot.errors import FileTooLarge

TOO_LARGE = {"detail": "A file may have at most 10485760 bytes; nothing was stored."}


@pytest.fixture
def fakes() -> Fakes:
    return Fakes()


@pytest.fixture
def client(fakes: Fakes, variables: dict[str, str]) -> Iterator[TestClient]:
    with fakes.client(variables) as client:
        yield client


def test_a_file_is_stored_sent_listed_and_deleted(client: TestClient) -> None:
    stored = client.put("/files/notes-1.2_final.txt", content=b"\0bytes")
    assert (stored.status_code, stored.json()) == (200, {"name": "notes-1.2_final.txt", "size": 6})
    sent = client.get("/files/notes-1.2_final.txt")
    assert (sent.status_code, sent.content) == (200, b"\0bytes")
    assert sent.headers["content-length"] == "6"
    assert sent.headers["content-type"] == "application/octet-stream"
    assert sent.headers["content-disposition"] == 'attachment; filename="notes-1.2_final.txt"'
    assert sent.headers["x-content-type-options"] == "nosniff"
    (listed,) = client.get("/files").json()["files"]
    assert (listed["name"], listed["size"]) == ("notes-1.2_final.txt", 6)
    assert client.get("/files?after=notes-1.2_final.txt").json() == {"files": []}
    assert client.delete("/files/notes-1.2_final.txt").status_code == 204
    absent = client.get("/files/notes-1.2_final.txt")
    assert (absent.status_code, absent.json()) == (404, {"detail": "There is no file notes-1.2_final.txt."})


@pytest.mark.parametrize("name", [".hidden", "..", "a b", "-x", "a%2Fb", "a%00", "a" * 101, "ü", "a\\b"])
@pytest.mark.parametrize("method", ["PUT", "GET", "DELETE"])
def test_a_bad_name_is_refused(client: TestClient, method: str, name: str) -> None:
    # `..` and `a/b` never reach the route: they are other addresses.
    assert client.request(method, f"/files/{name}").status_code in {404, 405, 422}
    assert client.get("/files").json() == {"files": []}


def test_a_file_that_says_it_is_too_large_is_not_read(client: TestClient) -> None:
    def body() -> Iterator[bytes]:
        raise AssertionError("read")
        yield b""

    answer = client.put("/files/a", content=body(), headers={"content-length": str(FileTooLarge.limit + 1)})
    assert (answer.status_code, answer.json()) == (413, TOO_LARGE)


def test_a_file_that_turns_out_too_large_is_not_stored(client: TestClient) -> None:
    def body() -> Iterator[bytes]:
        for _ in range(11):
            yield b"x" * 1024**2

    answer = client.put("/files/a", content=body())
    assert "content-length" not in answer.request.headers
    assert (answer.status_code, answer.json()) == (413, TOO_LARGE)
    assert client.get("/files").json() == {"files": []}


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", f"after={'a' * 101}"])
def test_a_bad_page_is_refused(client: TestClient, query: str) -> None:
    assert client.get(f"/files?{query}").status_code == 422


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (PermissionDeniedError("403\nsecond line"), "The object storage is not available."),
        (FileNotFoundError("NoSuchBucket"), "The object storage lacks this environment's bucket."),
    ],
)
def test_a_failing_storage_is_503(
    client: TestClient, fakes: Fakes, caplog: pytest.LogCaptureFixture, error: Exception, sentence: str
) -> None:
    fakes.files._store = FailingStore(error)  # type: ignore[union-attr, assignment]
    for answer in (client.put("/files/a", content=b"x"), client.get("/files")):
        assert (answer.status_code, answer.json()) == (503, {"detail": sentence})
    assert "second line" not in caplog.text


def test_files_that_are_not_configured_are_501(fakes: Fakes, variables: dict[str, str]) -> None:
    fakes.files = None
    sentence = "Files are not configured: set S3_ENDPOINT_URL, S3_BUCKET and their keys."
    with fakes.client(variables) as client:
        for answer in (
            client.put("/files/a", content=b"x"),
            client.get("/files/a"),
            client.get("/files"),
            client.delete("/files/a"),
        ):
            assert (answer.status_code, answer.json()) == (501, {"detail": sentence})
        assert "storage" not in client.get("/health").json()["checks"]


def test_health_asks_the_storage(client: TestClient, fakes: Fakes) -> None:
    assert client.get("/health").json()["checks"]["storage"] == "ok"
    fakes.files._store = FailingStore(PermissionDeniedError("403"))  # type: ignore[union-attr, assignment]
    answer = client.get("/health")
    assert (answer.status_code, answer.json()["checks"]["storage"]) == (503, "failed (FilesUnavailable)")
