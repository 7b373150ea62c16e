"""Tell which documents a query finds: a part of Elasticsearch's query language, without scores."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from errors import ApiError

_WORD = re.compile(r"\w+")

Query = dict[str, Any]
Document = tuple[str, dict[str, Any]]
"""Id and source."""


def matches(query: Query, document: Document) -> bool:
    """Tell whether a query finds a document. Raises: `ApiError` for a query that is not understood."""
    if len(query) != 1:
        raise _unreadable("a query is an object with one key")
    ((name, body),) = query.items()
    if name not in _QUERIES:
        raise _unreadable(f"unknown query [{name}], or one that this stand-in does not understand")
    try:
        return _QUERIES[name](body, document)
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        raise _unreadable(f"[{name}] malformed query") from error


def sort_key(field: str) -> Callable[[dict[str, Any]], tuple[bool, Any]]:
    """Return a key that sorts sources by a field; those without it come last."""

    def key(source: dict[str, Any]) -> tuple[bool, Any]:
        found = _values(source, field)
        return (not found, found[0] if found else 0)

    return key


def _values(source: Any, field: str) -> list[Any]:
    """Return the values of a field, whose name leads through objects and lists by its dots."""
    found = [source]
    for part in field.removesuffix(".keyword").split("."):
        inner = [one.get(part) for one in found if isinstance(one, dict)]
        found = [value for one in inner for value in (one if isinstance(one, list) else [one]) if value is not None]
    return found


def _words(text: Any) -> list[str]:
    return _WORD.findall(str(text).lower())


def _named(body: Query, key: str) -> tuple[str, Any]:
    ((field, given),) = body.items()
    return field, given[key] if isinstance(given, dict) else given


def _is_term(field: str, wanted: Any, source: dict[str, Any]) -> bool:
    """Compare as on a string without a mapping: whole below `.keyword`, else with each of its words."""
    found = _values(source, field)
    if isinstance(wanted, str) and not field.endswith(".keyword"):
        return any(wanted in _words(one) if isinstance(one, str) else wanted == str(one) for one in found)
    return wanted in found


def _term(body: Query, document: Document) -> bool:
    field, wanted = _named(body, "value")
    return wanted == document[0] if field == "_id" else _is_term(field, wanted, document[1])


def _terms(body: Query, document: Document) -> bool:
    ((field, wanted),) = body.items()
    return any(_is_term(field, one, document[1]) for one in wanted)


def _match(body: Query, document: Document) -> bool:
    field, text = _named(body, "query")
    given = body[field]
    needs_all = isinstance(given, dict) and str(given.get("operator", "or")).lower() == "and"
    if field.endswith(".keyword"):
        return _is_term(field, text, document[1])
    found = {word for value in _values(document[1], field) for word in _words(value)}
    present = [word in found for word in _words(text)]
    return bool(present) and (all(present) if needs_all else any(present))


def _range(body: Query, document: Document) -> bool:
    ((field, limits),) = body.items()
    compare: dict[str, Callable[[Any, Any], bool]] = {
        "gt": lambda value, limit: value > limit,
        "gte": lambda value, limit: value >= limit,
        "lt": lambda value, limit: value < limit,
        "lte": lambda value, limit: value <= limit,
    }
    found = _values(document[1], field)
    return any(all(compare[name](value, limit) for name, limit in limits.items()) for value in found)


def _bool(body: Query, document: Document) -> bool:
    def clauses(name: str) -> Iterable[bool]:
        given = body.get(name, [])
        return [matches(one, document) for one in (given if isinstance(given, list) else [given])]

    must, optional = [*clauses("must"), *clauses("filter")], list(clauses("should"))
    least = body.get("minimum_should_match", 0 if must or not optional else 1)
    return all(must) and not any(clauses("must_not")) and sum(optional) >= least


_QUERIES: dict[str, Callable[[Any, Document], bool]] = {
    "match_all": lambda _, __: True,
    "term": _term,
    "terms": _terms,
    "match": _match,
    "range": _range,
    "exists": lambda body, document: bool(_values(document[1], body["field"])),
    "ids": lambda body, document: document[0] in body["values"],
    "bool": _bool,
}


def _unreadable(reason: str) -> ApiError:
    return ApiError(400, "parsing_exception", reason)
