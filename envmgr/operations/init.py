"""A first spec for a repository, and the files beside it: all of them or none, and nothing is overwritten."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from envmgr import layout, naming
from envmgr.errors import EnvmgrError, SpecError, UsageError
from envmgr.files import write_atomic
from envmgr.model.result import InitResult
from envmgr.operations.project import open_project
from envmgr.operations.schema import schema, schema_text
from envmgr.operations.survey import survey
from envmgr.starting import beside
from envmgr.starting.found import Files, Proposal
from envmgr.starting.propose import compose_files, project_name, propose
from envmgr.starting.spec_text import spec_text

ENVIRONMENTS = ("dev", "stage", "prod")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What lies in the folder that gets a spec."""

    spec: Path
    files: Files

    @property
    def folder(self) -> Path:
        """Where the spec will stand."""
        return self.spec.resolve().parent

    @property
    def name(self) -> str:
        """What the project is called, as far as one can see."""
        return project_name(self.files, self.folder.name)

    @property
    def compose_files(self) -> tuple[str, ...]:
        """Compose files that `envmgr import` would make a spec of."""
        return compose_files(self.files)


@dataclass(frozen=True, slots=True)
class Start:
    """What `init` would write: decided, and not done."""

    folder: Path
    spec_name: str
    proposal: Proposal
    writes: Mapping[str, bytes]
    """In order; the spec is the last, so that a command that was cut off can be given again."""
    kept: tuple[str, ...]
    notes: tuple[str, ...]


def look_around(spec: Path) -> Surroundings:
    """Read the folder of a spec that is not there yet.

    Raises: `UsageError` when it is, or when there is no such folder.
    """
    if spec.exists() or spec.is_symlink():
        raise UsageError(
            f"{spec} is there already", state="Nothing was written.", help="envmgr plan shows what it would do."
        )
    if not spec.resolve().parent.is_dir():
        raise UsageError(f"{spec.parent} is no folder", state="Nothing was written.")
    return Surroundings(spec, survey(spec.resolve().parent))


def prepare(found: Surroundings, name: str, environments: tuple[str, ...]) -> Start:
    """Decide what to write.

    Raises: `UsageError` for a name that nothing could be called.
    """
    for one in (name, *environments):
        if not naming.NAME.fullmatch(one) or len(one) > naming.NAME_LENGTH:
            raise UsageError(f'"{one}" cannot be a name here', help=f'such as "{naming.slug(one)}"')
    proposal = propose(found.files, found.folder.name, tuple(dict.fromkeys(environments)), name)
    text = spec_text(proposal)
    _prove(text)
    wanted = _wanted(found, proposal)
    kept = tuple(path for path in wanted if path not in beside.IGNORING and _is_there(found.folder / path))
    writes = {path: data for path, data in wanted.items() if path not in kept}
    writes[found.spec.name] = text.encode()
    return Start(found.folder, found.spec.name, proposal, writes, kept, _notes(found, proposal))


def init(start: Start) -> InitResult:
    """Write what was prepared.

    Raises: `UsageError` when a file cannot be written; then none was.
    """
    done: dict[Path, bytes | None] = {}
    try:
        for path, data in start.writes.items():
            target = start.folder / path
            done[target] = _before(target, is_new=path not in beside.IGNORING)
            write_atomic(target, data, _mode(target))
    except BaseException as error:
        _undo(done)
        if isinstance(error, OSError):
            place = error.filename or start.folder
            raise UsageError(
                f"{place} cannot be written: {error.strerror}",
                state="Nothing was written.",
                help="Mend that, then: envmgr init",
            ) from error
        raise
    return InitResult(start.spec_name, tuple(start.writes), start.kept, start.notes, start.proposal.environments)


def _wanted(found: Surroundings, proposal: Proposal) -> dict[str, bytes]:
    """Return the files beside the spec; a Makefile only where there is none."""
    wanted = {
        layout.SCHEMA: schema_text(schema()).encode(),
        ".env.example": beside.env_example(proposal).encode(),
        beside.MAKE_INCLUDE: beside.make_include(proposal, beside.own_targets(found.files)).encode(),
    }
    if not beside.makefile(found.files):
        wanted["Makefile"] = f"include {beside.MAKE_INCLUDE}\n".encode()
    return wanted | dict(_ignoring(found.folder, proposal))


def _ignoring(folder: Path, proposal: Proposal) -> Iterator[tuple[str, bytes]]:
    """Yield the files that lack lines; an image that is built from the whole folder must not hold our files."""
    is_built_here = any(build.context == "." for build in proposal.builds)
    for name in beside.IGNORING:
        path = folder / name
        if path.is_symlink() or (name == ".dockerignore" and not is_built_here):
            continue
        before = path.read_bytes() if path.is_file() else b""
        after = beside.ignoring(name, before.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
        if after != before:
            yield name, after


def _notes(found: Surroundings, proposal: Proposal) -> tuple[str, ...]:
    notes = list(proposal.notes)
    if proposal.compose_files:
        first = proposal.compose_files[0]
        notes.append(f"{first} is there: to make a spec of it, remove {found.spec.name}, then: envmgr import {first}")
    name = beside.makefile(found.files)
    if name and f"include {beside.MAKE_INCLUDE}" not in found.files[name]:
        notes.append(f"{name} stays as it is: add the line `include {beside.MAKE_INCLUDE}` for the docker-* targets")
        taken = sorted(beside.own_targets(found.files) & beside.target_names(proposal))
        if taken:
            notes.append(f"{name} has targets of its own called {', '.join(taken)}: {beside.MAKE_INCLUDE} leaves them")
    if not proposal.programs:
        notes.append("no program was found: describe one under [services.NAME]")
    return tuple(notes)


def _prove(text: str) -> None:
    """Read the proposal as any command would: a spec that does not load helps nobody."""
    with tempfile.TemporaryDirectory(prefix="envmgr-init-") as folder:
        path = Path(folder) / layout.SPEC
        path.write_text(text, encoding="utf-8")
        try:
            open_project(path)
        except SpecError as error:
            raise EnvmgrError(
                "what was found here does not make a valid spec",
                state="Nothing was written.",
                help="Start from an example: the names given may clash with those of services.",
                details=tuple(f"{problem.path}: {problem.message}" for problem in error.problems),
            ) from error


def _is_there(path: Path) -> bool:
    return path.exists() or path.is_symlink()


def _before(path: Path, *, is_new: bool) -> bytes | None:
    """Return what a file held; one that was to be new and has come in the meantime is an error."""
    if is_new and _is_there(path):
        raise FileExistsError(17, "it is there already", str(path))
    return path.read_bytes() if path.exists() else None


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o777 if path.exists() else 0o644


def _undo(done: Mapping[Path, bytes | None]) -> None:
    for path, before in done.items():
        with contextlib.suppress(OSError):
            if before is None:
                path.unlink(missing_ok=True)
            else:
                write_atomic(path, before, _mode(path))
