"""The command that says why something is not healthy."""

from __future__ import annotations

import sys

import click

from envmgr.cli import words
from envmgr.cli.session import session
from envmgr.cli.stacks import json_option
from envmgr.errors import ExitCode


@click.command()
@click.argument("target", shell_complete=words.targets)
@click.argument("service", required=False, default="", shell_complete=words.services)
@json_option
@click.pass_obj
def why(file: str, target: str, service: str, as_json: bool) -> None:
    """Say why a target, or one service of it, is not healthy, and what to type next.

    Names the first cause, the evidence for it, and what is down only because of it. Exits with 5 when something is
    wrong, with 0 when all is well.

    \b
    envmgr why dev
    envmgr why dev app
    envmgr why dev --json
    """
    from envmgr.operations.why import why as operate
    from envmgr.report.why import write_diagnosis

    with session(file, is_quiet=True) as one:
        diagnosis = operate(one, target, service)
    write_diagnosis(diagnosis, as_json=as_json)
    if not diagnosis.is_healthy:
        sys.exit(ExitCode.NOT_HEALTHY)
