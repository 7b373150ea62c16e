"""Whether a hint can be typed as it stands."""

from __future__ import annotations

import re

import click

from envmgr.cli.main import cli

EDIT = re.compile(r"edit (?:envmgr\.toml|\.env\.[a-z]+): [\w.-]+ .+; then (envmgr .+)")


def runnable(command: str) -> None:
    """Check that a hint is a command of envmgr that can be typed as it stands, or an edit of a place and then one."""
    edit = EDIT.fullmatch(command)
    words = (edit[1] if edit else command).split()
    assert words[0] == "envmgr", command
    name, *arguments = words[1:]
    assert name in cli.commands, command
    with click.Context(cli) as context:
        cli.commands[name].make_context(name, arguments, parent=context)
    assert edit or not command.startswith("edit"), command
