"""What detection passes on: the programs of a repository, the servers that they need, and what to tell its owner."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

Files = Mapping[str, str]
"""Path with slashes, relative to the folder → content."""


class Server(StrEnum):
    """The servers that a first spec can hold, by their kind."""

    POSTGRES = "postgres"
    REDIS = "redis"
    QDRANT = "qdrant"
    MINIO = "minio"
    ELASTICSEARCH = "elasticsearch"


@dataclass(frozen=True, slots=True)
class Component:
    """A folder with programs of its own: it has a Dockerfile, or a list of packages."""

    folder: str
    """Relative, empty for the top."""
    files: Files
    """By their path inside it, without those of components below."""
    context: str
    """Folder that its image is built from, `.` for the top."""
    dockerfile: str
    """Inside the context."""
    dockerfile_text: str | None
    """None when there is no Dockerfile."""

    @property
    def where(self) -> str:
        """The folder as a sentence names it."""
        return self.folder or "this folder"


@dataclass(frozen=True, slots=True)
class Program:
    """One service of the application."""

    name: str
    kind: str
    options: Mapping[str, object] = field(default_factory=dict)
    """Keys of its table, in order."""
    listens: bool = False
    uses: tuple[Server, ...] = ()
    reads_files: bool = False
    """Its code knows secrets that come as files."""
    is_first: bool = False
    """The others wait for it."""


@dataclass(frozen=True, slots=True)
class Detected:
    """What one component holds."""

    programs: tuple[Program, ...] = ()
    servers: Mapping[Server, Mapping[str, object]] = field(default_factory=dict)
    """Server → keys of its table."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Variable:
    """A value that the project's own example of a `.env` file names."""

    name: str
    default: str | None
    is_secret: bool
    is_generated: bool


@dataclass(frozen=True, slots=True)
class Build:
    """An image made from the project's source."""

    name: str
    context: str
    dockerfile: str


@dataclass(frozen=True, slots=True)
class Proposal:
    """Everything that a first spec and its files are written from."""

    project: str
    environments: tuple[str, ...]
    builds: tuple[Build, ...] = ()
    servers: Mapping[Server, Mapping[str, object]] = field(default_factory=dict)
    programs: tuple[tuple[Program, str], ...] = ()
    """Each with the build that it runs from."""
    variables: tuple[Variable, ...] = ()
    compose_files: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
