"""Commands about files."""

from __future__ import annotations

from pathlib import Path

import click

from envmgr.cli.stacks import json_option


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; exit with 7 when a file is stale or was edited by hand.")
@click.option("--force", is_flag=True, help="Overwrite files that were edited by hand.")
@json_option
@click.pass_obj
def render(file: str, check: bool, force: bool, as_json: bool) -> None:
    """Write the Compose files of the base and every environment, and show what changed.

    \b
    envmgr render
    envmgr render --check
    """
    from envmgr.operations.project import open_project
    from envmgr.operations.rendering import check_rendered
    from envmgr.operations.rendering import render as operate
    from envmgr.report.results import write_changes

    project = open_project(Path(file))
    if check:
        check_rendered(project)
        changes = []
    else:
        changes = [(one.path, one.change.value, one.diff) for one in operate(project, force=force)]
    write_changes(changes, as_json=as_json)
