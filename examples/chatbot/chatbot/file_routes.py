"""The routes of files: names, limits, and bodies that pass through in pieces."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from starlette.requests import ClientDisconnect

from chatbot.errors import FileTooLarge
from chatbot.services import WithFiles

TOO_LARGE = f"A file may have at most {FileTooLarge.limit} bytes; nothing was stored."
NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"

Name = Annotated[str, Path(pattern=NAME, description="Letters, digits, `.`, `_` and `-`, at most 100.")]

router = APIRouter(prefix="/files", tags=["files"])


class StoredOut(BaseModel):
    """A file that was stored."""

    name: str
    size: int


class FileOut(StoredOut):
    """A file's entry in the list."""

    modified_at: datetime


class FilePage(BaseModel):
    """Some of the files, by name."""

    files: list[FileOut]


def _fits(request: Request) -> None:
    """Refuse what says itself that it is too large, before anything of it is read."""
    length = request.headers.get("content-length", "0")
    if length.isdigit() and int(length) > FileTooLarge.limit:
        raise HTTPException(413, TOO_LARGE)


@router.put("/{name}", dependencies=[Depends(_fits)])
async def put_file(name: Name, request: Request, files: WithFiles) -> StoredOut:
    """Store the body as a file, or replace the file."""
    try:
        return StoredOut(name=name, size=await files.put(name, request.stream()))
    except FileTooLarge:
        raise HTTPException(413, TOO_LARGE) from None
    except ClientDisconnect:
        raise HTTPException(400, "The body ended too early.") from None  # for the metrics: nobody reads it


@router.get("")
async def list_files(
    files: WithFiles,
    after: Annotated[str, Query(max_length=100)] = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> FilePage:
    """List the files that follow a name, by name."""
    found = await files.page(after, limit)
    return FilePage(files=[FileOut(name=file.name, size=file.size, modified_at=file.modified_at) for file in found])


@router.get("/{name}", response_class=StreamingResponse)
async def get_file(name: Name, files: WithFiles) -> Any:
    """Send a file; browsers save it and never run it."""
    found = await files.open(name)
    if found is None:
        raise HTTPException(404, f"There is no file {name}.")
    headers = {
        "content-length": str(found.size),
        "content-disposition": f'attachment; filename="{name}"',
        "x-content-type-options": "nosniff",
    }
    return StreamingResponse(found.content, media_type="application/octet-stream", headers=headers)


@router.delete("/{name}", status_code=204)
async def delete_file(name: Name, files: WithFiles) -> Response:
    """Delete a file, whether or not it is there."""
    await files.delete(name)
    return Response(status_code=204)
