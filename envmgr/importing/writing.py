"""The data of a spec becomes the text of `envmgr.toml`, with what the operator has to decide beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_WIDTH = 100
_TITLES = {
    "infra": "Servers: once per host, shared by all environments",
    "builds": "Images made from this project's own source",
    "variables": "Values that come from .env and .env.ENVIRONMENT",
    "services": "The application: once per environment",
    "environments": "The environments",
}


def text(spec: Mapping[str, Any], files: tuple[str, ...], decisions: Mapping[str, list[str]]) -> str:
    """Return the file; `decisions` maps a dotted table to what is to be decided there."""
    import tomlkit

    document = tomlkit.document()
    document.add(tomlkit.comment(f"Imported from {', '.join(files)} by envmgr import."))
    for section, tables in spec.items():
        document.add(tomlkit.nl())
        if section == "project":
            document.add(section, _table(tables, ()))
            continue
        document.add(tomlkit.comment(f"--- {_TITLES[section]} ".ljust(_WIDTH, "-")))
        document.add(tomlkit.nl())
        parent = tomlkit.table(is_super_table=True)
        for number, (name, table) in enumerate(tables.items()):
            if number:
                parent.add(tomlkit.nl())
            parent.add(name, _table(table, decisions.get(f"{section}.{name}", ())))
        document.add(section, parent)
    return tomlkit.dumps(document)


def _table(values: Mapping[str, Any], notes: Any) -> Any:
    import tomlkit

    table = tomlkit.table()
    for note in notes:
        table.add(tomlkit.comment(f"To decide: {note}."))
    # What is a table of its own ends the one above it.
    for key, value in sorted(values.items(), key=lambda pair: _is_big(pair[1])):
        table.add(key, _table(value, ()) if _is_big(value) else _value(value))
    return table


def _is_big(value: Any) -> bool:
    return isinstance(value, Mapping) and bool(value) and len(str(value)) > _WIDTH - 20


def _value(value: Any) -> Any:
    import tomlkit

    if isinstance(value, Mapping):
        table = tomlkit.inline_table()
        table.update({key: _value(item) for key, item in value.items() if item is not None})
        return table
    if isinstance(value, (list, tuple)):
        array = tomlkit.array()
        array.extend(_value(item) for item in value)
        return array.multiline(len(str(value)) > _WIDTH - 20)
    return tomlkit.string(value, multiline=False) if isinstance(value, str) else value
