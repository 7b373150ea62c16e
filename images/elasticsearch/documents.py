"""Indices and their documents: make, write, read, count, search, each as far as the asking user's role allows."""

from __future__ import annotations

import json
import secrets
from fnmatch import fnmatchcase
from typing import Any

from call import Answer, Call
from errors import ApiError, missing_index
from search import matches, sort_key
from security import User
from store import Store

_MATCH_ALL: dict[str, Any] = {"match_all": {}}
_SHARDS = {"total": 1, "successful": 1, "failed": 0}

Action = tuple[str, dict[str, Any], dict[str, Any]]
"""One of a bulk: its name, its place, and the document's source."""


class Documents:
    """The handlers of one store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    # ---- indices

    def create_index(self, call: Call) -> Any:
        """Make an index."""
        name = call.path["index"]
        call.user.must("create_index", name)
        self._store.create_index(name, {key: call.body.get(key, {}) for key in ("mappings", "settings", "aliases")})
        return {"acknowledged": True, "shards_acknowledged": True, "index": name}

    def delete_index(self, call: Call) -> Any:
        """Remove an index; patterns delete nothing, as the server's default has it."""
        names = call.path["index"].split(",")
        if any("*" in name or name == "_all" for name in names):
            reason = "Wildcard expressions or all indices are not allowed"
            raise ApiError(400, "illegal_argument_exception", reason)
        for name in names:
            call.user.must("delete_index", name)
            self._store.delete_index(name)
        return {"acknowledged": True}

    def describe_index(self, call: Call) -> Any:
        """Return what indices were made with."""
        return {name: self._store.entry("index", name) for name in self._resolve(call, "describe")}

    def list_indices(self, call: Call) -> Any:
        """Return names and counts of the indices that the user may see: a table, or JSON with `format=json`."""
        rows = [
            {"health": "green", "status": "open", "index": name, "docs.count": str(self._count(name, _MATCH_ALL))}
            for name in self._resolve(call, "monitor")
        ]
        if call.query.get("format") == "json":
            return rows
        columns = call.query.get("h", "health,status,index,docs.count").split(",")
        return "".join(" ".join(row.get(column, "") for column in columns) + "\n" for row in rows)

    def refresh(self, call: Call) -> Any:
        """Do nothing: what is written can be found at once."""
        self._resolve(call, "refresh")
        return {"_shards": _SHARDS}

    # ---- documents

    def put(self, call: Call) -> Any:
        """Write a document, under an id of its own or a new one."""
        if call.query.get("op_type") == "create":
            return self.create(call)
        return self._write(call.user, "index", call.path["index"], call.path.get("id") or _new_id(), call.body)

    def create(self, call: Call) -> Any:
        """Write a document that is not there yet."""
        return self._write(call.user, "create", call.path["index"], call.path.get("id") or _new_id(), call.body)

    def get(self, call: Call) -> Any:
        """Return a document."""
        index, identity = call.path["index"], call.path["id"]
        found = self._found(call.user, "read", index, identity)
        place = {"_index": index, "_id": identity}
        if found is None:
            return Answer(404, {**place, "found": False})
        return {**place, "_version": found[0], "found": True, "_source": found[1]}

    def delete(self, call: Call) -> Any:
        """Remove a document."""
        return self._delete(call.user, call.path["index"], call.path["id"])

    def bulk(self, call: Call) -> Any:
        """Carry out many writes; each succeeds or fails alone."""
        items = [self._carried_out(call.user, one) for one in _actions(call)]
        has_errors = any("error" in item for entry in items for item in entry.values())
        return {"took": 0, "errors": has_errors, "items": items}

    def search(self, call: Call) -> Any:
        """Return the documents that a query finds."""
        body = call.body
        query = body.get("query", _MATCH_ALL)
        hits = [
            {"_index": name, "_id": identity, "_score": 1.0, "_source": source}
            for name in self._resolve(call, "read")
            for identity, _, source in self._store.documents(name)
            if matches(query, (identity, source))
        ]
        for field, is_descending in reversed(_orders(body.get("sort", []))):
            key = sort_key(field)
            hits.sort(key=lambda hit: key(hit["_source"]), reverse=is_descending)
        start, size = (
            int(call.query.get(name, body.get(name, default))) for name, default in (("from", 0), ("size", 10))
        )
        total = {"value": len(hits), "relation": "eq"}
        found = {"total": total, "max_score": 1.0 if hits else None, "hits": hits[start : start + size]}
        return {"took": 0, "timed_out": False, "_shards": _SHARDS, "hits": found}

    def count(self, call: Call) -> Any:
        """Return how many documents a query finds."""
        query = call.body.get("query", _MATCH_ALL)
        return {"count": sum(self._count(name, query) for name in self._resolve(call, "read")), "_shards": _SHARDS}

    def delete_by_query(self, call: Call) -> Any:
        """Remove the documents that a query finds."""
        query, deleted = call.body.get("query"), 0
        if query is None:
            raise ApiError(400, "action_request_validation_exception", "Validation Failed: 1: query is missing;")
        for name in self._resolve(call, "delete"):
            found = [one for one, _, source in self._store.documents(name) if matches(query, (one, source))]
            deleted += sum(self._store.delete(name, identity) is not None for identity in found)
        return {"deleted": deleted, "total": deleted, "failures": []}

    # ---- parts

    def _resolve(self, call: Call, need: str) -> list[str]:
        """Return the indices that a request means: patterns find what the user may see, names must exist."""
        names: dict[str, None] = {}
        known = self._store.entries("index")
        for part in call.path.get("index", "*").split(","):
            pattern = "*" if part == "_all" else part
            if "*" in pattern:
                names |= {name: None for name in known if fnmatchcase(name, pattern) and call.user.may(need, name)}
                continue
            call.user.must(need, pattern)
            if pattern not in known and not call.is_set("ignore_unavailable"):
                raise missing_index(pattern)
            names |= {name: None for name in (pattern,) if name in known}
        return list(names)

    def _count(self, index: str, query: dict[str, Any]) -> int:
        return sum(matches(query, (identity, source)) for identity, _, source in self._store.documents(index))

    def _found(self, user: User, need: str, index: str, identity: str) -> tuple[int, dict[str, Any]] | None:
        user.must(need, index)
        if self._store.entry("index", index) is None:
            raise missing_index(index)
        return self._store.document(index, identity)

    def _write(self, user: User, operation: str, index: str, identity: str, source: dict[str, Any]) -> Answer:
        user.must(operation, index)
        if self._store.entry("index", index) is None:
            user.must("auto_create_index", index)
            self._store.create_index(index, {"mappings": {}, "settings": {}, "aliases": {}})
        if operation == "create" and self._store.document(index, identity) is not None:
            reason = f"[{identity}]: version conflict, document already exists"
            raise ApiError(409, "version_conflict_engine_exception", reason)
        version = self._store.put(index, identity, source)
        result = "created" if version == 1 else "updated"
        return Answer(201 if version == 1 else 200, _result(index, identity, version, result))

    def _delete(self, user: User, index: str, identity: str) -> Answer:
        self._found(user, "delete", index, identity)
        version = self._store.delete(index, identity)
        if version is None:
            return Answer(404, _result(index, identity, 1, "not_found"))
        return Answer(200, _result(index, identity, version, "deleted"))

    def _carried_out(self, user: User, action: Action) -> dict[str, Any]:
        operation, place, source = action
        index, identity = place["_index"], place.get("_id") or _new_id()
        try:
            if operation == "delete":
                answer = self._delete(user, index, identity)
            else:
                answer = self._write(user, operation, index, identity, source)
        except ApiError as error:
            return {operation: {"_index": index, "_id": identity, "status": error.status, "error": error.cause}}
        return {operation: {**answer.document, "status": answer.status}}


