"""The reference of the spec as Markdown, made from its JSON Schema alone."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]
_HEAD = """\
# The spec

Every table and key of `envmgr.toml`. Made from the JSON Schema by `envmgr schema --markdown`; do not edit.

Editors that know TOML complete and check the spec: `envmgr schema --write` puts the schema beside it, and a first line
`#:schema ./envmgr.schema.json` points to it. What needs more than one place to judge (references, clashes of ports and
prefixes, keys that only go together) is judged when envmgr reads the spec.

`NAME` stands for a name of your own. A key without a default may be left out, unless it is required.
"""
_LARGE = 6
"""Keys from which on a table inside a table is described by itself."""
_KINDED = {"infra": "A server", "services": "A service"}


def spec_reference(schema: Schema) -> str:
    """Return the whole reference; the same schema gives the same text."""
    parts = [_HEAD]
    for name, section in schema["properties"].items():
        parts.extend(_kinded(name, section, schema) if name in _KINDED else _section(name, section, schema))
    return "\n".join(parts)


def _section(name: str, section: Schema, schema: Schema) -> Iterator[str]:
    is_named = "additionalProperties" in section and section["additionalProperties"] is not False
    table = _resolved(section["additionalProperties"], schema) if is_named else section
    title = f"{name}.NAME" if is_named else name
    yield f"## `[{title}]`\n"
    yield from _meaning(section)
    yield from _keys(table, schema)
    yield from _large(title, table, schema)


def _large(title: str, table: Schema, schema: Schema) -> Iterator[str]:
    """Write the tables inside a table that are too large for one cell of it."""
    for key, value in table["properties"].items():
        inner, is_list = _inner(value, schema)
        if _is_large(inner):
            place = f"{title}.{key}"
            yield f"### `{'[[' if is_list else '['}{place}{']]' if is_list else ']'}`\n"
            yield from _keys(inner, schema)
            yield from _large(place, inner, schema)


def _inner(value: Schema, schema: Schema) -> tuple[Schema, bool]:
    """Return the table that a key takes, or takes a list of."""
    found = _resolved(value, schema)
    is_list = found.get("type") == "array"
    return (_resolved(found.get("items", {}), schema) if is_list else found), is_list


def _is_large(table: Schema) -> bool:
    return len(table.get("properties", ())) >= _LARGE


def _kinded(name: str, section: Schema, schema: Schema) -> Iterator[str]:
    """Write what all kinds have in common once, and of each kind what it adds."""
    kinds = {kind: schema["definitions"][f"{name}-{kind}"] for kind in section["properties"]}
    first, *others = (table["properties"] for table in kinds.values())
    shared = {key: value for key, value in first.items() if all(one.get(key) == value for one in others)}
    kind_key = {"kind": {**first["kind"], "const": None, "enum": list(kinds)}}
    yield f"## `[{name}.NAME]`\n"
    yield from _meaning(section)
    yield from _keys({"properties": kind_key | shared}, schema)
    for kind, table in kinds.items():
        own = {key: value for key, value in table["properties"].items() if key != "kind" and key not in shared}
        yield f'### {_KINDED[name]} of `kind = "{kind}"`\n'
        yield from _keys({"properties": own}, schema) if own else ("It adds no key.\n",)


def _meaning(section: Schema) -> Iterator[str]:
    text = str(section.get("description", "")).partition("`: ")[2]
    if text:
        yield f"{text[0].upper()}{text[1:]}\n"


def _keys(table: Schema, schema: Schema) -> Iterator[str]:
    required = table.get("required", ())
    yield "| key | takes | default | meaning |\n|---|---|---|---|"
    for key, value in table["properties"].items():
        meaning = str(value.get("description") or _resolved(value, schema).get("description", ""))
        if key in required:
            meaning = f"Required. {meaning}".strip()
        yield _row(f"`{key}`", takes(value, schema), _default(value), meaning)
    yield ""


def _row(*cells: str) -> str:
    return "| " + " | ".join(" ".join(cell.split()).replace("|", r"\|") for cell in cells) + " |"


def _default(value: Schema) -> str:
    default = value.get("default")
    return "" if default in (None, [], {}) else f"`{json.dumps(default, ensure_ascii=False)}`"


def takes(value: Schema, schema: Schema) -> str:
    """Say in a few words what a key takes."""
    section, is_override, _ = str(value.get("$ref", "")).rpartition("/")[2].partition("-override")
    if is_override:
        return f"keys of `[{section}.NAME]`"
    if "$ref" in value:
        return takes(_resolved(value, schema), schema)
    if "anyOf" in value:
        return " or ".join(dict.fromkeys(takes(one, schema) for one in value["anyOf"]))
    if "enum" in value:
        return ", ".join(f"`{json.dumps(one)}`" for one in value["enum"])
    if value.get("const") is not None:
        return f"`{json.dumps(value['const'])}`"
    return _by_type(value, schema)


def _by_type(value: Schema, schema: Schema) -> str:
    match value.get("type"):
        case "boolean":
            return "`true` or `false`"
        case "integer" | "number" as kind:
            return ("whole number" if kind == "integer" else "number") + _range(value)
        case "array":
            return f"list of {takes(value.get('items', {}), schema)}"
        case "object":
            return _table(value, schema)
        case "string":
            return "text" + (f" `{value['pattern']}`" if "pattern" in value else "")
        case _:
            return "anything"


def _table(value: Schema, schema: Schema) -> str:
    if _is_large(value):
        return "table, see below"
    if "properties" in value:
        keys = (f"`{key}`: {takes(one, schema)}" for key, one in value["properties"].items())
        return f"table of {'; '.join(keys)}"
    patterns = tuple(value.get("patternProperties", {}).values())
    inner: Any = value.get("additionalProperties") or (patterns[0] if patterns else True)
    return "table" if inner is True else f"table of name = {takes(inner, schema)}"


def _range(value: Schema) -> str:
    low = value.get("minimum", value.get("exclusiveMinimum"))
    high = value.get("maximum")
    if low is None and high is None:
        return ""
    above = "above " if "exclusiveMinimum" in value else "from "
    return f", {above}{low:g}" + (f" to {high}" if high is not None else "")


def _resolved(value: Schema, schema: Schema) -> Schema:
    found: Schema = schema["definitions"][value["$ref"].rpartition("/")[2]] if "$ref" in value else value
    return found
