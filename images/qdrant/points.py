"""Qdrant's operations on one collection: each a request model, whether it writes, and a call of the local mode."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, TypeAdapter
from qdrant_client.http import models
from qdrant_client.local.qdrant_local import QdrantLocal

_Call = Callable[[QdrantLocal, str, Any], Any]
_NO_VECTOR, _NO_PAYLOAD = False, False


class SearchRequest(BaseModel, extra="forbid"):
    """The older form of a query, which the server still takes and the client's models no longer have."""

    vector: models.VectorStruct
    filter: models.Filter | None = None
    params: models.SearchParams | None = None
    limit: int
    offset: int | None = None
    with_payload: models.WithPayloadInterface | None = None
    with_vector: models.WithVector | None = None
    score_threshold: float | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """One path under a collection."""

    body: TypeAdapter[Any]
    call: _Call
    writes: bool = False


def _query(local: QdrantLocal, name: str, ask: models.QueryRequest) -> models.QueryResponse:
    return local.query_batch_points(name, [_with_defaults(ask)])[0]


def _query_batch(local: QdrantLocal, name: str, ask: models.QueryRequestBatch) -> list[models.QueryResponse]:
    return local.query_batch_points(name, [_with_defaults(one) for one in ask.searches])


def _with_defaults(ask: models.QueryRequest) -> models.QueryRequest:
    query = models.NearestQuery(nearest=ask.query) if _is_vector(ask.query) else ask.query
    payload = _NO_PAYLOAD if ask.with_payload is None else ask.with_payload
    vector = _NO_VECTOR if ask.with_vector is None else ask.with_vector
    return ask.model_copy(update={"query": query, "with_payload": payload, "with_vector": vector})


def _is_vector(query: Any) -> bool:
    return isinstance(query, list | int | str | models.SparseVector)


def _search(local: QdrantLocal, name: str, ask: SearchRequest) -> list[models.ScoredPoint]:
    fields = ask.model_dump(exclude={"vector", "filter", "params"})
    request = models.QueryRequest(query=ask.vector, filter=ask.filter, params=ask.params, **fields)
    return _query(local, name, request).points


def _retrieve(local: QdrantLocal, name: str, ask: models.PointRequest) -> list[models.Record]:
    payload = True if ask.with_payload is None else ask.with_payload
    return local.retrieve(name, ask.ids, payload, ask.with_vector or _NO_VECTOR)


def _scroll(local: QdrantLocal, name: str, ask: models.ScrollRequest) -> models.ScrollResult:
    points, following = local.scroll(
        name,
        scroll_filter=ask.filter,
        limit=10 if ask.limit is None else ask.limit,
        order_by=ask.order_by,
        offset=ask.offset,
        with_payload=True if ask.with_payload is None else ask.with_payload,
        with_vectors=ask.with_vector or _NO_VECTOR,
    )
    return models.ScrollResult(points=points, next_page_offset=following)


def _count(local: QdrantLocal, name: str, ask: models.CountRequest) -> models.CountResult:
    return local.count(name, ask.filter)


def _upsert(local: QdrantLocal, name: str, ask: models.PointInsertOperations) -> models.UpdateResult:
    points = ask.points if isinstance(ask, models.PointsList) else ask.batch
    return local.upsert(name, points, update_filter=ask.update_filter, update_mode=ask.update_mode)


def _delete(local: QdrantLocal, name: str, ask: models.PointsSelector) -> models.UpdateResult:
    return local.delete(name, ask)


def _set_payload(local: QdrantLocal, name: str, ask: models.SetPayload) -> models.UpdateResult:
    selected: Any = models.PointIdsList(points=ask.points) if ask.points is not None else ask.filter
    return local.set_payload(name, ask.payload, selected, key=ask.key)


def _index(local: QdrantLocal, name: str, ask: models.CreateFieldIndex) -> models.UpdateResult:
    return local.create_payload_index(name, ask.field_name)


def _operation(body: Any, call: _Call, *, writes: bool = False) -> Operation:
    return Operation(TypeAdapter(body), call, writes)


OPERATIONS = {
    ("POST", "points/query"): _operation(models.QueryRequest, _query),
    ("POST", "points/query/batch"): _operation(models.QueryRequestBatch, _query_batch),
    ("POST", "points/search"): _operation(SearchRequest, _search),
    ("POST", "points"): _operation(models.PointRequest, _retrieve),
    ("POST", "points/scroll"): _operation(models.ScrollRequest, _scroll),
    ("POST", "points/count"): _operation(models.CountRequest, _count),
    ("PUT", "points"): _operation(models.PointInsertOperations, _upsert, writes=True),
    ("POST", "points/delete"): _operation(models.PointsSelector, _delete, writes=True),
    ("POST", "points/payload"): _operation(models.SetPayload, _set_payload, writes=True),
    ("PUT", "index"): _operation(models.CreateFieldIndex, _index, writes=True),
}
