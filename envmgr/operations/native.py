"""Move services of an environment between their containers and the desk, while everything else keeps running."""

from __future__ import annotations

from envmgr.errors import LockedError, SpecError, UsageError
from envmgr.model.plan import Plan
from envmgr.model.result import SidesResult
from envmgr.model.stack import Service, Stack
from envmgr.native.loopback import Loopback
from envmgr.native.running import running
from envmgr.native.sides import write_native
from envmgr.native.variables import unreachable
from envmgr.operations.desk import desk_faults
from envmgr.operations.session import Session
from envmgr.operations.up import Agree, UpOptions, refuse_to_disturb, up_selected


def to_native(session: Session, target: str, names: tuple[str, ...], agree: Agree = refuse_to_disturb) -> SidesResult:
    """Give services to the desk, all that can run there when none is named; the base comes up when it is down.

    Their containers stop; others reach a service on the desk under its old name and port.

    Raises: `UsageError` for a service that runs in a container only, `SpecError` for an address that the desk cannot
    reach, and what `up` raises.
    """
    declared = environment(session, target)
    chosen = _on_desk(session, declared, names)
    _refuse_unreachable(session, declared, chosen)
    already = {service.name for service in session.project.system.stack(target).native}
    away = already | {service.name for service in chosen}
    # Where nothing moves, everything that it will stand on is made sure of.
    moves = away != already
    return _move(
        session,
        declared,
        away,
        {service.name for service in chosen},
        agree,
        "native",
        names,
        UpOptions(trusts_ground=moves),
    )


def to_container(
    session: Session, target: str, names: tuple[str, ...], options: UpOptions, agree: Agree = refuse_to_disturb
) -> SidesResult:
    """Bring services back into their containers, all when none is named.

    Raises: `LockedError` while one of them runs on the desk, and what `up` raises.
    """
    declared = environment(session, target)
    chosen = {service.name for service in session.project.services(declared, names)}
    for name in sorted(chosen):
        found = running(session.project.folder, target, name)
        if found is not None:
            raise LockedError(
                f"{name} of {target} runs on the desk, as process {found.pid}",
                state="Nothing was changed.",
                help=f"End it with Ctrl-C in its terminal, or: kill {found.pid}",
            )
    away = {service.name for service in session.project.system.stack(target).native} - chosen
    return _move(session, declared, away, chosen, agree, "container", names, options)


def environment(session: Session, target: str) -> Stack:
    """Return an environment as the spec has it, every service in a container.

    Raises: `UsageError` for a target that is none, or the base.
    """
    (stack,) = session.project.stacks((target,))
    if stack.is_base:
        raise UsageError(f"{target} is the base: its servers run in containers", help="name an environment")
    return session.project.declared.stack(target)


def desk_loopback(session: Session, declared: Stack) -> Loopback:
    """Return how the desk reaches what an environment's containers know by name."""
    return Loopback.of((session.project.system.base, declared))


def _on_desk(session: Session, declared: Stack, names: tuple[str, ...]) -> tuple[Service, ...]:
    if not names:
        return tuple(one for one in declared.services if one.native is not None and not _is_hidden(one))
    chosen = session.project.services(declared, names)
    for service in chosen:
        if service.native is None:
            raise UsageError(
                f"{service.name} of {declared.target} has no command outside its container",
                state="Nothing was changed.",
                help=f'give it one in the spec: [services.{service.name}.native] command = ["PROGRAM", "ARGUMENT"]',
            )
    return chosen


def _is_hidden(service: Service) -> bool:
    """Tell whether others call a service that has no port on the host, where they could find it on the desk."""
    return bool(service.aliases) and not service.ports


def _refuse_unreachable(session: Session, declared: Stack, chosen: tuple[Service, ...]) -> None:
    loopback = desk_loopback(session, declared)
    problems = tuple(problem for service in chosen for problem in unreachable(service, loopback))
    silent = (service.name for service in chosen if _is_hidden(service))
    if problems:
        raise SpecError(
            "the desk cannot reach everything", tuple(dict.fromkeys(problems)), state="Nothing was changed."
        )
    for name in silent:
        raise UsageError(
            f"{name} publishes no port in {declared.target}, and others could not find it on the desk",
            state="Nothing was changed.",
            help=f"add it to [environments.{declared.target}.ports]: {name} = 8000",
        )


def _move(
    session: Session,
    declared: Stack,
    away: set[str],
    moved: set[str],
    agree: Agree,
    command: str,
    names: tuple[str, ...],
    options: UpOptions,
) -> SidesResult:
    """Bring the environment to its new shape; the wish is kept from the moment on that it is agreed to."""
    kept = tuple(service.name for service in declared.services if service.name in away)
    session.project = session.project.with_native(declared.target, kept)
    stack = session.project.system.stack(declared.target)

    def agreed(plan: Plan) -> None:
        agree(plan)
        write_native(session.project.folder, declared.target, kept)

    selected = {declared.target: tuple(service for service in stack.services if service.name in moved)}
    again = " ".join(("envmgr", command, declared.target, *names))
    done = up_selected(session, selected, options, agreed, again)
    return SidesResult(
        target=stack.target,
        native=kept,
        container=tuple(service.name for service in declared.services if service.name not in away),
        stopped=tuple(fault.service for fault in desk_faults(session.project.folder, stack)),
        healthy=len(done.services),
        addresses=done.addresses,
        seconds=done.seconds,
    )
