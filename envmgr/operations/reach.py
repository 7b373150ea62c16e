"""Where a person reaches a service: its addresses, and a shell inside its container."""

from __future__ import annotations

from envmgr.errors import EngineError, UsageError
from envmgr.model.result import Address
from envmgr.operations.addresses import addresses
from envmgr.operations.project import Project
from envmgr.operations.session import Session, locator
from envmgr.spec.suggest import did_you_mean

_SHELL_SECONDS = 10.0
_FIND_SHELL = "command -v bash || command -v ash || command -v sh"


def reach(project: Project, target: str, service: str = "") -> tuple[Address, ...]:
    """Return the addresses of a service of a target or of the base; without one, all that the target reaches.

    Raises: `UsageError` for names that are not known, and for a service without an address.
    """
    (stack,) = project.stacks((target,), takes_colours=True)
    base = project.system.base
    own, shared = addresses(stack), () if stack.is_base else addresses(base)
    if not service:
        return own + shared
    names = [one.name for one in stack.services] + [one.name for one in base.services]
    if service not in names:
        hint = did_you_mean(service, names)
        raise UsageError(
            f"{target} has no service {service}{f' ({hint})' if hint else ''}", help=f"envmgr open {target}"
        )
    found = tuple(one for one in own if one.service == service) or tuple(
        one for one in shared if one.service == service
    )
    if not found:
        raise UsageError(f"{service} of {target} has no address on this host", help=f"envmgr open {target}")
    return found


def page_of(found: tuple[Address, ...]) -> str:
    """Return the first address that a browser can open, or nothing."""
    return next((one.url for one in found if one.url.startswith(("http://", "https://"))), "")


def running(session: Session, target: str, service: str) -> str:
    """Return the id of a running container of a service.

    Raises: `UsageError` for names that are not known, and where none runs.
    """
    (stack,) = session.project.stacks((target,), takes_colours=True)
    session.project.services(stack, (service,))
    container = locator(session.project, session.observe())(target, service)
    if container is None:
        raise UsageError(f"{service} of {target} does not run", help=f"envmgr up {target} {service}")
    return container


def shell_in(session: Session, target: str, service: str) -> tuple[str, str]:
    """Return a running container of a service and the best shell that its image has.

    Raises: `UsageError` as `running` does, and for an image without a shell.
    """
    container = running(session, target, service)
    try:
        answer = session.engine.exec(container, ("sh", "-c", _FIND_SHELL), {}, _SHELL_SECONDS)
    except EngineError as error:
        raise _no_shell(target, service) from error
    found = answer.output.strip().splitlines()
    if answer.exit_code != 0 or not found:
        raise _no_shell(target, service)
    return container, found[0]


def _no_shell(target: str, service: str) -> UsageError:
    return UsageError(
        f"the image of {service} of {target} has no shell",
        state="The container runs.",
        help=f"envmgr exec {target} {service} PROGRAM, with a program that the image has",
    )
