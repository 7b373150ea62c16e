"""Commands for the beginning: what a spec may say, and a first one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from envmgr.cli.stacks import json_option
from envmgr.errors import UsageError

if TYPE_CHECKING:
    from envmgr.operations.init import Start, Surroundings


@click.command()
@click.option("--write", is_flag=True, help="Write envmgr.schema.json beside the spec, for `#:schema`.")
@click.option("--markdown", is_flag=True, help="Print the reference instead, as in docs/spec.md.")
@json_option
@click.pass_obj
def schema(file: str, write: bool, markdown: bool, as_json: bool) -> None:
    """Print the JSON Schema of envmgr.toml, with the kinds of every installed package.

    \b
    envmgr schema --write
    envmgr schema --markdown > spec.md
    """
    from envmgr.operations import schema as operation
    from envmgr.report.results import write_json

    if write and markdown:
        raise UsageError("--write writes the schema, --markdown prints the reference: one of both")
    if markdown:
        from envmgr.report.spec_reference import spec_reference

        click.echo(spec_reference(operation.schema()), nl=False)
    elif write:
        name, has_changed = operation.write_schema(Path(file).parent)
        if as_json:
            write_json(written=[name] if has_changed else [])
        else:
            click.echo(f"{name} {'written' if has_changed else 'is as it should be'}")
    else:
        click.echo(operation.schema_text(operation.schema()), nl=False)


@click.command()
@click.option("--name", help="The project's name; its folder's, or the one that it has, when left out.")
@click.option("--environment", "environments", multiple=True, metavar="NAME", help="Again for each; dev, stage, prod.")
@click.option("--yes", is_flag=True, help="Ask nothing: take what was found.")
@click.option("--dry-run", is_flag=True, help="Print the spec and write nothing.")
@json_option
@click.pass_obj
def init(file: str, name: str | None, environments: tuple[str, ...], yes: bool, dry_run: bool, as_json: bool) -> None:
    """Look at a repository and write a first spec for it.

    Beside envmgr.toml it writes an example of a .env file, the schema for editors, envmgr.mk with docker-* targets,
    and lines for .gitignore. What is there already is left alone and named.

    \b
    envmgr init
    envmgr init --name shop --environment dev --environment prod --yes
    """
    from envmgr.operations.init import ENVIRONMENTS, look_around, prepare
    from envmgr.operations.init import init as operate
    from envmgr.report.results import write_init

    asks = not (yes or dry_run)
    if asks and (as_json or not (sys.stdin.isatty() and sys.stdout.isatty())):
        raise UsageError("init asks questions, and nobody is there to answer", help="envmgr init --yes")
    found = look_around(Path(file))
    if asks:
        name, environments = _ask(found, name, environments or ENVIRONMENTS)
    start = prepare(found, name or found.name, environments or ENVIRONMENTS)
    if dry_run:
        click.echo(start.writes[start.spec_name].decode(), nl=False)
        return
    if asks:
        _confirm(start)
    write_init(operate(start), as_json=as_json)


def _ask(found: Surroundings, name: str | None, environments: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    if found.compose_files:
        first = found.compose_files[0]
        click.echo(f"{first} is there; `envmgr import {first}` makes a spec of it.")
        click.confirm("Go on without it?", abort=True)
    name = name or click.prompt("Name of the project", default=found.name)
    words = click.prompt("Environments", default=" ".join(environments))
    return name, tuple(words.replace(",", " ").split())


def _confirm(start: Start) -> None:
    click.echo(start.writes[start.spec_name].decode())
    for path in start.kept:
        click.echo(f"{path} is there already and stays as it is")
    click.confirm(f"Write {', '.join(start.writes)}?", default=True, abort=True)
