"""What rules ask of a Compose document: its services, ports, mounts and variables, however they are written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from envmgr.rules.tree import Keys, Node, Place, places, plain

Table = Mapping[str, Any]
_VARIABLE = re.compile(r"(?<!\$)(?:\$\$)*\$(?:\{|[A-Za-z_])")
_JOB_LABEL = "envmgr.job"


@dataclass(frozen=True, slots=True)
class Modes:
    """Permissions of a file, and of the folder that it lies in."""

    file: int
    folder: int


@dataclass(frozen=True, slots=True)
class Document:
    """A Compose project, as one file or several laid over each other make it."""

    files: tuple[str, ...]
    data: Table
    places: Mapping[Keys, Place]
    modes: Mapping[str, Modes] = field(default_factory=dict)
    """Of files that it names, as they are written there; those that exist."""

    @property
    def name(self) -> str:
        """Return the project's name, if the document says it."""
        return str(self.data.get("name") or "")

    @property
    def services(self) -> tuple[Service, ...]:
        """Return every service."""
        return tuple(Service(self, name, table(body)) for name, body in table(self.data.get("services")).items())

    def section(self, name: str) -> Iterator[tuple[str, Table]]:
        """Yield name and body of each network, volume or secret."""
        for key, body in table(self.data.get(name)).items():
            yield key, table(body)

    def place(self, keys: Keys) -> Place:
        """Return where a key stands, or the nearest thing above it."""
        while keys not in self.places:
            keys = keys[:-1]
        return self.places[keys]


@dataclass(frozen=True, slots=True)
class Service:
    """One service of a document."""

    document: Document
    name: str
    body: Table

    @property
    def keys(self) -> Keys:
        """Return its place."""
        return ("services", self.name)

    @property
    def is_whole(self) -> bool:
        """Tell whether it says what runs: a piece that is only laid over another lacks what it does not change."""
        return bool({"image", "build"} & self.body.keys()) and "extends" not in self.body

    @property
    def is_job(self) -> bool:
        """Tell whether it is meant to end."""
        policy = table(table(self.body.get("deploy")).get("restart_policy")).get("condition")
        if self.body.get("restart") in ("no", False) or policy == "none":
            return True
        is_awaited = any(
            table(table(other.body.get("depends_on")).get(self.name)).get("condition")
            == "service_completed_successfully"
            for other in self.document.services
        )
        return is_awaited or dict(self.pairs("labels")).get(_JOB_LABEL) == "true"

    @property
    def image_name(self) -> str:
        """Return the last part of its image, without tag or digest."""
        return str(self.body.get("image", "")).partition("@")[0].rpartition("/")[2].partition(":")[0]

    @property
    def limits(self) -> Table:
        """Return `deploy.resources.limits`."""
        return table(table(table(self.body.get("deploy")).get("resources")).get("limits"))

    def pairs(self, key: str) -> Iterator[tuple[str, Any]]:
        """Yield the entries of a table that may be a list of `NAME=value`."""
        for _, name, value in self.entries((key,)):
            yield name, value

    def entries(self, keys: Keys) -> Iterator[tuple[Keys, str, Any]]:
        """Yield place, name and value of such entries."""
        value: Any = self.body
        for key in keys:
            value = table(value).get(str(key))
        if isinstance(value, Mapping):
            for name, one in value.items():
                yield (*keys, name), name, one
        for index, one in enumerate(sequence(value)):
            name, equals, text = str(one).partition("=")
            yield (*keys, index), name, text if equals else None

    def words(self, *keys: str) -> list[str]:
        """Return a command as words; one that is a single text is split at blanks."""
        value: Any = self.body
        for key in keys:
            value = table(value).get(key)
        return [str(one) for one in value] if isinstance(value, list) else str(value or "").split()


def document(root: Node, files: tuple[str, ...], modes: Mapping[str, Modes] | None = None) -> Document:
    """Make a document of a tree."""
    return Document(files, plain(root), dict(places(root)), modes or {})


def table(value: Any) -> Table:
    """Return a table, or an empty one in place of anything else."""
    return value if isinstance(value, Mapping) else {}


