"""Whether a hint can be typed as it stands."""

from __future__ import annotations

import re

import click

from envmgr.catalog.registry import INFRA, SERVICES
from envmgr.cli.main import cli
from envmgr.spec.schema import InfraTable, ServiceTable

EDIT = re.compile(r"edit (envmgr\.toml|\.env\.[a-z]+): ([\w.-]+) .+; then (envmgr .+)")
PLACES = (
    r"(?:environments\.[\w-]+\.)?(?P<section>infra|services)\.[\w-]+(?:\.(?P<key>\w+)(?:\.[A-Z_]+)?)?",
    r"environments\.[\w-]+\.ports\.[\w-]+",
    r"variables\.[A-Z_]+\.services",
)
KEYS = {
    "infra": {
        "version",
        *InfraTable.model_fields,
        *(key for kind in INFRA.values() for key in kind.Options.model_fields),
    },
    "services": {*ServiceTable.model_fields, *(key for kind in SERVICES.values() for key in kind.Options.model_fields)},
}


def runnable(command: str) -> None:
    """Check that a hint is a command of envmgr that can be typed as it stands, or an edit of a place and then one."""
    edit = EDIT.fullmatch(command)
    assert edit or not command.startswith("edit"), command
    if edit and edit[1] == "envmgr.toml":
        is_place(edit[2])
    words = (edit[3] if edit else command).split()
    assert words[0] == "envmgr", command
    name, *arguments = words[1:]
    assert name in cli.commands, command
    with click.Context(cli) as context:
        cli.commands[name].make_context(name, arguments, parent=context)


def is_place(dotted: str) -> None:
    """Check that the spec can say something there."""
    found = next((match for pattern in PLACES if (match := re.fullmatch(pattern, dotted))), None)
    assert found is not None, dotted
    named = found.groupdict()
    if named.get("key"):
        assert named["key"] in KEYS[named["section"]], dotted
