"""Run a service of an environment on the desk, with what its container would have had."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from envmgr import layout
from envmgr.errors import EnvmgrError, UsageError
from envmgr.files import write_atomic
from envmgr.model.desk import NativeCommand
from envmgr.model.stack import Service, Stack
from envmgr.native.loopback import Loopback
from envmgr.native.process import DeskProgram, Supervisor
from envmgr.native.running import log_file, take
from envmgr.native.stack import gateway
from envmgr.native.variables import DeskVariables, desk_variables, merged
from envmgr.operations.native import desk_loopback, environment, to_native
from envmgr.operations.session import Session
from envmgr.operations.up import Agree, refuse_to_disturb
from envmgr.operations.values import gather

Say = Callable[[str], None]

_ALL = "all.services"
"""Folder of the secret files that no single service is asked for; no service has a name with a dot."""
_BY_CTRL_C = 130
_PATIENCE = 10
"""Seconds for a program on the desk to end, however long its container may take."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is to be run on the desk for one service."""

    target: str
    service: str
    is_job: bool
    program: DeskProgram


def prepare(
    session: Session, target: str, name: str, command: tuple[str, ...] = (), agree: Agree = refuse_to_disturb
) -> tuple[Prepared, ...]:
    """Give a service to the desk and return what to run: the jobs there that it comes after, and itself the last.

    `command` is run in its place.

    Raises: `UsageError`, `LockedError` when it runs already, and what `to_native` raises.
    """
    declared = environment(session, target)
    (service,) = session.project.services(declared, (name,))
    take(session.project.folder, target, name).close()
    chosen = _with_command(service, command)
    # Before its container goes: what cannot run on the desk had better stay where it is.
    _find(session.project.folder, chosen)
    to_native(session, target, (name,), agree)
    each = (*_jobs_before(session, declared, service), chosen)
    return tuple(
        Prepared(target, one.name, one.is_job, _program(session, declared, one, _deliver(session, declared, one)))
        for one in each
    )


def supervise(folder: Path, prepared: tuple[Prepared, ...], say: Say) -> int:
    """Run what was prepared until the last is done; return its exit code, 130 after Ctrl-C.

    Raises: `EnvmgrError` when a job fails, `LockedError` when a service runs already.
    """
    code = 0
    for one in prepared:
        slot = take(folder, one.target, one.service)
        try:
            log = log_file(folder, one.target, one.service)
            code = Supervisor(one.program, log, slot.descriptor, slot.tell, say).run()
        finally:
            slot.close()
        if code == _BY_CTRL_C:
            return code
        if code and one is not prepared[-1]:
            raise EnvmgrError(
                f"{one.service} of {one.target} ended with code {code}",
                state=f"{prepared[-1].service} was not started.",
                help=f"envmgr run {one.target} {one.service}",
            )
    return code


def variables(session: Session, target: str, name: str, *, on_desk: bool) -> tuple[DeskVariables, Path]:
    """Return what a service gets and the folder of its secret files; without a name, what all services agree on.

    On the desk the files are written; those of a container lie inside it.

    Raises: `SpecError` when values are missing.
    """
    declared = environment(session, target)
    services = session.project.services(declared, (name,) if name else ())
    loopback = desk_loopback(session, declared) if on_desk else Loopback({}, frozenset())
    plain = _values(session, declared)
    each = {
        one.name: desk_variables(one, plain, loopback, session.vault.fill)
        for one in services
        if not one.is_server and (one.native or name)
    }
    given, differing = merged(each)
    if differing:
        session.caution(target, f"left out, as services differ: {', '.join(differing)}; name one service to have them")
    return given, _write_files(session, target, name or _ALL, given) if on_desk else Path("/run/secrets")


def _with_command(service: Service, command: tuple[str, ...]) -> Service:
    if not command:
        return service
    native = service.native or NativeCommand(command, ".", ())
    return replace(service, native=replace(native, argv=command, watch=()))


def _jobs_before(session: Session, declared: Stack, service: Service) -> tuple[Service, ...]:
    away = {one.name for one in session.project.system.stack(declared.target).native}
    wanted = (declared.service(need.service) for need in service.depends_on)
    return tuple(one for one in wanted if one.is_job and one.name in away and one.native is not None)


def _deliver(session: Session, declared: Stack, service: Service) -> dict[str, str]:
    plain = _values(session, declared)
    given = desk_variables(service, plain, desk_loopback(session, declared), session.vault.fill)
    return given.with_files(_write_files(session, declared.target, service.name, given))


def _values(session: Session, declared: Stack) -> dict[str, str]:
    """Fill the vault, and return an environment's values that are no secrets."""
    stacks = (session.project.system.base, declared)
    return gather(session, stacks)[declared.target].plain(declared)


def _write_files(session: Session, target: str, name: str, given: DeskVariables) -> Path:
    folder = session.project.folder / layout.native_folder(target) / name
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for secret, text in given.files.items():
        write_atomic(folder / secret, text.encode(), 0o600)
    return folder


def _program(session: Session, declared: Stack, service: Service, given: Mapping[str, str]) -> DeskProgram:
    native = service.native
    assert native is not None, service.name
    root = session.project.folder
    folder = root / native.folder
    whole = _whole_environment(root, folder, given)
    near = gateway(declared.network("publish")) if service.ports else ""
    return DeskProgram(
        title=f"{service.name} of {declared.target}",
        argv=(_find(root, service), *native.argv[1:]),
        folder=folder,
        variables=whole,
        watch=() if service.is_job else tuple(root / path for path in native.watch),
        relays=tuple((near, port.published) for port in service.ports),
        stop_seconds=min(service.stop_seconds, _PATIENCE),
    )


def _find(root: Path, service: Service) -> str:
    """Return the path of a service's program on the desk; of one without a command, `to_native` says so."""
    native = service.native
    if native is None:
        return ""
    program = shutil.which(native.argv[0], path=_path(root, root / native.folder, os.environ))
    if program is None:
        raise UsageError(
            f"{native.argv[0]} of {service.name} is not installed: neither in a .venv of {native.folder} nor on PATH",
            state="Nothing was started or stopped.",
            help=f"make a virtual environment in {native.folder}/.venv with the packages of {service.name}, "
            "or activate the one that has them",
        )
    return program


def _path(root: Path, folder: Path, mine: Mapping[str, str]) -> str:
    """Return where programs are looked for: beside the source first, unless a virtual environment is active."""
    places = [str(place) for one in (folder, root) if (place := one / ".venv" / "bin").is_dir()]
    return os.pathsep.join([*([] if "VIRTUAL_ENV" in mine else places), mine.get("PATH", os.defpath), *places])


def _whole_environment(root: Path, folder: Path, given: Mapping[str, str]) -> dict[str, str]:
    """Lay a service's variables over the user's own; what would contradict them is left out."""
    contradicting = {name.removesuffix("_FILE") for name in given if name.endswith("_FILE")}
    mine = {name: value for name, value in os.environ.items() if name not in contradicting}
    return {"PYTHONUNBUFFERED": "1", **mine, **given, "PATH": _path(root, folder, mine)}
