"""Commands that only look."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import click

from envmgr.cli.session import session
from envmgr.cli.stacks import json_option
from envmgr.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from envmgr.operations.session import Session

_SHORTEST, _LONGEST = 0.1, 86400.0
"""Seconds between two rounds of `health --watch`."""


@click.command()
@click.argument("targets", nargs=-1, metavar="[TARGET… [SERVICE…]]")
@json_option
@click.pass_obj
def status(file: str, targets: tuple[str, ...], as_json: bool) -> None:
    """Show every stack side by side: what is wrong first, then state, uptime and address of each service.

    One target alone is shown in detail, with images.

    \b
    envmgr status
    envmgr status dev
    envmgr status dev app
    envmgr status --json
    """
    from envmgr.operations.status import status as operate
    from envmgr.report.status import write_status

    with session(file, is_quiet=True) as one:
        stacks = operate(one, targets)
    write_status(stacks, as_json=as_json, in_detail=len(stacks) == 1)


@click.command()
@click.argument("targets", nargs=-1, metavar="[TARGET… [SERVICE…]]")
@json_option
@click.pass_obj
def ps(file: str, targets: tuple[str, ...], as_json: bool) -> None:
    """List containers, one a line.

    \b
    envmgr ps
    envmgr ps dev
    envmgr ps dev app --json
    """
    from envmgr.operations.status import status as operate
    from envmgr.report.results import write_ps

    with session(file, is_quiet=True) as one:
        stacks = operate(one, targets)
    write_ps(stacks, as_json=as_json)


@click.command()
@click.argument("targets", nargs=-1, metavar="[TARGET…]")
@click.option("--watch", is_flag=True, help="Ask again every few seconds, until Ctrl-C.")
@click.option("--interval", default=2.0, show_default=True, help="Seconds between two rounds of --watch.")
@json_option
@click.pass_obj
def health(file: str, targets: tuple[str, ...], watch: bool, interval: float, as_json: bool) -> None:
    """Probe every service at once, with each environment's own credentials.

    Exits with 5 when something is not healthy.

    \b
    envmgr health
    envmgr health prod --json
    envmgr health --watch
    """
    from envmgr.operations.health import health as operate
    from envmgr.report.results import write_health

    if not _SHORTEST <= interval <= _LONGEST:
        raise UsageError(f"--interval {interval:g} is not between {_SHORTEST:g} and {_LONGEST:g} seconds")
    with session(file, is_quiet=True) as one:
        while True:
            result = operate(one, targets)
            if watch and sys.stdout.isatty():
                click.clear()
            write_health(result, as_json=as_json)
            if not watch:
                break
            time.sleep(interval)
    if not result.is_good:
        sys.exit(ExitCode.NOT_HEALTHY)


@click.command()
@click.argument("targets", nargs=-1, required=True, metavar="TARGET… [SERVICE…]")
@click.option("-F", "--follow", is_flag=True, help="Go on until Ctrl-C.")
@click.option("-n", "--tail", default="100", show_default=True, help="Lines of each container, or all.")
@click.pass_obj
def logs(file: str, targets: tuple[str, ...], follow: bool, tail: str) -> None:
    """Show the logs of targets, or of some services of one.

    \b
    envmgr logs dev app worker --follow
    envmgr logs dev stage --tail 20
    """
    if tail != "all" and not tail.isdigit():
        raise UsageError(f"--tail {tail} is neither a number nor all")
    with session(file, is_quiet=True) as one:
        stacks, services = one.project.choose(targets)
        if follow and len(stacks) > 1:
            raise UsageError("--follow takes one target at a time", help=f"envmgr logs {stacks[0].target} --follow")
        flags = ("--follow",) if follow else ()
        codes = [
            one.engine.passthrough(("compose", "-p", stack.compose_project, "logs", "--tail", tail, *flags, *services))
            for stack in stacks
        ]
    sys.exit(max(codes))


# What follows the service belongs to the program, `-h` and `--help` too.
@click.command(name="exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("target")
@click.argument("service")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_obj
def exec_(file: str, target: str, service: str, command: tuple[str, ...]) -> None:
    """Run a command inside a service's container.

    \b
    envmgr exec dev app alembic current
    """
    with session(file, is_quiet=True) as one:
        container = _container(one, target, service)
        terminal = ("-it",) if sys.stdin.isatty() and sys.stdout.isatty() else ("-i",)
        code = one.engine.passthrough(("exec", *terminal, container, *command))
    sys.exit(code)


def _container(one: Session, target: str, service: str) -> str:
    from envmgr.operations.session import locator

    (stack,) = one.project.stacks((target,))
    one.project.services(stack, (service,))
    container = locator(one.project, one.observe())(target, service)
    if container is None:
        raise UsageError(f"{service} of {target} does not run", help=f"envmgr up {target} {service}")
    return container
