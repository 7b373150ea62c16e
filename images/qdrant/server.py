"""Serve Qdrant's REST interface, as far as this project uses it, from qdrant-client's local mode.

Requests are answered one after the other on one thread: the local mode is not made for more.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from access import Access, Keys, Refused
from points import OPERATIONS
from pydantic import ValidationError
from pydantic_core import to_jsonable_python
from qdrant_client.http import models
from qdrant_client.local.qdrant_local import QdrantLocal
from snapshots import BadSnapshot, Snapshots
from stand_in.settings import setting, writable
from stand_in.web import body_of, run
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

VERSION = "1.19.1"
_BODY_LIMIT = 32 * 1024 * 1024
"""Bytes; Qdrant's own default."""
_COLLECTION = re.compile(r"(?!\.{1,2}$)[^<>:\"/\\|?*\x00-\x1f]{1,255}")
_SNAPSHOT_LIMIT = 1024 * 1024 * 1024

_Handler = Callable[[Request, Access], Any]


class Failed(Exception):
    """A request that is allowed and cannot be carried out."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Server:
    """One server: its collections, its snapshots, and who may reach them."""

    def __init__(self, storage: Path, snapshots: Path) -> None:
        self._local = QdrantLocal(str(storage))
        self._snapshots = Snapshots(self._local, snapshots)
        self._keys = Keys()

    def app(self) -> Starlette:
        """Return the application with all routes."""
        one = "/collections/{name}"
        kept = f"{one}/snapshots"
        return Starlette(
            routes=[
                Route("/", self._version),
                *(Route(f"/{path}", self._healthy) for path in ("healthz", "livez", "readyz")),
                self._route("GET", "/metrics", self._metrics),
                self._route("GET", "/collections", self._list),
                self._route("GET", one, self._describe),
                self._route("PUT", one, self._create),
                self._route("DELETE", one, self._delete),
                self._route("GET", f"{one}/exists", self._exists),
                self._route("GET", f"{one}/points/{{id}}", self._point),
                self._route("GET", kept, self._list_snapshots),
                self._route("POST", kept, self._create_snapshot),
                self._route("POST", f"{kept}/upload", self._upload_snapshot),
                self._route("PUT", f"{kept}/recover", self._recover_snapshot),
                self._route("GET", f"{kept}/{{snapshot}}", self._download_snapshot),
                self._route("DELETE", f"{kept}/{{snapshot}}", self._delete_snapshot),
                *(self._route(method, f"{one}/{path}", self._operate(method, path)) for method, path in OPERATIONS),
                Route("/{path:path}", self._unknown, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
            ]
        )

    def _route(self, method: str, path: str, handler: _Handler) -> Route:
        async def answer(request: Request) -> Response:
            started = time.perf_counter()
            try:
                result = await handler(request, self._access(request))
            except Refused as refused:
                return PlainTextResponse(refused.message, refused.status)
            except (Failed, BadSnapshot, ValueError) as error:
                return _failure(error, started)
            return result if isinstance(result, Response) else _envelope("ok", started, result=result)

        return Route(path, answer, methods=[method])

    def _access(self, request: Request) -> Access:
        access = self._keys.access(request.headers)
        if access.proof and not self._is_proven(access):
            raise Refused(401, "Unauthorized: Invalid JWT, stateful validation failed")
        return access

    def _is_proven(self, access: Access) -> bool:
        wanted = [
            models.FieldCondition(key=one["key"], match=models.MatchValue(value=one["value"]))
            for one in access.proof["matches"]
        ]
        collection = access.proof["collection"]
        if collection not in self._local.collections:
            raise Refused(403, "Forbidden: Invalid JWT, stateful validation failed")
        return bool(self._local.scroll(collection, models.Filter(must=wanted), limit=1)[0])

    async def _version(self, _: Request) -> Response:
        return JSONResponse({"title": "qdrant - vector search engine", "version": VERSION, "commit": "stand-in"})

    async def _healthy(self, request: Request) -> Response:
        return PlainTextResponse("all shards are ready" if request.url.path == "/readyz" else "healthz check passed")

    async def _unknown(self, request: Request) -> Response:
        sentence = f"this stand-in for Qdrant does not speak {request.method} {request.url.path}"
        return _envelope({"error": sentence}, time.perf_counter(), 501)

    async def _metrics(self, _: Request, access: Access) -> Response:
        access.to_everything(manage=False)
        points = {name: len(one.ids) for name, one in self._local.collections.items()}
        lines = [
            "# HELP app_info information about qdrant server",
            "# TYPE app_info gauge",
            f'app_info{{name="qdrant",version="{VERSION}"}} 1',
            "# HELP collections_total number of collections",
            "# TYPE collections_total gauge",
            f"collections_total {len(points)}",
            "# HELP collection_points amount of points in the collection",
            "# TYPE collection_points gauge",
            *(f'collection_points{{id="{name}"}} {count}' for name, count in points.items()),
        ]
        return PlainTextResponse("\n".join(lines) + "\n", media_type="text/plain; version=0.0.4")

    async def _list(self, _: Request, access: Access) -> Any:
        return {"collections": [{"name": name} for name in self._local.collections if access.sees(name)]}

    async def _describe(self, request: Request, access: Access) -> Any:
        return self._local.get_collection(self._collection(request, access))

    async def _exists(self, request: Request, access: Access) -> Any:
        name = request.path_params["name"]
        access.to_collection(name, write=False)
        return {"exists": name in self._local.collections}

    async def _create(self, request: Request, access: Access) -> Any:
        access.to_everything(manage=True)
        name = request.path_params["name"]
        if not _COLLECTION.fullmatch(name):
            raise Failed(422, f"Validation error in path parameters: collection name `{name}` is not allowed")
        wanted = _parsed(models.CreateCollection.model_validate_json, await _body(request))
        if name in self._local.collections:
            raise Failed(409, f"Wrong input: Collection `{name}` already exists!")
        return self._local.create_collection(name, wanted.vectors, wanted.sparse_vectors, wanted.metadata)

    async def _delete(self, request: Request, access: Access) -> Any:
        access.to_everything(manage=True)
        name = request.path_params["name"]
        if name not in self._local.collections:
            return False
        self._snapshots.forget(name)
        return self._local.delete_collection(name)

    async def _point(self, request: Request, access: Access) -> Any:
        name, point = self._collection(request, access), request.path_params["id"]
        found = self._local.retrieve(name, [int(point) if point.isdigit() else point], with_vectors=True)
        if not found:
            raise Failed(404, f"Not found: Point with id {point} does not exists!")
        return found[0]

    def _operate(self, method: str, path: str) -> _Handler:
        operation = OPERATIONS[method, path]

        async def operate(request: Request, access: Access) -> Any:
            name = self._collection(request, access, write=operation.writes)
            ask = _parsed(operation.body.validate_json, await _body(request))
            return operation.call(self._local, name, ask)

        return operate

    async def _list_snapshots(self, request: Request, access: Access) -> Any:
        return self._snapshots.listed(self._collection(request, access))

    async def _create_snapshot(self, request: Request, access: Access) -> Any:
        return self._snapshots.create(self._collection(request, access, write=True))

    async def _download_snapshot(self, request: Request, access: Access) -> Any:
        return FileResponse(self._snapshot(request, access))

    async def _delete_snapshot(self, request: Request, access: Access) -> Any:
        self._snapshot(request, access, write=True).unlink()
        return True

    async def _upload_snapshot(self, request: Request, access: Access) -> Any:
        access.to_everything(manage=True)
        async with request.form(max_files=1, max_part_size=_SNAPSHOT_LIMIT) as form:
            uploaded = form.get("snapshot")
            if uploaded is None or isinstance(uploaded, str):
                raise Failed(400, "Bad request: Field `snapshot` is required")
            self._snapshots.recover(request.path_params["name"], await uploaded.read())
        return True

    async def _recover_snapshot(self, request: Request, access: Access) -> Any:
        access.to_everything(manage=True)
        wanted = _parsed(models.SnapshotRecover.model_validate_json, await _body(request))
        place = urlsplit(wanted.location)
        if place.scheme != "file":
            raise Failed(501, "this stand-in for Qdrant recovers from file:// locations and from uploads only")
        path = Path(place.path)
        found = self._snapshots.path(path.parent.name, path.name)
        if found is None or found != path:
            raise Failed(404, f"Not found: Snapshot file {place.path} does not exist")
        self._snapshots.recover(request.path_params["name"], found.read_bytes())
        return True

    def _snapshot(self, request: Request, access: Access, *, write: bool = False) -> Path:
        name = request.path_params["snapshot"]
        found = self._snapshots.path(self._collection(request, access, write=write), name)
        if found is None:
            raise Failed(404, f"Not found: Snapshot {name} not found")
        return found

    def _collection(self, request: Request, access: Access, *, write: bool = False) -> str:
        name: str = request.path_params["name"]
        access.to_collection(name, write=write)
        if name not in self._local.collections:
            raise Failed(404, f"Not found: Collection `{name}` doesn't exist!")
        return name


def _envelope(outcome: Any, started: float, status: int = 200, **content: Any) -> Response:
    document = {**content, "status": outcome, "time": time.perf_counter() - started}
    return JSONResponse(to_jsonable_python(document), status)


def _failure(error: Exception, started: float) -> Response:
    if isinstance(error, Failed):
        return _envelope({"error": str(error)}, started, error.status)
    return _envelope({"error": f"Wrong input: {str(error).removeprefix('Wrong input: ')}"}, started, 400)


async def _body(request: Request) -> bytes:
    body = await body_of(request, _BODY_LIMIT)
    if body is None:
        raise Failed(413, f"Payload error: JSON payload is larger than allowed (limit: {_BODY_LIMIT} bytes).")
    return body or b"{}"


def _parsed(parse: Callable[[bytes], Any], body: bytes) -> Any:
    try:
        return parse(body)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise Failed(400, f"Format error in JSON body: {place}: {first['msg']}") from error


def _app() -> Starlette:
    storage = writable(Path(setting("QDRANT__STORAGE__STORAGE_PATH", "/qdrant/storage")))
    snapshots = Path(setting("QDRANT__STORAGE__SNAPSHOTS_PATH", "/qdrant/snapshots"))
    return Server(storage, snapshots).app()


if __name__ == "__main__":
    run("qdrant", _app, int(setting("QDRANT__SERVICE__HTTP_PORT", "6333")))
