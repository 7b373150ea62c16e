"""Variables as text for other programs: a dotenv file, a shell, or JSON."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping


def write_variables(variables: Mapping[str, str], form: str) -> None:
    """Print variables, sorted by name; `form` is `dotenv`, `shell` or `json`."""
    found = dict(sorted(variables.items()))
    if form == "json":
        text = json.dumps(found, indent=2)
    elif form == "shell":
        text = "\n".join(f"export {name}={shlex.quote(value)}" for name, value in found.items())
    else:
        text = "\n".join(f"{name}={_dotenv(value)}" for name, value in found.items())
    sys.stdout.write(text + "\n")


def _dotenv(value: str) -> str:
    """Quote for python-dotenv and its like: single quotes take everything as it is, but for `\\` and the quote."""
    if value and all(character.isalnum() or character in "_./:@%+,=-" for character in value):
        return value
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
