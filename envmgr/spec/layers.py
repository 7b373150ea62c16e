"""Tables laid over each other, and which of them a value came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from envmgr.spec.places import Keys, dotted


@dataclass(frozen=True, slots=True)
class Layer:
    """One table, or what stands in its place, and where it stands."""

    at: Keys
    data: Any


@dataclass(frozen=True, slots=True)
class Layers:
    """Tables of which the later ones win."""

    layers: tuple[Layer, ...]

    def merged(self) -> Any:
        """Lay them over each other: tables key by key, everything else replaces."""
        result: Any = {}
        for layer in self.layers:
            result = merge(result, layer.data)
        return result

    def origin(self, keys: Keys) -> Keys:
        """Return where the value at `keys` was written; for an absent one, where it would be written first."""
        for layer in reversed(self.layers):
            if has(layer.data, keys):
                return (*layer.at, *keys)
        return (*self.layers[0].at, *keys)

    def first_without(self, *keys: str) -> Layers:
        """Return the same tables, the first of them without some keys."""
        first, *others = self.layers
        kept = {key: v for key, v in first.data.items() if key not in keys} if isinstance(first.data, dict) else {}
        return Layers((Layer(first.at, kept), *others))

    def places(self) -> dict[str, str]:
        """Return where each key was written, dotted, two levels deep; the empty key is the first table itself."""
        found = {"": dotted(self.layers[0].at)}
        merged = self.merged()
        for key, value in merged.items() if isinstance(merged, dict) else ():
            found[key] = dotted(self.origin((key,)))
            for inner in value if isinstance(value, dict) else ():
                found[f"{key}.{inner}"] = dotted(self.origin((key, inner)))
        return found


def layers_of(data: Mapping[str, Any], *places: Keys) -> Layers:
    """Collect those of the places that are there; the first is taken to be there."""
    first, *others = places
    found = [Layer(first, get(data, first) if has(data, first) else {})]
    found += [Layer(place, get(data, place)) for place in others if has(data, place)]
    return Layers(tuple(found))


def merge(lower: Any, upper: Any) -> Any:
    """Lay one value over another."""
    if not isinstance(lower, dict) or not isinstance(upper, dict):
        return upper
    return lower | {key: merge(lower[key], value) if key in lower else value for key, value in upper.items()}


def has(value: Any, keys: Keys) -> bool:
    """Tell whether something stands at `keys`."""
    try:
        get(value, keys)
    except (KeyError, IndexError, TypeError):
        return False
    return True


def get(value: Any, keys: Keys) -> Any:
    """Return what stands at `keys`; raises KeyError, IndexError or TypeError when nothing does."""
    for key in keys:
        if isinstance(value, str):
            raise TypeError("a text holds no keys")
        value = value[key]
    return value


def without(value: Any, keys: Keys) -> Any:
    """Return a table without the entry at `keys`; an array that holds it goes as a whole."""
    head, *rest = keys
    if not isinstance(value, dict) or head not in value:
        return value
    if not rest or isinstance(rest[0], int):
        return {key: item for key, item in value.items() if key != head}
    return {**value, head: without(value[head], tuple(rest))}


def replaced(value: Any, keys: Keys, new: Any) -> Any:
    """Return a value with something else at `keys`, which are there."""
    if not keys:
        return new
    copy = value.copy()
    copy[keys[0]] = replaced(copy[keys[0]], keys[1:], new)
    return copy
