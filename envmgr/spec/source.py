"""The text of `envmgr.toml` turned into plain values, or into one clear error; knows nothing of what keys mean."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Iterator
from typing import Any

from envmgr.errors import Problem, SpecError
from envmgr.spec.places import Finding, Keys

_DEPTH = 32
"""The spec needs seven levels; what nests deeper would only exhaust the stack of every later step."""
_DOTS = 200
"""tomllib needs memory that grows with the square of a key's parts: 20,000 of them take gigabytes."""
_TEXTS = re.compile(r'"(?:\\.|[^"\\])*"|\'[^\']*\'')
_PLACE = re.compile(r"(?P<reason>.*?) \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)", re.DOTALL)
_TWICE = re.compile(r"Cannot declare \((?P<keys>.*)\) twice|Cannot redefine namespace \((?P<more>.*)\)", re.DOTALL)
_REASONS = {
    "Invalid value": "expected a value: text stands in quotes; numbers, true and false stand without",
    "Cannot overwrite a value": "this key is set twice",
    "Invalid statement": "expected [a.table] or key = value",
    "Unterminated string": "a text is not closed with its quotes",
    'Expected "\'"': "a text is not closed with its quote",
    "Expected \"'''\"": "a text is not closed with its quotes",
    "Illegal character '\\n'": "a text is not closed with its quote on this line",
    "Expected newline or end of document after a statement": "expected the end of the line after this value",
    "Expected '=' after a key in a key/value pair": "expected [a.table] or key = value",
}


def parse(text: str, file: str) -> dict[str, Any]:
    """Parse TOML.

    Raises:
        SpecError: with the line and column of the first thing that is no TOML.
    """
    for number, line in enumerate(text.split("\n"), 1):
        if line.count(".") > _DOTS and _TEXTS.sub("", line).split("#")[0].count(".") > _DOTS:
            problem = Problem(f"a key has more than {_DOTS} parts", file=file, line=number)
            raise SpecError(f"{file} is no spec", (problem,))
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SpecError(f"{file} is not valid TOML", (_syntax(str(error), text, file),)) from error
    except ValueError as error:
        problem = Problem("a number has too many digits", file=file)
        raise SpecError(f"{file} is not valid TOML", (problem,)) from error
    except RecursionError as error:
        problem = Problem(f"arrays or tables are nested more than {_DEPTH} deep", file=file)
        raise SpecError(f"{file} is not valid TOML", (problem,)) from error


def plain(data: dict[str, Any]) -> tuple[dict[str, Any], tuple[Finding, ...]]:
    """Replace what no key of the spec takes (dates, nan, huge numbers, endless nesting) by None, and report it."""
    findings: list[Finding] = []
    return _plain(data, (), findings), tuple(findings)


def _syntax(text: str, source: str, file: str) -> Problem:
    match = _PLACE.fullmatch(text)
    if match is None:
        return Problem(text, file=file)
    if match["line"]:
        line, column = int(match["line"]), int(match["column"])
    else:
        lines = source.split("\n")
        line, column = len(lines), len(lines[-1]) + 1
    return Problem(_reason(match["reason"]), file=file, line=line, column=column)


def _reason(text: str) -> str:
    twice = _TWICE.fullmatch(text)
    if twice:
        keys = re.findall(r"'([^']*)'", twice["keys"] or twice["more"])
        return f"[{'.'.join(keys)}] is there twice"
    return _REASONS.get(text) or text[:1].lower() + text[1:]


def _plain(value: Any, keys: Keys, findings: list[Finding]) -> Any:
    fault = _fault(value, len(keys))
    if fault:
        findings.append(Finding(keys, fault))
        return None
    if isinstance(value, dict):
        return {key: _plain(item, (*keys, key), findings) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, (*keys, index), findings) for index, item in enumerate(value)]
    return value


def _fault(value: Any, depth: int) -> str:
    return next(_faults(value, depth), "")


def _faults(value: Any, depth: int) -> Iterator[str]:
    match value:
        case dict() | list() if depth > _DEPTH:
            yield f"nested more than {_DEPTH} deep"
        case bool() | str() | dict() | list():
            return
        case int() if not -(2**63) <= value < 2**63:
            yield "expected a number that fits in 64 bits"
        case float() if not math.isfinite(value):
            yield "expected a number, neither nan nor inf"
        case int() | float():
            return
        case _:
            yield "expected no date or time: put it in quotes when it is text"
