"""Commands about secrets."""

from __future__ import annotations

import click

from envmgr.cli import words
from envmgr.cli.session import session
from envmgr.cli.stacks import agreement, json_option


@click.group(cls=words.Group)
def secrets() -> None:
    """Exchange secrets while what they open runs.

    \b
    envmgr secrets rotate prod postgres
    """


@secrets.command()
@click.argument("environment", shell_complete=words.environments)
@click.argument("names", nargs=-1, metavar="[NAME…]")
@click.option("--end-overlap", is_flag=True, help="Withdraw the previous values instead; see `previous` in the spec.")
@click.option("--yes", is_flag=True, help="Do not ask before a protected environment is cut; for machines.")
@json_option
@click.pass_obj
def rotate(file: str, environment: str, names: tuple[str, ...], end_overlap: bool, yes: bool, as_json: bool) -> None:
    """Exchange secrets for new ones, and prove it; NAME is a server, or a generated variable.

    The new credential is set beside the old one, and is seen to open its server; what uses it is restarted and proven
    healthy; then the old one is ended with its sessions, and is seen to be refused. What fails on the way is undone;
    after a kill the same command goes on.

    \b
    envmgr secrets rotate prod postgres
    envmgr secrets rotate prod redis minio SECRET_KEY
    envmgr secrets rotate prod                             goes on with one that was cut
    envmgr secrets rotate prod SECRET_KEY --end-overlap
    """
    from envmgr.operations.rotate import rotate as operate
    from envmgr.report.secrets import write_rotated

    with session(file, as_json=as_json) as one:
        result = operate(one, environment, names, agreement(yes=yes, as_json=as_json), ends_overlap=end_overlap)
    write_rotated(result, as_json=as_json)
