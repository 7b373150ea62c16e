"""Make a spec of an existing Compose project, and compare what is rendered from it with the project."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from envmgr import layout, naming
from envmgr.catalog.registry import INFRA, SERVICES
from envmgr.engine import compose_files
from envmgr.errors import EnvmgrError, Problem, SpecError, UsageError
from envmgr.files import write_atomic
from envmgr.importing import compare, convert, writing
from envmgr.importing.compare import Rendered
from envmgr.importing.convert import Imported
from envmgr.importing.places import Places
from envmgr.importing.source import UNSET, Source, unescaped
from envmgr.model.imported import Difference, ImportResult
from envmgr.operations.project import Project, open_project
from envmgr.render.files import render
from envmgr.resolve import compose_keys
from envmgr.spec.checks import RESERVED
from envmgr.spec.dotenv import collect, read_env_files
from envmgr.spec.dotenv_write import append_env
from envmgr.spec.places import dotted, undotted
from envmgr.spec.schema import ServiceTable
from envmgr.spec.vocabulary import keys_of

_NO_ENVIRONMENTS = (naming.INFRA, naming.DEFAULTS, "all")
_NO_FILE = Path("/dev/null")


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What is imported, and as what."""

    files: tuple[Path, ...]
    output: Path
    name: str | None = None
    environment: str = "dev"
    profiles: tuple[str, ...] = ()
    containers: tuple[str, ...] = ()
    """Services that stay containers although a kind could take their place."""


def import_project(options: ImportOptions, environ: Mapping[str, str]) -> ImportResult:
    """Write the spec of a Compose project; nothing is started, and no file is overwritten.

    Raises:
        UsageError: the spec is there already, or a file to import is not.
        SpecError: Compose cannot read the files, or nothing of them can be carried over.
    """
    _check(options)
    source, notes = _source(options, environ)
    for service in options.containers:
        if service not in source.services:
            raise UsageError(f"there is no service {service}", help=f"known: {', '.join(source.services)}")
    name = naming.slug(options.name or str(source.now.get("name") or source.folder.name))
    imported = convert.convert(source, name, options.environment, tuple(INFRA), _refuse, options.containers)
    if not imported.drafts:
        reasons = tuple(f"{one.service}: {one.why}" for one in imported.services)
        raise SpecError(f"nothing of {options.files[0]} can be carried over", tuple(Problem(one) for one in reasons))
    differences, problems = _compared(source, imported, options, environ)
    written = _write_values(options, source.folder, imported)
    _write(options, imported)
    decisions = [f"{service}: {text}" for service, draft in imported.drafts.items() for text in draft.decisions]
    return ImportResult(
        file=str(options.output),
        environment=options.environment,
        services=tuple(imported.services),
        differences=differences,
        decisions=(*notes, *_left_out(options, source, environ), *decisions, *problems),
        values=written,
        is_compared=not problems,
    )


# ---- reading


def _check(options: ImportOptions) -> None:
    if options.output.exists() or options.output.is_symlink():
        raise UsageError(
            f"{options.output} is there already, and import overwrites nothing",
            state="Nothing was written.",
            help=f"envmgr import {options.files[0]} --output other.toml",
        )
    for file in options.files:
        if not file.is_file():
            raise UsageError(f"{file} is no file", state="Nothing was written.", help="envmgr import --help")
    if not options.output.resolve().parent.is_dir():
        raise UsageError(f"the folder of {options.output} does not exist", state="Nothing was written.")
    if not naming.NAME.fullmatch(options.environment) or options.environment in _NO_ENVIRONMENTS:
        raise UsageError(f"{options.environment} is no name for an environment", help="--environment dev")


def _source(options: ImportOptions, environ: Mapping[str, str]) -> tuple[Source, tuple[str, ...]]:
    """Have Compose read the files: as they are today, with defaults alone, and as they are written."""
    profiles = tuple(f"--profile={profile}" for profile in options.profiles)
    shell = compose_files.allowed(environ)
    now, flags, notes = _today(options.files, shell, profiles)
    if not now.get("services"):
        raise SpecError(f"{options.files[0]} has no service to import{_in_profiles(options, environ)}")
    folder = options.output.resolve().parent
    return Source(
        folder=folder,
        now=unescaped(now),
        bare=unescaped(_bare(options.files, environ, flags)),
        written=compose_files.read(options.files, shell, *profiles, "--no-interpolate", "--no-env-resolution"),
        provided={name: one.value for name, one in read_env_files(folder, options.environment).values.items()},
        own_files=(folder / ".env", folder / f".env.{options.environment}"),
    ), notes


def _today(
    files: tuple[Path, ...], shell: Mapping[str, str], flags: tuple[str, ...]
) -> tuple[dict[str, Any], tuple[str, ...], tuple[str, ...]]:
    """Return the project, the flags with which it could be read, and what could not be."""
    try:
        return compose_files.read_with_stand_ins(files, shell, UNSET, *flags), flags, ()
    except SpecError as error:
        if "env file" not in error.message:
            raise
        note = f"{error.message}: make it and import again, or declare its variables in [variables]"
        flags = (*flags, "--no-env-resolution")
        return compose_files.read_with_stand_ins(files, shell, UNSET, *flags), flags, (note,)