def sequence(value: Any) -> list[Any]:
    """Return a list, or an empty one in place of anything else."""
    return value if isinstance(value, list) else []


def is_open(value: Any) -> bool:
    """Tell whether a value waits for a variable that has no default."""
    return isinstance(value, str) and bool(_VARIABLE.search(value))


def is_on(value: Any) -> bool:
    """Tell whether Compose takes a value as true."""
    return value is True or str(value).lower() in ("true", "yes", "on", "y", "1")


# ---- ports


@dataclass(frozen=True, slots=True)
class Port:
    """One entry of `ports`."""

    index: int
    host_ip: str
    """Empty: every address."""
    published: range | None
    """None: any that is free, or not known."""
    target: range | None
    protocol: str


def ports(service: Service) -> Iterator[Port]:
    """Yield what a service publishes, short or long syntax."""
    for index, entry in enumerate(sequence(service.body.get("ports"))):
        if isinstance(entry, Mapping):
            ip, protocol = str(entry.get("host_ip") or ""), str(entry.get("protocol") or "tcp")
            yield Port(index, ip.strip("[]"), _range(entry.get("published")), _range(entry.get("target")), protocol)
        else:
            yield _short_port(index, str(entry))


def _short_port(index: int, text: str) -> Port:
    """Read `[IP:][PUBLISHED:]TARGET[/PROTOCOL]`."""
    text, _, protocol = re.sub(r"\$\{[^}]*\}", "$", text).partition("/")
    ip, _, rest = text[1:].partition("]:") if text.startswith("[") else ("", "", text)
    *before, target = rest.split(":")
    if len(before) > 1:
        ip = ":".join(before[:-1])
    return Port(index, ip, _range(before[-1] if before else None), _range(target), protocol or "tcp")


def _range(value: Any) -> range | None:
    first, _, last = str(value if value is not None else "").partition("-")
    if not first.isdecimal() or (last and not last.isdecimal()):
        return None
    return range(int(first), int(last or first) + 1)


# ---- mounts


@dataclass(frozen=True, slots=True)
class Mount:
    """One entry of `volumes`."""

    index: int
    kind: str
    """`bind`, `volume`, `tmpfs`, …"""
    source: str
    target: str
    is_read_only: bool
    propagation: str = ""
    makes_folder: bool = True
    """Docker makes a folder where the source is missing."""


def mounts(service: Service) -> Iterator[Mount]:
    """Yield what a service mounts, short or long syntax."""
    for index, entry in enumerate(sequence(service.body.get("volumes"))):
        if isinstance(entry, Mapping):
            bind = table(entry.get("bind"))
            yield Mount(
                index,
                str(entry.get("type") or "volume"),
                str(entry.get("source") or ""),
                str(entry.get("target") or ""),
                is_on(entry.get("read_only")),
                str(bind.get("propagation") or ""),
                is_on(bind.get("create_host_path", True)),
            )
        else:
            yield _short_mount(index, str(entry))


def _short_mount(index: int, text: str) -> Mount:
    parts = re.sub(r"\$\{([^}:]*)[^}]*\}", r"${\1}", text).split(":")
    if len(parts) == 1:
        return Mount(index, "volume", "", parts[0], is_read_only=False)
    kind = "bind" if parts[0].startswith(("/", ".", "~", "$")) else "volume"
    options = parts[2].split(",") if len(parts) > 2 else []
    propagation = next((one for one in options if one.removeprefix("r") in ("shared", "slave", "private")), "")
    return Mount(index, kind, parts[0], parts[1], "ro" in options, propagation)


# ---- amounts


_UNITS = {"": 1, "b": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}
_SIZE = re.compile(r"([0-9.]+)\s*([bkmgt]?)(?:i?b)?", re.IGNORECASE)


def size(value: Any) -> float | None:
    """Return a size in bytes; None when it is not known."""
    found = _SIZE.fullmatch(str(value).strip())
    return float(found[1]) * _UNITS[found[2].lower()] if found and found[1].count(".") < 2 else None


def number(value: Any) -> float | None:
    """Return a number; None when it is not known."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
