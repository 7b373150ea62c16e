"""One JSON object a line, each with the number of its shape; `docs/json.md` describes them."""

from __future__ import annotations

import json
import sys
from typing import Any

FORMAT = 1
"""Version of every JSON shape that a command prints."""


def write_json(**fields: Any) -> None:
    """Print one JSON object on one line, at once."""
    sys.stdout.write(json.dumps({"format": FORMAT, **fields}) + "\n")
    sys.stdout.flush()
