"""The command that makes a spec of an existing Compose project."""

from __future__ import annotations

from pathlib import Path

import click

from envmgr.cli.stacks import json_option


@click.command("import")
@click.argument("files", nargs=-1, required=True, metavar="FILE…", type=click.Path(path_type=Path))
@click.option(
    "--output", default="envmgr.toml", show_default=True, type=click.Path(path_type=Path), help="The spec to write."
)
@click.option("--name", help="Of the project; the Compose project's when left out.")
@click.option("--environment", default="dev", show_default=True, help="The environment that it becomes.")
@click.option("--profile", "profiles", multiple=True, metavar="NAME", help="Import the services of a profile too.")
@click.option("--container", "containers", multiple=True, metavar="SERVICE", help="Keep a server as it is.")
@json_option
def import_(
    files: tuple[Path, ...],
    output: Path,
    name: str | None,
    environment: str,
    profiles: tuple[str, ...],
    containers: tuple[str, ...],
    as_json: bool,
) -> None:
    """Make a spec of a Compose project, and list all that is different then.

    Later files are laid over earlier ones, as with `docker compose -f`. Nothing is started or overwritten.

    \b
    envmgr import docker-compose.yml
    envmgr import compose.yml compose.prod.yml --environment prod
    envmgr import compose.yml --container db --profile debug --json
    """
    import os

    from envmgr.operations.importing import ImportOptions, import_project
    from envmgr.report.importing import write_import

    result = import_project(ImportOptions(files, output, name, environment, profiles, containers), os.environ)
    write_import(result, as_json=as_json)
