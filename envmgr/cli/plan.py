"""The command that shows what `up` would do."""

from __future__ import annotations

import sys

import click

from envmgr.cli import words
from envmgr.cli.session import session
from envmgr.cli.stacks import json_option
from envmgr.errors import ExitCode


@click.command()
@click.argument("targets", nargs=-1, metavar="[TARGET… [SERVICE…]]", shell_complete=words.targets_or_services)
@click.option(
    "--build", is_flag=True, help="As if the project's images were built anew where their source has changed."
)
@click.option(
    "--images", type=words.Choice(["registry", "recipes"]), help="Where server images come from on a fresh host."
)
@json_option
@click.pass_obj
def plan(file: str, targets: tuple[str, ...], build: bool, images: str | None, as_json: bool) -> None:
    """Show what up would change and why, and change nothing.

    Exits with 0 when there is nothing to do, 7 when there is, 4 when up would refuse.

    \b
    envmgr plan                  everything: the base and all environments
    envmgr plan dev              what `envmgr up dev` would do
    envmgr plan prod --json
    """
    from envmgr.operations.image_source import Source
    from envmgr.operations.plan import PlanOptions
    from envmgr.operations.plan import plan as operate
    from envmgr.report.plan import write_plan_or_json

    with session(file, is_quiet=True) as one:
        found = operate(one, targets, PlanOptions(build, Source(images) if images else None))
    write_plan_or_json(found, as_json=as_json)
    if found.refusals:
        sys.exit(ExitCode.ENGINE)
    if not found.is_empty:
        sys.exit(ExitCode.DRIFT)
