"""One table against its model: the value, or as much of it as is right, and every fault with its place."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from envmgr.spec.layers import Layers, get, has, replaced, without
from envmgr.spec.locate import Locator
from envmgr.spec.messages import Wrong, choice_hint, may_be_secret, sentence
from envmgr.spec.places import Finding, Keys
from envmgr.spec.vocabulary import Vocabulary, keys_of, model_at

T = TypeVar("T", bound=BaseModel)


class Validator:
    """Validates tables and explains what is wrong with them in the operator's terms."""

    def __init__(self, locator: Locator, vocabulary: Vocabulary) -> None:
        self._locator = locator
        self._vocabulary = vocabulary

    def validate(
        self, model: type[T], raw: Any, layers: Layers, siblings: Collection[str] = ()
    ) -> tuple[T | None, list[Finding]]:
        """Return the table, without its faulty keys when there are some, and the faults.

        None when nothing valid is left. `siblings` are keys of the same table that another model takes.
        """
        try:
            return _parse(model, raw), []
        except ValidationError as error:
            faults = error.errors(include_url=False, include_input=False)
        findings = [self._explain(model, fault, raw, layers, siblings) for fault in faults]
        return _recover(model, raw, faults), _joined(findings)

    def _explain(
        self, model: type[BaseModel], fault: ErrorDetails, raw: Any, layers: Layers, siblings: Collection[str]
    ) -> Finding:
        keys = place_of(raw, fault)
        origin = layers.origin(keys)
        if fault["type"] == "extra_forbidden":
            known = (*keys_of(model_at(model, fault["loc"][:-1])), *(siblings if len(keys) == 1 else ()))
            return Finding(origin, "unknown key", self._vocabulary.hint(str(keys[-1]), known))
        written = self._written(origin)
        if fault["type"] == "string_type" and written:
            fault = _fault_when_quoted(model, raw, keys, written) or fault
        wrong = Wrong(origin, _value(raw, keys), written, fault.get("ctx", {}))
        return Finding(origin, sentence(fault["type"], fault["msg"], wrong), choice_hint(wrong))

    def _written(self, keys: Keys) -> str:
        return "" if may_be_secret(keys) else self._locator.place(keys).written


def place_of(raw: Any, fault: ErrorDetails) -> Keys:
    """Reduce pydantic's location to keys that are there; it adds the names of a union's members and `[key]`."""
    keys: Keys = ()
    for part in fault["loc"]:
        if has(raw, (*keys, part)):
            keys = (*keys, part)
    return (*keys, fault["loc"][-1]) if fault["type"] == "missing" else keys


def _parse(model: type[T], raw: Any) -> T:
    """Validate as JSON: strict types then still take an array for a tuple and text for an enumeration."""
    return model.model_validate_json(json.dumps(raw))


def _fault_when_quoted(model: type[BaseModel], raw: Any, keys: Keys, written: str) -> ErrorDetails | None:
    """Return what would be wrong next, so that `memory = 512` is not answered with `"512"` only to be refused again."""
    try:
        _parse(model, replaced(raw, keys, written))
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        return next((fault for fault in faults if place_of(raw, fault) == keys), None)
    return None


def _recover(model: type[T], raw: Any, faults: Iterable[ErrorDetails]) -> T | None:
    """Validate what is left without the faulty keys, so that references in the rest are still checked."""
    for fault in faults:
        keys = place_of(raw, fault)
        raw = without(raw, keys) if keys else {}
    try:
        return _parse(model, raw)
    except ValidationError:
        return None


def _value(raw: Any, keys: Keys) -> Any:
    return get(raw, keys) if has(raw, keys) else None


def _joined(findings: list[Finding]) -> list[Finding]:
    """Make one finding of a place that could hold this or that: each member of a union complains on its own."""
    by_place: dict[Keys, Finding] = {}
    for finding in findings:
        earlier = by_place.setdefault(finding.keys, finding)
        if finding.message not in earlier.message:
            message = f"{earlier.message}, or {finding.message.removeprefix('expected ')}"
            by_place[finding.keys] = replace(earlier, message=message)
    return list(by_place.values())
