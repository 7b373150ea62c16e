"""What the spec may say, as a JSON Schema: with the kinds of every installed package."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from envmgr import layout
from envmgr.errors import UsageError
from envmgr.files import write_atomic
from envmgr.operations.project import kind_options
from envmgr.spec.json_schema import json_schema


def schema() -> dict[str, Any]:
    """Return the schema."""
    return json_schema(kind_options())


def schema_text(found: dict[str, Any]) -> str:
    """Return a schema as it is written into a file and to stdout."""
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


def write_schema(folder: Path) -> tuple[str, bool]:
    """Write the schema beside the spec; return its name, and whether anything changed.

    Raises: `UsageError` when the folder does not take it.
    """
    try:
        return layout.SCHEMA, write_atomic(folder / layout.SCHEMA, schema_text(schema()).encode(), 0o644)
    except OSError as error:
        raise UsageError(
            f"{folder / layout.SCHEMA} cannot be written: {error.strerror}", state="Nothing was written."
        ) from error