def _bare(files: tuple[Path, ...], environ: Mapping[str, str], flags: tuple[str, ...]) -> dict[str, Any]:
    """Return the project as defaults alone make it; nothing when it cannot be read without a value."""
    try:
        return compose_files.read_with_stand_ins(files, compose_files.bare(environ), UNSET, *flags, env_file=_NO_FILE)
    except SpecError:
        return {}


def _in_profiles(options: ImportOptions, environ: Mapping[str, str]) -> str:
    waiting = _waiting(options, (), environ)
    return f" without a profile: add {' '.join(waiting)}" if waiting else ""


def _left_out(options: ImportOptions, source: Source, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Name the services that only a profile would start, as Compose leaves them out too."""
    flags = _waiting(options, tuple(source.services), environ)
    return tuple(
        f"{service} is left out, as Compose leaves it out: {flag} imports it" for flag, service in flags.items()
    )


def _waiting(options: ImportOptions, known: Collection[str], environ: Mapping[str, str]) -> dict[str, str]:
    try:
        every = compose_files.read(
            options.files,
            compose_files.allowed(environ),
            *("--profile=*", "--no-interpolate", "--no-env-resolution", "--no-consistency"),
        )
    except SpecError:
        return {}
    found: dict[str, list[str]] = {}
    for service, body in (every.get("services") or {}).items():
        if service not in known:
            found.setdefault(f"--profile {(body.get('profiles') or ['*'])[0]}", []).append(service)
    return {flag: ", ".join(services) for flag, services in found.items()}


def _refuse(raw: Mapping[str, Any], kind: str, given: Collection[str]) -> tuple[Problem, ...]:
    """Ask the rules for raw keys; a problem's path is that of the key itself."""
    options = {*keys_of(SERVICES[kind].Options), *keys_of(ServiceTable)}
    keys = compose_keys.RawKeys(raw, {"": "", "compose": "compose"}, options, False, (*RESERVED, *given))
    return tuple(replace(one, path=dotted(undotted(one.path)[1:])) for one in compose_keys.check(keys))


# ---- comparing


def _compared(
    source: Source, imported: Imported, options: ImportOptions, environ: Mapping[str, str]
) -> tuple[tuple[Difference, ...], tuple[str, ...]]:
    """Render the spec aside and compare; return what the spec still lacks when it cannot be rendered."""
    text = writing.text(convert.comparable(imported.spec, imported.untagged), _named(options), {})
    with tempfile.TemporaryDirectory(prefix="envmgr-import-") as folder:
        try:
            project = _opened(Path(folder), text)
            rendered = tuple(_rendered(project, source, imported, environ))
        except SpecError as error:
            return (), tuple(f"the spec is not complete: {line}" for line in (*error.details, error.message)[:20])
    texts = {str(file): file.read_text("utf-8", errors="replace") for file in options.files}
    return compare.compare(source, imported, rendered, Places(texts)), ()


def _opened(folder: Path, text: str) -> Project:
    file = folder / layout.SPEC
    file.write_text(text, "utf-8")
    return open_project(file)


def _rendered(project: Project, source: Source, imported: Imported, environ: Mapping[str, str]) -> Any:
    """Yield each stack as Compose reads what is rendered of it; paths are those of the real folder."""
    files = render(project.system, project.folder)
    folder = project.folder / layout.COMPOSE
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, "utf-8")
    for stack in project.system.stacks:
        if stack.services:
            document = compose_files.read(
                (folder / layout.compose_file(stack.target),),
                compose_files.bare(environ),
                "--no-env-resolution",
                env_file=_NO_FILE,
                folder=source.folder / layout.COMPOSE,
            )
            found = read_env_files(source.folder, stack.target)
            values = {**collect(stack.needed, found, environ).values, **imported.settled.values}
            yield Rendered(stack, unescaped(document), values, files)


# ---- writing


def _write(options: ImportOptions, imported: Imported) -> None:
    decisions = {}
    for became in imported.services:
        draft = imported.drafts.get(became.service)
        if draft is not None:
            decisions[became.table] = draft.decisions
    text = writing.text(imported.spec, _named(options), decisions)
    try:
        write_atomic(options.output, text.encode(), 0o644)
    except OSError as error:
        raise EnvmgrError(
            f"{options.output} cannot be written: {error.strerror}", state="Nothing was written."
        ) from error


def _write_values(options: ImportOptions, folder: Path, imported: Imported) -> dict[str, str]:
    """Keep today's values of env files that envmgr does not read; what is set already stays."""
    path = layout.operator_file(folder, options.environment)
    known = read_env_files(folder, options.environment).values
    new = {
        name: value
        for name, value in imported.settled.values.items()
        if name not in known or Path(known[name].file).name != path.name
    }
    append_env(path, new, f"Imported from {', '.join(_named(options))}.")
    return dict.fromkeys(sorted(new), path.name)


def _named(options: ImportOptions) -> tuple[str, ...]:
    return tuple(file.name for file in options.files)
