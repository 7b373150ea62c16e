"""Read the language of Logstash's pipelines: sections of plugins, each with settings, and `if` around them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from stand_in.settings import WrongSetting

_TOKEN = re.compile(
    r"""(?P<skip>\s+|\#[^\n]*)|(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<mark>=>|[{}\[\],!])|(?P<word>[\w.@-]+)"""
)
_MARKS = ("=>", "{", "}", "[", "]", ",", "!")
_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<default>[^}]*))?\}")


@dataclass(frozen=True, slots=True)
class Plugin:
    """One plugin with its settings."""

    name: str
    settings: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Condition:
    """Plugins that work on events in which a field is there, or is not."""

    field: str
    wants_absence: bool
    body: tuple[Plugin | Condition, ...]


Body = tuple[Plugin | Condition, ...]


def sections(text: str) -> dict[str, Body]:
    """Return the plugins of `input`, `filter` and `output`. Raises: `WrongSetting`."""
    reader = _Reader(text)
    found: dict[str, Body] = {"input": (), "filter": (), "output": ()}
    while reader.next:
        name = reader.take()
        if name not in found:
            raise WrongSetting(f"the pipeline has a section {name!r}; there are input, filter and output")
        found[name] += reader.body()
    return found


class _Reader:
    """The tokens of one text, each looked at before it is taken; empty at the end."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self.next = next(self._tokens, "")

    def take(self, wanted: str = "") -> str:
        token = self.next
        if not token or (wanted and token != wanted):
            raise WrongSetting(f"the pipeline has {token or 'its end'} where {wanted or 'more'} is expected")
        self.next = next(self._tokens, "")
        return token

    def body(self) -> Body:
        self.take("{")
        parts: list[Plugin | Condition] = []
        while self.next != "}":
            name = self.take()
            parts.append(self._condition() if name == "if" else Plugin(name, self._settings()))
        self.take("}")
        return tuple(parts)

    def _condition(self) -> Condition:
        wants_absence = self.next == "!"
        if wants_absence:
            self.take()
        self.take("[")
        field = self.take()
        self.take("]")
        return Condition(field, wants_absence, self.body())

    def _settings(self) -> dict[str, Any]:
        self.take("{")
        settings = {}
        while self.next != "}":
            name = self.take()
            self.take("=>")
            settings[name] = self._value()
        self.take("}")
        return settings

    def _value(self) -> Any:
        if self.next == "{":
            return {_text(name): value for name, value in self._settings().items()}
        if self.next == "[":
            return self._list()
        if self.next in _MARKS:
            self.take("a value")
        return _text(self.take())

    def _list(self) -> list[Any]:
        self.take("[")
        values = []
        while self.next != "]":
            values.append(self._value())
            if self.next != "]":
                self.take(",")
        self.take("]")
        return values


def _tokens(text: str) -> Iterator[str]:
    place = 0
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None:
            line = text.count("\n", 0, place) + 1
            raise WrongSetting(f"line {line} of the pipeline has something that this stand-in does not understand")
        place = found.end()
        if found.lastgroup != "skip":
            yield found[0]


def _text(token: str) -> str:
    """Return what a word or string says, with variables in place."""
    return _VARIABLE.sub(_variable, token[1:-1] if token[0] in "\"'" else token)


def _variable(found: re.Match[str]) -> str:
    value = os.environ.get(found["name"], found["default"])
    if value is None:
        raise WrongSetting(f"the pipeline names the variable {found['name']}, which is not set")
    return value
