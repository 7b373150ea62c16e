"""Commands that only look."""

from __future__ import annotations

import sys
import time

import click

from envmgr.cli import words
from envmgr.cli.session import session
from envmgr.cli.stacks import json_option
from envmgr.errors import ExitCode, UsageError

_SHORTEST, _LONGEST = 0.1, 86400.0
"""Seconds between two rounds of `health --watch`."""


@click.command()
@click.argument("targets", nargs=-1, metavar="[TARGET…]", shell_complete=words.targets)
@json_option
@click.pass_obj
def capacity(file: str, targets: tuple[str, ...], as_json: bool) -> None:
    """Show what each service may take, against the host, and what is left.

    \b
    envmgr capacity
    envmgr capacity prod
    """
    from envmgr.operations.capacity import capacity as operate
    from envmgr.report.capacity import write_capacity

    with session(file, as_json=as_json, is_quiet=True) as one:
        result = operate(one, targets)
    write_capacity(result, as_json=as_json)


@click.command()
@click.argument("targets", nargs=-1, metavar="[TARGET… [SERVICE…]]", shell_complete=words.targets_or_services)
@json_option
@click.pass_obj
def status(file: str, targets: tuple[str, ...], as_json: bool) -> None:
    """Show every stack side by side, what is wrong first.

    Each service has its state, or its uptime where it is healthy, its port, and `native` where it runs on the desk. One
    target alone is shown in detail, with images.

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
@click.argument("targets", nargs=-1, metavar="[TARGET… [SERVICE…]]", shell_complete=words.targets_or_services)
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
@click.argument("targets", nargs=-1, metavar="[TARGET…]", shell_complete=words.targets)
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
@click.argument(
    "targets", nargs=-1, required=True, metavar="TARGET… [SERVICE…]", shell_complete=words.targets_or_services
)
@click.option("-F", "--follow", is_flag=True, help="Go on until Ctrl-C.")
@click.option("-n", "--tail", default="100", show_default=True, help="Lines of each container, or all.")
@json_option
@click.pass_obj
def logs(file: str, targets: tuple[str, ...], follow: bool, tail: str, as_json: bool) -> None:
    """Show the logs of targets, or of some services of one.

    \b
    envmgr logs dev app worker --follow
    envmgr logs dev stage --tail 20
    envmgr logs dev app --json
    """
    from envmgr.operations.logs import LogOptions
    from envmgr.operations.logs import logs as operate
    from envmgr.report.results import write_log_line
    from envmgr.report.screen import has_colour

    if tail != "all" and not tail.isdigit():
        raise UsageError(f"--tail {tail} is neither a number nor all")
    with session(file, is_quiet=True) as one:
        options = LogOptions(tail, follow, has_colour(sys.stdout))
        code = operate(one, targets, options, write_log_line if as_json else None)
    sys.exit(code)
