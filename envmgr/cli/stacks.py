"""Commands that change what runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from envmgr.cli import words
from envmgr.cli.session import session

if TYPE_CHECKING:
    from envmgr.model.plan import Plan
    from envmgr.model.result import DownResult

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a line.")


@click.command()
@click.argument(
    "targets", nargs=-1, required=True, metavar="TARGET… [SERVICE…]", shell_complete=words.targets_or_services
)
@click.option("--build", is_flag=True, help="Build the project's images anew where their source has changed.")
@click.option(
    "--images", type=words.Choice(["registry", "recipes"]), help="Where server images come from on a fresh host."
)
@click.option("--new-secrets", is_flag=True, help="Make new passwords although the target already has data.")
@click.option("--yes", is_flag=True, help="Do not ask before a protected environment is cut; for machines.")
@json_option
@click.pass_obj
def up(
    file: str,
    targets: tuple[str, ...],
    build: bool,
    images: str | None,
    new_secrets: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Show what will change, do it, and prove that everything is healthy.

    The base comes up first when it is down. What is already as the spec says is left alone. Asks before containers of a
    protected environment that runs are replaced, or servers that it uses.

    \b
    envmgr up dev            one environment
    envmgr up dev stage      several
    envmgr up dev worker     one service, with what it depends on
    envmgr up infra          the shared base alone
    """
    from envmgr.operations.image_source import Source
    from envmgr.operations.up import UpOptions
    from envmgr.operations.up import up as operate
    from envmgr.report.results import write_up

    with session(file, as_json=as_json) as one:
        options = UpOptions(build, Source(images) if images else None, new_secrets)
        result = operate(one, targets, options, agreement(yes=yes, as_json=as_json))
    write_up(result, as_json=as_json)


@click.command()
@click.argument(
    "targets", nargs=-1, required=True, metavar="TARGET… [SERVICE…]", shell_complete=words.targets_or_services
)
@json_option
@click.pass_obj
def down(file: str, targets: tuple[str, ...], as_json: bool) -> None:
    """Stop and remove containers and networks; volumes and data stay.

    \b
    envmgr down dev
    envmgr down dev flower
    envmgr down dev stage prod infra
    """
    from envmgr.operations.down import down as operate
    from envmgr.report.results import write_down

    with session(file, as_json=as_json) as one:
        result = operate(one, targets, lambda plan: _show(plan, as_json=as_json))
    write_down(result, as_json=as_json)


@click.command()
@click.argument(
    "targets", nargs=-1, required=True, metavar="TARGET… [SERVICE…]", shell_complete=words.targets_or_services
)
@json_option
@click.pass_obj
def restart(file: str, targets: tuple[str, ...], as_json: bool) -> None:
    """Restart targets, or some services of one, and prove them healthy.

    \b
    envmgr restart dev
    envmgr restart dev worker
    """
    from envmgr.operations.restart import restart as operate
    from envmgr.report.results import write_up

    with session(file, as_json=as_json) as one:
        result = operate(one, targets)
    write_up(result, as_json=as_json, verb="restarted")


@click.command()
@click.argument("targets", nargs=-1, required=True, metavar="TARGET…", shell_complete=words.targets)
@click.option("--protected", is_flag=True, help="The target may be a protected one.")
@click.option("--yes", is_flag=True, help="Do not ask for the target's name; for machines.")
@json_option
@click.pass_obj
def destroy(file: str, targets: tuple[str, ...], protected: bool, yes: bool, as_json: bool) -> None:
    """Delete targets with their volumes, databases and keys, after showing what would be lost.

    \b
    envmgr destroy dev
    envmgr destroy prod --protected
    """
    from envmgr.operations.destroy import destroy as operate
    from envmgr.report.results import write_down

    results: list[DownResult] = []
    try:
        with session(file, as_json=as_json, is_quiet=not as_json and not yes) as one:
            results.extend(
                operate(one, targets, _confirmation(yes=yes, protected=protected, as_json=as_json), protected=protected)
            )
    finally:
        # What is gone is gone, also when the next one fails.
        for result in results:
            write_down(result, as_json=as_json, verb="destroyed")


def _show(plan: Plan, *, as_json: bool) -> None:
    """Show what is about to happen, unless it is nothing."""
    import sys
    from dataclasses import replace

    from envmgr.report.machine import write_json
    from envmgr.report.plan import plan_fields, write_plan

    if as_json and not plan.is_empty:
        write_json(**plan_fields(plan))
    elif not plan.is_empty:
        # The operation itself says what is left alone.
        write_plan(replace(plan, kept=(), remarks=()), sys.stderr)


def agreement(*, yes: bool, as_json: bool) -> Callable[[Plan], None]:
    """Return what shows a plan, and asks where it would cut something protected that runs."""
    import shlex
    import sys

    from envmgr.errors import UsageError

    def agree(plan: Plan) -> None:
        _show(plan, as_json=as_json)
        if yes or not plan.disturbs:
            return
        cut = ", ".join(plan.disturbs)
        if not sys.stdin.isatty():
            again = shlex.join(["envmgr", *sys.argv[1:], "--yes"])
            what = f"this cuts {cut}, which is protected and runs, and there is no terminal to ask on"
            raise UsageError(what, state="Nothing was changed.", help=again)
        if not click.confirm(f"This cuts {cut}, which is protected and runs. Go on?", default=False, err=True):
            raise UsageError("not agreed to", state="Nothing was changed.")

    return agree


def _confirmation(*, yes: bool, protected: bool, as_json: bool) -> Callable[[str, Plan], None]:
    import sys

    from envmgr.errors import UsageError

    def confirm(target: str, plan: Plan) -> None:
        again = f"envmgr destroy {target}{' --protected' if protected else ''}"
        state = f"Nothing of {target} was deleted."
        _show(plan, as_json=as_json)
        if plan.is_empty:
            click.echo(f"{target} has no data and no container.", err=True)
        if yes:
            return
        if not sys.stdin.isatty():
            raise UsageError("there is no terminal to ask on", state=state, help=f"{again} --yes")
        typed = click.prompt(f"Type {target} to delete it", err=True, default="", show_default=False)
        if typed != target:
            raise UsageError(f"{typed!r} is not {target}", state=state, help=f"{again}, and type {target}")

    return confirm
