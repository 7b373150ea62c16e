"""Raw Compose keys of the spec: which of them envmgr writes itself, which Compose knows, which are too dangerous."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from envmgr import naming
from envmgr.errors import Problem
from envmgr.spec.compose_schema import compose_schema
from envmgr.spec.places import Keys, dotted, undotted
from envmgr.spec.suggest import did_you_mean

_NAMES = "services are reached by their names in the spec"
_OURS: Mapping[Keys, tuple[str, str]] = {
    ("image",): ('set "image" or "build" instead', 'set "image" instead'),
    ("build",): ('set "build", a table of [builds]', 'set "image" instead'),
    ("pull_policy",): ("", ""),
    ("container_name",): (_NAMES, _NAMES),
    ("env_file",): ('set "variables" instead', ""),
    ("networks",): ('set "uses", "after" or "egress" instead', 'set "uses" instead'),
    ("network_mode",): ('set "uses", "after" or "egress" instead', 'set "uses" instead'),
    ("links",): (_NAMES, _NAMES),
    ("external_links",): (_NAMES, _NAMES),
    ("ports",): ("set the port in [environments.NAME.ports]", 'set "port" or "ports" instead'),
    ("depends_on",): ('set "after" or "uses" instead', 'set "uses" instead'),
    ("scale",): ('set "replicas" instead', ""),
    ("deploy", "replicas"): ('set "replicas" instead', ""),
    ("deploy", "mode"): ('set "replicas" instead', ""),
    ("secrets",): ("declare it in [variables] with secret = true", ""),
    ("configs",): ("", ""),
    ("profiles",): ("", ""),
    ("extends",): ("", ""),
    ("provider",): ("", ""),
    ("label_file",): ('set "labels" instead', 'set "labels" instead'),
    ("cpus",): ('set "cpus" beside "compose"',) * 2,
    ("cpu_quota",): ('set "cpus" instead',) * 2,
    ("cpu_period",): ('set "cpus" instead',) * 2,
    ("mem_limit",): ('set "memory" instead',) * 2,
    ("mem_reservation",): ('set "memory_reserved" instead',) * 2,
    ("pids_limit",): ('set "pids" instead',) * 2,
    ("deploy", "resources", "limits", "cpus"): ('set "cpus" instead',) * 2,
    ("deploy", "resources", "limits", "memory"): ('set "memory" instead',) * 2,
    ("deploy", "resources", "limits", "pids"): ('set "pids" instead',) * 2,
    ("deploy", "resources", "reservations", "cpus"): ('set "cpus_reserved" instead',) * 2,
    ("deploy", "resources", "reservations", "memory"): ('set "memory_reserved" instead',) * 2,
    ("gpus",): ('set "gpus" beside "compose"', ""),
    ("stop_grace_period",): ('set "stop_seconds" instead',) * 2,
    ("healthcheck", "start_period"): ('set "start_seconds" instead',) * 2,
    ("healthcheck", "disable"): ("without it nothing is known to be ready",) * 2,
}
"""Key that envmgr writes → what to write in the spec instead, for a service of the application and of the base."""

_OF_KINDS: Mapping[Keys, tuple[str, ...]] = {
    ("user",): ("user",),
    ("command",): ("command",),
    ("healthcheck", "test"): ("healthcheck", "health_path"),
}
"""Key → options, of which a kind that has one of them writes the key."""

_TABLES = {"environment": 'NAME = "value"', "labels": 'name = "value"'}
"""Keys that Compose takes as a list too, which would put envmgr's own entries out."""

_RESERVED_LABELS = ("envmgr.", "com.docker.compose.")
_NAMESPACES = {
    "pid": "processes",
    "ipc": "shared memory",
    "uts": "host name",
    "userns_mode": "users",
    "cgroup": "cgroup",
}
_SOCKET = "docker.sock"
_HOLD_SOCKET = ("/", "/run", "/var", "/var/run")
_TYPES = {
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a table",
}


