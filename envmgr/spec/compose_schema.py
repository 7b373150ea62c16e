"""The JSON Schema of the Compose Specification, as the package check-jsonschema carries it."""

from __future__ import annotations

import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any


@cache
def compose_schema() -> dict[str, Any]:
    """Return the schema."""
    # Importing the package that carries the schema would import its command line too.
    package = find_spec("check_jsonschema")
    assert package is not None
    assert package.origin is not None
    file = Path(package.origin).parent / "builtin_schemas" / "vendor" / "compose-spec.json"
    return dict(json.loads(file.read_text("utf-8")))
