"""The composition root: the one place where an error becomes a message and an exit code."""

from __future__ import annotations

import io
import os
import shutil
import signal
import sys
from types import FrameType
from typing import Any

import click

from envmgr import __version__
from envmgr.cli import words
from envmgr.cli.completion import VARIABLE, completion
from envmgr.cli.explain import explain
from envmgr.cli.files import render
from envmgr.cli.images import build, images, lock
from envmgr.cli.importing import import_
from envmgr.cli.lint import lint
from envmgr.cli.looking import capacity, health, logs, ps, status
from envmgr.cli.native import container, env, native, run
from envmgr.cli.plan import plan
from envmgr.cli.prove import prove
from envmgr.cli.reaching import exec_, open_, shell
from envmgr.cli.releases import deploy, maintenance, releases, rollback
from envmgr.cli.secrets import secrets
from envmgr.cli.stacks import destroy, down, restart, up
from envmgr.cli.starting import init, schema
from envmgr.cli.why import why
from envmgr.errors import EnvmgrError, ExitCode, InterruptedByUser, UsageError

_SECTIONS = {
    "Begin": ("init", "import", "schema"),
    "Run": ("up", "down", "restart", "destroy"),
    "Release": ("deploy", "rollback", "releases", "maintenance"),
    "Develop": ("native", "container", "run", "env"),
    "Look": ("plan", "status", "ps", "health", "why", "explain", "logs", "capacity"),
    "Prove": ("prove",),
    "Reach": ("open", "shell", "exec"),
    "Secrets": ("secrets",),
    "Files and images": ("render", "lint", "build", "images", "lock"),
    "At the terminal": ("completion",),
}


_NARROW, _NARROWEST = 51, 30
"""Columns: where click stops to heed them, and below which no help can be read."""


class Envmgr(words.Group):
    """The group, with its commands in sections."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Begin; below fifty columns click would write help for fifty."""
        columns = shutil.get_terminal_size().columns
        if columns <= _NARROW:
            extra["terminal_width"] = max(columns, _NARROWEST)
        return super().make_context(info_name, args, parent, **extra)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands by what they are for."""
        for section, names in _SECTIONS.items():
            with formatter.section(section):
                formatter.write_dl([(name, self.commands[name].get_short_help_str(90)) for name in names])


@click.group(cls=Envmgr, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="envmgr")
@click.option("-f", "--file", "file", default="envmgr.toml", show_default=True, help="The spec.")
@click.pass_context
def cli(ctx: click.Context, file: str) -> None:
    """Run dev, stage and prod side by side from one spec.

    A target is an environment of the spec, or `infra`, the base that all environments share.

    \b
    envmgr up dev              from nothing to a healthy stack
    envmgr status              all stacks side by side
    envmgr why dev             the first cause of what is wrong
    envmgr COMMAND --help      examples of a command
    """
    ctx.obj = file


for command in (
    *(up, down, restart, destroy, native, container, run, env),
    *(plan, status, ps, health, capacity, why, explain, logs, prove, open_, shell, exec_),
    *(deploy, rollback, releases, maintenance),
    *(secrets, render, lint, build, images, lock, completion),
):
    cli.add_command(command)
for command in (init, import_, schema):
    cli.add_command(command)


def main() -> None:
    """Run a command and exit."""
    signal.signal(signal.SIGTERM, _as_interrupt)
    _write_what_can_be_written()
    try:
        code = _run()
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has gone (`envmgr ps | head`); there is nobody left to tell, not at the interpreter's end either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = int(ExitCode.OK)
    sys.exit(code)


def _write_what_can_be_written() -> None:
    """Let a character that the stream's encoding does not have be a question mark, and no error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _run() -> int:
    stdout = sys.stdout
    try:
        return int(cli.main(prog_name="envmgr", complete_var=VARIABLE, standalone_mode=False) or 0)
    except SystemExit as ending:
        if sys.stdout is not stdout:
            # How click tells that the reader has gone; its own exit code of 1 would say that the command failed.
            sys.stdout = stdout
            raise BrokenPipeError from None
        return int(ending.code or 0)
    except EnvmgrError as error:
        return _report(error)
    except click.ClickException as error:
        if isinstance(error, click.exceptions.NoArgsIsHelpError) and not _wants_json():
            error.show()
            return error.exit_code
        return _report(UsageError(error.format_message(), help=f"{_command_path(error)} --help"))
    except (click.Abort, KeyboardInterrupt):
        return _report(InterruptedByUser("interrupted"))


def _wants_json() -> bool:
    return "--json" in sys.argv[1:]


def _command_path(error: click.ClickException) -> str:
    context = error.ctx if isinstance(error, click.UsageError) else None
    return context.command_path if context else "envmgr"


def _report(error: EnvmgrError) -> int:
    from envmgr.report.errors import report_error

    report_error(error, as_json=_wants_json())
    return int(error.exit_code)


def _as_interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