@dataclass(frozen=True, slots=True)
class RawKeys:
    """The `compose` table of one service."""

    table: Mapping[str, Any]
    places: Mapping[str, str]
    """Of the service: key → where it is written."""
    options: Collection[str]
    """Keys of the spec that its kind takes."""
    is_server: bool
    given: Collection[str] = ()
    """Variables that `variables` cannot set, because envmgr or the `.env` files give them; here they may be set."""

    def place(self, keys: Keys) -> str:
        """Return where something inside the table is written."""
        first, rest = keys[:1], keys[1:]
        origin = (
            self.places.get(dotted(("compose", *first))) or f"{self.places.get('', '')}.{dotted(('compose', *first))}"
        )
        return dotted((*undotted(origin), *rest))


def check(raw: RawKeys) -> tuple[Problem, ...]:
    """Return everything that is wrong with a service's raw keys."""
    if not raw.table:
        return ()
    found = [(keys, message, hint) for rule in (_dangers, _owned, _shapes, _unfit) for keys, message, hint in rule(raw)]
    # A key that is envmgr's needs no word on its shape.
    refused = [keys for keys, _, _ in found]
    first = [one for number, one in enumerate(found) if not any(_is_inside(one[0], k) for k in refused[:number])]
    return tuple(Problem(message, raw.place(keys), hint=hint) for keys, message, hint in first)


def weakened(table: Mapping[str, Any]) -> tuple[str, ...]:
    """Say in what a service is less confined than envmgr would make it."""
    options = [str(one) for one in _listed(table, "security_opt")]
    loose = [one for one in options if "unconfined" in one or one.endswith(("disable", ":false", "=false"))]
    found = [
        *(f"gets the capability {one}" for one in _listed(table, "cap_add")),
        *(f"runs with {one}" for one in loose),
        *(f"reaches the device {_source(one)}" for one in _listed(table, "devices")),
        *(f"reaches {_source(one)} of the host" for one in _listed(table, "volumes") if _source(one)),
        *(f"shares {what} with {table[key]}" for key, what in _NAMESPACES.items() if key in table),
        *(
            f"has {key}"
            for key in ("device_cgroup_rules", "cgroup_parent", "group_add", "volumes_from")
            if key in table
        ),
        *(["can write its own root"] if _is_off(table.get("read_only")) else []),
        *(["keeps no log"] if table.get("logging", {}).get("driver") == "none" else []),
    ]
    return tuple(found)


Found = Iterator[tuple[Keys, str, str]]


def _owned(raw: RawKeys) -> Found:
    for keys, (for_service, for_server) in _OURS.items():
        if _has(raw.table, keys):
            yield keys, "envmgr writes this itself", for_server if raw.is_server else for_service
    for keys, options in _OF_KINDS.items():
        mine = [option for option in options if option in raw.options]
        if _has(raw.table, keys) and (mine or keys == ("user",)):
            yield keys, "envmgr writes this itself", f'set "{mine[0]}" instead' if mine else ""
    if "variables" in raw.options:
        environment = raw.table.get("environment")
        for name, value in environment.items() if isinstance(environment, Mapping) else ():
            if naming.VARIABLE.fullmatch(str(name)) and name not in raw.given and "\n" not in str(value):
                yield ("environment", str(name)), "envmgr writes this itself", 'set "variables" instead'
    for label in raw.table.get("labels", ()):
        if str(label).startswith(_RESERVED_LABELS):
            yield ("labels", str(label)), "envmgr and Compose find their containers by this label", ""


def _shapes(raw: RawKeys) -> Found:
    """Refuse a shape that Compose would take, and that would put what envmgr writes there out."""
    for key, example in _TABLES.items():
        if isinstance(raw.table.get(key), list):
            yield (key,), "expected a table", f"write {key} = {{ {example} }}"
    if isinstance(raw.table.get("tmpfs"), str):
        yield ("tmpfs",), "expected a list", f'write tmpfs = ["{raw.table["tmpfs"]}"]'
    for index, mount in enumerate(_listed(raw.table, "volumes")):
        if not isinstance(mount, Mapping):
            yield ("volumes", index), "expected a table", 'such as { type = "bind", source = "…", target = "…" }'
        elif mount.get("type") == "volume":
            hint = (
                "its kind says which it has"
                if raw.is_server and "volumes" not in raw.options
                else 'set "volumes" instead'
            )
            yield ("volumes", index), "envmgr writes volumes itself", hint


