"""Run a service of an environment on the desk, with what its container would have had."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from envmgr import layout
from envmgr.errors import EnvmgrError, UsageError
from envmgr.files import write_atomic
from envmgr.model.stack import NativeCommand, Service, Stack
from envmgr.native.loopback import Loopback
from envmgr.native.process import DeskProgram, Supervisor
from envmgr.native.running import log_file, take
from envmgr.native.stack import gateway
from envmgr.native.variables import DeskVariables, desk_variables, merged
from envmgr.operations.native import desk_loopback, environment, to_native
from envmgr.operations.session import Session
from envmgr.operations.up import Agree, refuse_to_disturb
from envmgr.operations.values import gather

_ALL = "all.services"
"""Folder of the secret files that no single service is asked for; no service has a name with a dot."""
_PATIENCE = 10
"""Seconds for a program on the desk to end, however long its container may take."""


def run(
    session: Session, target: str, name: str, command: tuple[str, ...] = (), agree: Agree = refuse_to_disturb
) -> int:
    """Run a service, or another command in its place, until it is done; return its exit code, 130 after Ctrl-C.

    The service goes to the desk first; jobs that it comes after and that are on the desk too are run before it.

    Raises: `UsageError`, `LockedError` when it runs already, and what `to_native` raises.
    """
    declared = environment(session, target)
    (service,) = session.project.services(declared, (name,))
    with_command = _with_command(service, command)
    take(session.project.folder, target, name).close()
    to_native(session, target, (name,), agree)
    for job in _jobs_before(session, declared, service):
        code = _run(session, declared, job)
        if code:
            raise EnvmgrError(
                f"{job.name} of {target} ended with code {code}",
                state=f"{name} was not started.",
                help=f"envmgr run {target} {job.name}",
            )
    return _run(session, declared, with_command)


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


def _run(session: Session, declared: Stack, service: Service) -> int:
    folder, target = session.project.folder, declared.target
    slot = take(folder, target, service.name)
    try:
        given, files = _deliver(session, declared, service)
        program = _program(session, declared, service, given.with_files(files))
        session.step(target, f"{service.name} on the desk: {' '.join(program.argv)}")
        supervisor = Supervisor(
            program,
            log_file(folder, target, service.name),
            slot.descriptor,
            slot.tell,
            lambda text: session.note(target, text),
        )
        return supervisor.run()
    finally:
        slot.close()


def _deliver(session: Session, declared: Stack, service: Service) -> tuple[DeskVariables, Path]:
    plain = _values(session, declared)
    given = desk_variables(service, plain, desk_loopback(session, declared), session.vault.fill)
    return given, _write_files(session, declared.target, service.name, given)


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
    program = shutil.which(native.argv[0], path=whole["PATH"])
    if program is None:
        raise UsageError(
            f"{native.argv[0]} of {service.name} is not installed: neither in a .venv of {native.folder} nor on PATH",
            state="Nothing was started.",
            help=f"make a virtual environment in {native.folder}/.venv with the packages of {service.name}, "
            "or activate the one that has them",
        )
    near = gateway(declared.network("publish")) if service.ports else ""
    return DeskProgram(
        title=f"{service.name} of {declared.target}",
        argv=(program, *native.argv[1:]),
        folder=folder,
        variables=whole,
        watch=() if service.is_job else tuple(root / path for path in native.watch),
        relays=tuple((near, port.published) for port in service.ports),
        stop_seconds=min(service.stop_seconds, _PATIENCE),
    )


def _whole_environment(root: Path, folder: Path, given: Mapping[str, str]) -> dict[str, str]:
    """Lay a service's variables over the user's own; what would contradict them is left out."""
    contradicting = {name.removesuffix("_FILE") for name in given if name.endswith("_FILE")}
    mine = {name: value for name, value in os.environ.items() if name not in contradicting}
    places = [str(place) for one in (folder, root) if (place := one / ".venv" / "bin").is_dir()]
    path = [*([] if "VIRTUAL_ENV" in mine else places), mine.get("PATH", os.defpath), *places]
    return {"PYTHONUNBUFFERED": "1", **mine, **given, "PATH": os.pathsep.join(path)}
