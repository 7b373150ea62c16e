"""The command that holds Compose files against rules."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from envmgr.cli.stacks import json_option
from envmgr.cli.words import Choice
from envmgr.errors import ExitCode

_SEVERITIES = ("high", "medium", "low", "info")


@click.command()
@click.argument("files", nargs=-1, metavar="[FILE…]", type=click.Path(path_type=Path))
@click.option(
    "--format", "form", type=Choice(["text", "json", "sarif"]), default="text", show_default=True, help="Of the output."
)
@click.option(
    "--fail-on", type=Choice(_SEVERITIES), default="low", show_default=True, help="Exit with 9 from this severity on."
)
@click.option("--rules", "lists_rules", is_flag=True, help="Print all rules, as Markdown, and read no file.")
@json_option
@click.pass_obj
def lint(file: str, files: tuple[Path, ...], form: str, fail_on: str, lists_rules: bool, as_json: bool) -> None:
    """Hold Compose files, rendered or foreign, against the security rules.

    Without FILE, those that are rendered for this project. Files are judged together: ports, names, networks and
    volumes must not collide. Exits with 9 when something is found, with 2 for a file that is no Compose file.

    \b
    envmgr lint
    envmgr lint docker-compose.yml docker-compose.prod.yml
    envmgr lint compose.yml --format sarif > lint.sarif
    envmgr lint compose.yml --fail-on high --json
    """
    from envmgr.model.lint import Severity
    from envmgr.operations.lint import lint as operate
    from envmgr.report.lint import write_lint, write_rules

    if lists_rules:
        write_rules()
        return
    result = operate(files, Path(file))
    write_lint(result, "json" if as_json else form)
    if result.at_least(Severity(fail_on)):
        sys.exit(ExitCode.FINDINGS)
