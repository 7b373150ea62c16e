"""pydantic's models as JSON Schema definitions: without what TOML cannot say, with what the source says of each key."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from envmgr.spec.vocabulary import models_in

JsonSchema = dict[str, Any]
_NULL = {"type": "null"}


class Definitions:
    """The definitions of some models, and of those that they hold."""

    def __init__(self, models: Iterable[type[BaseModel]]) -> None:
        top = tuple(dict.fromkeys(models))
        every = tuple(dict.fromkeys((*top, *(inner for model in top for inner in _within(model)))))
        keys, whole = models_json_schema(
            [(model, "validation") for model in every], ref_template="#/definitions/{model}"
        )
        self._names = {model: keys[model, "validation"]["$ref"].rpartition("/")[2] for model in every}
        self._found: JsonSchema = {name: _plain(schema) for name, schema in whole["$defs"].items()}
        self._top = {self._names[model] for model in top}
        for model in every:
            _describe(self._found[self._names[model]], model)

    def of(self, model: type[BaseModel]) -> JsonSchema:
        """Return one model's definition."""
        found: JsonSchema = self._found[self._names[model]]
        return found

    def nested(self) -> JsonSchema:
        """Return what the definitions refer to."""
        return {name: schema for name, schema in self._found.items() if name not in self._top}


def _within(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for field in model.model_fields.values():
        for inner in models_in(field.annotation):
            yield inner
            yield from _within(inner)


def _plain(value: Any) -> Any:
    """Drop the titles that pydantic makes of names, and null, which TOML does not have."""
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if not isinstance(value, dict):
        return value
    named = "properties" in value
    found = {key: _plain(one) for key, one in value.items() if not _is_noise(key, one)}
    if named:
        found["properties"] = {key: _plain(one) for key, one in value["properties"].items()}
    choices = [one for one in found.get("anyOf", ()) if one != _NULL]
    if len(choices) == 1:
        del found["anyOf"]
        return found | choices[0]
    return found | ({"anyOf": choices} if choices else {})


def _is_noise(key: str, value: Any) -> bool:
    is_empty = value is None or (isinstance(value, dict) and not any(one is not None for one in value.values()))
    return (key == "title" and isinstance(value, str)) or (key == "default" and is_empty)


def _describe(definition: JsonSchema, model: type[BaseModel]) -> None:
    for key, text in _docstrings(model).items():
        if key in definition.get("properties", {}):
            definition["properties"][key]["description"] = text
    for value in definition.get("properties", {}).values():
        value.setdefault("description", "")


def _docstrings(model: type[BaseModel]) -> dict[str, str]:
    """Return the text below each attribute, of a model and all that it is made from."""
    found: dict[str, str] = {}
    for one in reversed(model.__mro__):
        if issubclass(one, BaseModel) and one is not BaseModel:
            found |= _written_below(one)
    return found


def _written_below(model: type[BaseModel]) -> dict[str, str]:
    try:
        body = ast.parse(textwrap.dedent(inspect.getsource(model))).body[0]
    except (OSError, TypeError, SyntaxError):
        return {}  # a package without its source; its keys then have no description
    statements = body.body if isinstance(body, ast.ClassDef) else []
    return {
        before.target.id: inspect.cleandoc(after.value.value)
        for before, after in pairwise(statements)
        if isinstance(before, ast.AnnAssign)
        and isinstance(before.target, ast.Name)
        and isinstance(after, ast.Expr)
        and isinstance(after.value, ast.Constant)
        and isinstance(after.value.value, str)
    }
