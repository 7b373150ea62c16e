"""`envmgr.toml` as a JSON Schema, for editors and for the reference in `docs/`.

Draft 7, which is what TOML editors know. What a kind needs may come from an environment's override, so no key of a
service is required here: its description says so, and loading the spec says what is missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pydantic import BaseModel

from envmgr.spec.definitions import Definitions, JsonSchema
from envmgr.spec.kinds import KindOptions
from envmgr.spec.schema import EnvironmentTable
from envmgr.spec.secret_tables import CommandTable, KeyValueTable
from envmgr.spec.vocabulary import SECTIONS, SINGLE

_KINDED = ("infra", "services")
Kinds = Mapping[str, type[BaseModel]]


def json_schema(kinds: KindOptions) -> JsonSchema:
    """Return the schema of a whole spec, with every kind's own keys."""
    by_section: dict[str, Kinds] = {"infra": kinds.infra, "services": kinds.services}
    models = (*SECTIONS.values(), *kinds.infra.values(), *kinds.services.values())
    known = Definitions(models)
    tables: JsonSchema = {name: known.of(SECTIONS[name]) for name in ("builds", "variables", "secrets")}
    for section in _KINDED:
        tables |= _tables_by_kind(section, by_section[section], known)
    tables["environments"] = _environment(known)
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "envmgr.toml",
        "type": "object",
        "properties": {name: _section(name, by_section.get(name, {}), known) for name in SECTIONS},
        "required": ["project", "environments"],
        "additionalProperties": False,
        "definitions": dict(sorted((tables | _layered(known.nested())).items())),
    }


def _layered(nested: Mapping[str, JsonSchema]) -> JsonSchema:
    """Require nothing of the tables below `[secrets]`: what one lacks may stand in that of the defaults."""
    names = {CommandTable.__name__, KeyValueTable.__name__}
    return {
        name: {key: one for key, one in table.items() if key != "required" or name not in names}
        for name, table in nested.items()
    }


def _section(name: str, kinds: Kinds, known: Definitions) -> JsonSchema:
    table = known.of(SECTIONS[name])
    if name in SINGLE:
        return table
    if name not in _KINDED:
        return _by_name(_ref(name), table["description"])
    any_kind = _ref(f"{name}-of-any-kind")
    own = {kind: {"anyOf": [_ref(f"{name}-{kind}"), any_kind]} for kind in kinds}
    return {**_by_name(any_kind, table["description"]), "properties": own}


def _environment(known: Definitions) -> JsonSchema:
    table = known.of(EnvironmentTable)
    own = table["properties"]
    overrides = {name: _by_name(_ref(f"{name}-override"), own[name]["description"]) for name in _KINDED}
    return {**table, "properties": own | overrides}


def _by_name(table: JsonSchema, description: str) -> JsonSchema:
    return {"type": "object", "description": description, "additionalProperties": table}


def _tables_by_kind(section: str, kinds: Kinds, known: Definitions) -> JsonSchema:
    """Return a table for each kind, one for a kind that is named, and what an environment may override."""
    shared = dict(known.of(SECTIONS[section])["properties"])
    says_kind = shared.pop("kind")["description"]
    own = {kind: _own(known.of(model)) for kind, model in kinds.items()}
    of_kinds = {
        f"{section}-{kind}": _closed(
            {"kind": {"const": kind, "description": says_kind}, **keys, **shared}, f'A table of kind "{kind}".'
        )
        for kind, keys in own.items()
    }
    named = [{"allOf": [_ref(name), {"required": ["kind"]}]} for name in of_kinds]
    return {
        **of_kinds,
        f"{section}-of-any-kind": {"anyOf": named},
        f"{section}-override": _closed(_merged((*own.values(), shared)), "What one environment changes."),
    }


def _own(definition: JsonSchema) -> JsonSchema:
    """Return a kind's own keys; the description says which of them a service cannot do without."""
    required = definition.get("required", ())
    return {
        key: {**value, "description": f"Required. {value.get('description', '')}".strip()} if key in required else value
        for key, value in definition["properties"].items()
    }


def _merged(tables: Iterable[JsonSchema]) -> JsonSchema:
    """Join keys that several kinds have: a value may be what any of them takes."""
    found: dict[str, list[JsonSchema]] = {}
    for table in tables:
        for key, value in table.items():
            choices = found.setdefault(key, [])
            if value not in choices:
                choices.append(value)
    return {key: choices[0] if len(choices) == 1 else {"anyOf": choices} for key, choices in sorted(found.items())}


def _closed(properties: JsonSchema, description: str) -> JsonSchema:
    return {"type": "object", "description": description, "properties": properties, "additionalProperties": False}


def _ref(name: str) -> JsonSchema:
    return {"$ref": f"#/definitions/{name}"}
