"""What happens to one event between input and output: its first fields, the filters, and the index it goes to."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from configuration import Body, Condition, Plugin, sections
from stand_in.settings import WrongSetting

_REFERENCE = re.compile(r"%\{(?:\+(?P<date>[^}]+)|\[?(?P<field>[^\]}]+)\]?)\}")
_DATES = {"YYYY": "%Y", "yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H"}

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Target:
    """Where events go."""

    host: str
    login: tuple[str, str] | None
    index: str
    action: str


@dataclass(frozen=True, slots=True)
class Pipeline:
    """One pipeline of the form that this stand-in knows: TCP in, filters, Elasticsearch out."""

    port: int
    filters: Body
    target: Target

    def filtered(self, line: bytes) -> Event:
        """Return the event that a line becomes."""
        event = _event(line)
        _apply(self.filters, event)
        return event

    def index(self, event: Event) -> str:
        """Return the index that an event belongs into."""
        return _REFERENCE.sub(lambda found: _referred(found, event), self.target.index)


def read(text: str) -> Pipeline:
    """Return the pipeline that a text describes. Raises: `WrongSetting` for what this stand-in does not do."""
    found = sections(text)
    tcp, output = _only(found["input"], "tcp"), _only(found["output"], "elasticsearch")
    if tcp.get("codec") != "json_lines":
        raise WrongSetting("the input has another codec than json_lines, the only one of this stand-in")
    _check(found["filter"])
    hosts = output.get("hosts", "http://localhost:9200")
    login = (output["user"], output["password"]) if "user" in output else None
    target = Target(
        (hosts[0] if isinstance(hosts, list) else hosts).rstrip("/"),
        login,
        output.get("index", "logstash-%{+yyyy.MM.dd}"),
        output.get("action", "index"),
    )
    return Pipeline(int(tcp["port"]), found["filter"], target)


def _only(body: Body, name: str) -> dict[str, Any]:
    if len(body) != 1 or not isinstance(body[0], Plugin) or body[0].name != name:
        raise WrongSetting(
            f"the pipeline has another input or output than one {name}, which is all this stand-in knows"
        )
    return body[0].settings


def _event(line: bytes) -> Event:
    try:
        event = json.loads(line)
    except ValueError:
        event = None
    if not isinstance(event, dict):
        event = {"message": line.decode(errors="replace"), "tags": ["_jsonparsefailure"]}
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"@timestamp": now, "@version": "1", **event}


def _check(body: Body) -> None:
    for part in body:
        if isinstance(part, Condition):
            _check(part.body)
        elif part.name != "mutate" or not set(part.settings) <= set(_MUTATIONS):
            raise WrongSetting(f"the filter {part.name} does something that this stand-in does not do")


def _apply(body: Body, event: Event) -> None:
    for part in body:
        if isinstance(part, Plugin):
            for name, setting in part.settings.items():
                _MUTATIONS[name](event, setting)
        elif bool(event.get(part.field)) is not part.wants_absence:
            _apply(part.body, event)


def _add_field(event: Event, fields: dict[str, str]) -> None:
    event.update(fields)


def _lowercase(event: Event, names: list[str]) -> None:
    event.update({name: event[name].lower() for name in names if isinstance(event.get(name), str)})


def _gsub(event: Event, triples: list[str]) -> None:
    for name, pattern, replacement in zip(triples[::3], triples[1::3], triples[2::3], strict=True):
        if isinstance(event.get(name), str):
            event[name] = re.sub(pattern, replacement, event[name])


_MUTATIONS: dict[str, Callable[[Event, Any], None]] = {
    "add_field": _add_field,
    "lowercase": _lowercase,
    "gsub": _gsub,
}


def _referred(found: re.Match[str], event: Event) -> str:
    if found["date"]:
        moment = datetime.fromisoformat(str(event["@timestamp"]))
        return moment.strftime(re.sub("|".join(_DATES), lambda part: _DATES[part[0]], found["date"]))
    return str(event.get(found["field"], found[0]))