def _new_id() -> str:
    return secrets.token_urlsafe(15)


def _result(index: str, identity: str, version: int, result: str) -> dict[str, Any]:
    return {"_index": index, "_id": identity, "_version": version, "result": result, "_shards": _SHARDS}


def _actions(call: Call) -> list[Action]:
    """Read a bulk's lines: an action each, followed by a source unless it deletes."""
    lines = iter([line for line in call.raw.split(b"\n") if line.strip()])
    actions = []
    try:
        for line in lines:
            ((operation, place),) = json.loads(line).items()
            if operation not in ("index", "create", "delete"):
                raise ApiError(400, "illegal_argument_exception", f"this stand-in has no bulk action [{operation}]")
            source = {} if operation == "delete" else json.loads(next(lines))
            actions.append((operation, {"_index": call.path.get("index"), **place}, source))
    except (ValueError, TypeError, AttributeError, StopIteration) as error:
        raise ApiError(
            400, "illegal_argument_exception", "Malformed action/metadata line, or one without a source"
        ) from error
    if not actions or any(not place["_index"] for _, place, _ in actions):
        raise ApiError(
            400, "action_request_validation_exception", "Validation Failed: 1: no requests added, or no index;"
        )
    return actions


def _orders(sort: Any) -> list[tuple[str, bool]]:
    """Return fields and whether each is sorted downwards."""
    orders = []
    for one in sort if isinstance(sort, list) else [sort]:
        field, how = next(iter(one.items())) if isinstance(one, dict) else (one, "asc")
        orders.append((field, (how.get("order", "asc") if isinstance(how, dict) else how) == "desc"))
    return orders
