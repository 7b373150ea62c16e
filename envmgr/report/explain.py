"""The answer of `envmgr explain`."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Any

from envmgr.model.explanation import Explained, Explanation, Source
from envmgr.report.results import write_json, write_table

_SECRET = "(a secret)"  # noqa: S105 - what is shown in the place of one


def write_explained(explained: Explained, *, as_json: bool) -> None:
    """Print one value with its chain, or a table of values."""
    if as_json:
        write_json(path=explained.path, values=[_fields(row) for row in explained.rows])
    elif explained.is_table:
        rows = [(row.path, _value(row), _origin(row), _over(row)) for row in explained.rows]
        write_table(("VALUE OF", "IS", "FROM", "OVER"), rows)
    else:
        sys.stdout.write("\n".join(_lines(explained.rows[0])) + "\n")


def _fields(row: Explanation) -> dict[str, Any]:
    sources = [asdict(source) for source in row.sources]
    return {
        "path": row.path,
        "value": row.value,
        "secret": row.is_secret,
        "from": sources[0] if sources else None,
        "over": sources[1:],
        "changed_by": [asdict(source) for source in row.changed_by],
        "reaches": list(row.reaches),
    }


def _lines(row: Explanation) -> list[str]:
    lines = [f"{row.path} = {_value(row)}"]
    chain = [("from" if number == 0 else "over", source) for number, source in enumerate(row.sources)]
    chain += [("but", source) for source in row.changed_by]
    width = max((len(_place(source)) for _, source in chain), default=0)
    for word, source in chain:
        place = f"{_place(source):{width}}  " if width else ""
        value = "" if word == "from" or row.is_secret else f"  {_text(source.value)}"
        lines.append(f"  {word:4}  {place}{_what(source)}{value}".rstrip())
    if row.reaches:
        lines.append(f"  for   {', '.join(row.reaches)}")
    return lines


def _value(row: Explanation) -> str:
    if not row.sources:
        return "not set"
    return _SECRET if row.is_secret else _text(row.value)


def _text(value: Any) -> str:
    """Write a value as the spec would; None is a key that nobody has set."""
    return "not set" if value is None else json.dumps(value, ensure_ascii=False)


def _origin(row: Explanation) -> str:
    if not row.sources:
        return ""
    first = row.sources[0]
    return " ".join(part for part in (_place(first), _what(first)) if part)


def _over(row: Explanation) -> str:
    others = [(_what(one), _text(one.value)) for one in row.sources[1:] if one.value is not None or row.is_secret]
    return ", ".join(what if row.is_secret else f"{value} ({what})" for what, value in others)


def _place(source: Source) -> str:
    return f"{source.file}:{source.line}" if source.line else source.file


def _what(source: Source) -> str:
    return "" if source.what == source.file else source.what
