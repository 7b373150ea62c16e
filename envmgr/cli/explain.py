"""The command that says where a value comes from."""

from __future__ import annotations

from pathlib import Path

import click

from envmgr.cli import words as completed
from envmgr.cli.stacks import json_option


@click.command()
@click.argument("words", nargs=-1, metavar="[PATH | TARGET [SERVICE] VARIABLE]", shell_complete=completed.paths)
@json_option
@click.pass_obj
def explain(file: str, words: tuple[str, ...], as_json: bool) -> None:
    """Say where a value comes from, with file and line, and what it overrides.

    Of a secret it tells the origin and never the value. A path that holds more than one value shows them all; without
    a path everything that is written is shown.

    \b
    envmgr explain environments.prod.workers
    envmgr explain prod app memory
    envmgr explain infra.postgres
    envmgr explain prod SECRET_KEY
    envmgr explain prod app LOG_LEVEL
    """
    from envmgr.operations.explain import explain as operate
    from envmgr.operations.project import open_project
    from envmgr.report.explain import write_explained

    write_explained(operate(open_project(Path(file)), words), as_json=as_json)
