"""Commands that lead into a running service: its page, a shell, a program of its own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from envmgr.cli import words
from envmgr.cli.session import session
from envmgr.cli.stacks import json_option


@click.command(name="open")
@click.argument("target", shell_complete=words.targets)
@click.argument("service", required=False, default="", shell_complete=words.services_or_servers)
@click.option("--print", "only_print", is_flag=True, help="Print the address and open nothing.")
@json_option
@click.pass_obj
def open_(file: str, target: str, service: str, only_print: bool, as_json: bool) -> None:
    """Print where a service is reached, and open its page in the browser.

    A server of the base is found from any environment. Without a service, all addresses are listed. In a pipe, with
    --print, --json or without a display, nothing is opened.

    \b
    envmgr open dev
    envmgr open dev app
    envmgr open dev grafana --print
    """
    from envmgr.errors import UsageError
    from envmgr.operations.project import open_project
    from envmgr.operations.reach import page_of, reach
    from envmgr.report.reach import write_addresses

    found = reach(open_project(Path(file)), target, service)
    page = page_of(found) if service and not (only_print or as_json) and _has_browser() else ""
    write_addresses(found, page, is_one=bool(service), as_json=as_json)
    if page:
        import webbrowser

        if not webbrowser.open(page):
            raise UsageError("no browser could show it", help=f"open {page} yourself, or name a browser in BROWSER")


def _has_browser() -> bool:
    """Tell whether a person sits here who would see a page."""
    if not sys.stdout.isatty():
        return False
    has_desktop = sys.platform in ("darwin", "win32") or "WSL_DISTRO_NAME" in os.environ
    return has_desktop or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))


@click.command()
@click.argument("target", shell_complete=words.targets)
@click.argument("service", shell_complete=words.services)
@click.pass_obj
def shell(file: str, target: str, service: str) -> None:
    """Open the best shell that a service's container has: bash where there is one, else sh.

    Takes no --json: the terminal is the shell's.

    \b
    envmgr shell dev app
    envmgr shell infra postgres
    """
    from envmgr.operations.reach import shell_in

    with session(file, is_quiet=True) as one:
        container, program = shell_in(one, target, service)
        code = one.engine.passthrough(("exec", *_terminal_flags(), container, program))
    sys.exit(code)


# What follows the service belongs to the program, `-h` and `--help` too.
@click.command(name="exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("target", shell_complete=words.targets)
@click.argument("service", shell_complete=words.services)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_obj
def exec_(file: str, target: str, service: str, command: tuple[str, ...]) -> None:
    """Run a command inside a service's container.

    Takes no --json: all that follows the service belongs to the command.

    \b
    envmgr exec dev app alembic current
    """
    from envmgr.operations.reach import running

    with session(file, is_quiet=True) as one:
        container = running(one, target, service)
        code = one.engine.passthrough(("exec", *_terminal_flags(), container, *of_program(command)))
    sys.exit(code)


def of_program(words: tuple[str, ...]) -> tuple[str, ...]:
    """Return a program and its arguments without the `--` in front, which click leaves where options end early."""
    return words[1:] if words[:1] == ("--",) else words


def _terminal_flags() -> tuple[str, ...]:
    return ("-it",) if sys.stdin.isatty() and sys.stdout.isatty() else ("-i",)