def _dangers(raw: RawKeys) -> Found:
    """Refuse what gives the whole host away."""
    why = "this gives the container the whole host"
    if "privileged" in raw.table and not _is_off(raw.table["privileged"]):
        yield ("privileged",), why, 'name what it needs in "cap_add" or "devices"'
    if "use_api_socket" in raw.table and not _is_off(raw.table["use_api_socket"]):
        yield ("use_api_socket",), why, ""
    for key, what in _NAMESPACES.items():
        if raw.table.get(key) == "host":
            yield (key,), f"this shares the host's {what} with the container", ""
    for index, mount in enumerate(_listed(raw.table, "volumes")):
        source = posixpath.normpath(_source(mount))
        if posixpath.basename(source) == _SOCKET or source in _HOLD_SOCKET:
            yield ("volumes", index), why, f"whoever reaches {_SOCKET} is root on the host"


def _unfit(raw: RawKeys) -> Found:
    """Hold the table against the Compose Specification's own schema."""
    from jsonschema import Draft202012Validator

    whole = compose_schema()
    known = _properties(whole["$defs"]["service"], whole)
    for key in raw.table:
        if key not in known and not key.startswith("x-"):
            yield (key,), "Compose knows no such key", did_you_mean(key, known)
    validator = Draft202012Validator({"$defs": whole["$defs"], "$ref": "#/$defs/service"})
    for error in validator.iter_errors(dict(raw.table)):
        # One wrong value makes this one accuse its neighbours too; unknown keys have been named above.
        if error.validator != "unevaluatedProperties":
            yield from _explained(error)


def _properties(schema: Mapping[str, Any], whole: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(schema.get("properties", {}))
    for part in schema.get("allOf", ()):
        found |= _properties(whole["$defs"][part["$ref"].rpartition("/")[2]], whole)
    return found


def _explained(error: Any) -> Found:
    keys = tuple(error.absolute_path)
    match error.validator:
        case "additionalProperties":
            known = error.schema.get("properties", {})
            for key in error.instance.keys() - known.keys():
                if not key.startswith("x-"):
                    yield (*keys, key), "Compose knows no such key here", did_you_mean(key, known)
        case "oneOf" | "anyOf":
            yield from _one_of(error)
        case "type":
            yield keys, f"expected {_types([error])}", ""
        case "enum":
            yield keys, f"expected one of: {', '.join(map(str, error.validator_value))}", ""
        case "uniqueItems":
            yield keys, "something stands twice in this list", ""
        case "required":
            missing = [name for name in error.validator_value if name not in error.instance]
            yield keys, f"expected {' and '.join(missing)} in it", ""
        case _:
            yield keys, f"Compose does not take this: its schema says {error.validator} {error.validator_value}", ""


def _one_of(error: Any) -> Found:
    """Explain by the alternative that was meant: one whose type is right; else name all types."""
    here = len(error.absolute_path)
    wrong_type = [one for one in error.context if one.validator == "type" and len(one.absolute_path) == here]
    meant = [one for one in error.context if one not in wrong_type]
    if meant:
        yield from _explained(meant[0])
    else:
        yield tuple(error.absolute_path), f"expected {_types(wrong_type)}", ""


def _types(errors: Iterable[Any]) -> str:
    given = [error.validator_value for error in errors]
    names = [name for value in given for name in (value if isinstance(value, list) else [value])]
    words = [_TYPES[name] for name in dict.fromkeys(names) if name in _TYPES]
    return f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else "".join(words)


def _has(table: Any, keys: Keys) -> bool:
    for key in keys:
        if not isinstance(table, Mapping) or key not in table:
            return False
        table = table[key]
    return True


def _is_inside(keys: Keys, others: Keys) -> bool:
    return keys[: len(others)] == others


def _listed(table: Mapping[str, Any], key: str) -> list[Any]:
    value = table.get(key)
    return value if isinstance(value, list) else []


def _source(entry: Any) -> str:
    return str(entry.get("source", "")) if isinstance(entry, Mapping) else str(entry).partition(":")[0]


def _is_off(value: object) -> bool:
    return value is False or str(value).lower() in ("false", "no", "off")
