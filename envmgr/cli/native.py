"""Commands for services on the desk."""

from __future__ import annotations

import sys

import click

from envmgr.cli import words
from envmgr.cli.reaching import of_program
from envmgr.cli.session import session
from envmgr.cli.stacks import agreement, json_option

yes_option = click.option("--yes", is_flag=True, help="Do not ask before a protected environment is cut; for machines.")


@click.command()
@click.argument("target", metavar="ENVIRONMENT", shell_complete=words.environments)
@click.argument("services", nargs=-1, metavar="[SERVICE…]", shell_complete=words.services)
@yes_option
@json_option
@click.pass_obj
def native(file: str, target: str, services: tuple[str, ...], yes: bool, as_json: bool) -> None:
    """Give services to the desk: their containers stop, the rest of the environment and the base run on.

    Without services: all that can run on the desk, so that the base alone is in Docker. Other containers go on reaching
    them under their names.

    \b
    envmgr native dev            everything of the application
    envmgr native dev app        one service
    """
    from envmgr.operations.native import to_native
    from envmgr.report.native import write_sides

    with session(file, as_json=as_json) as one:
        result = to_native(one, target, services, agreement(yes=yes, as_json=as_json))
    write_sides(result, as_json=as_json)


@click.command()
@click.argument("target", metavar="ENVIRONMENT", shell_complete=words.environments)
@click.argument("services", nargs=-1, metavar="[SERVICE…]", shell_complete=words.services)
@click.option("--build", is_flag=True, help="Build the project's images anew where their source has changed.")
@yes_option
@json_option
@click.pass_obj
def container(file: str, target: str, services: tuple[str, ...], build: bool, yes: bool, as_json: bool) -> None:
    """Bring services back from the desk into their containers, all when none is named.

    \b
    envmgr container dev
    envmgr container dev app --build
    """
    from envmgr.operations.native import to_container
    from envmgr.operations.up import UpOptions
    from envmgr.report.native import write_sides

    with session(file, as_json=as_json) as one:
        result = to_container(
            one, target, services, UpOptions(build, trusts_ground=True), agreement(yes=yes, as_json=as_json)
        )
    write_sides(result, as_json=as_json)


# What follows the service belongs to the program.
@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("target", metavar="ENVIRONMENT", shell_complete=words.environments)
@click.argument("service", metavar="SERVICE", shell_complete=words.services)
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND…]")
@click.pass_obj
def run(file: str, target: str, service: str, command: tuple[str, ...]) -> None:
    """Run a service on the desk with its container's variables, restarted when its source changes.

    It goes to the desk first, as with `envmgr native`. Ctrl-C ends it. A command after the service is run in its place.
    Takes no --json: what is printed is the program's.

    \b
    envmgr run dev app
    envmgr run dev worker
    envmgr run dev app -- python -m pdb -m chatbot
    """
    from envmgr.operations.run import prepare, supervise

    with session(file) as one:
        prepared = prepare(one, target, service, of_program(command), agreement(yes=False, as_json=False))
    for program in prepared[-1:]:
        click.echo(f"{program.program.title}: {' '.join(program.program.argv)}", err=True)
    sys.exit(supervise(one.project.folder, prepared, lambda text: click.echo(f"envmgr: {text}", err=True)))


@click.command()
@click.argument("target", metavar="ENVIRONMENT", shell_complete=words.environments)
@click.argument("service", required=False, default="", metavar="[SERVICE]", shell_complete=words.services)
@click.option("--native", "is_native", is_flag=True, help="With addresses of the loopback, for a program on the desk.")
@click.option("--values", is_flag=True, help="Secrets as values, not as files: what is printed must be kept safe.")
@click.option("--format", "form", type=words.Choice(["dotenv", "shell", "json"]), default="dotenv", show_default=True)
@click.pass_obj
def env(file: str, target: str, service: str, is_native: bool, values: bool, form: str) -> None:
    """Print the variables of a service, as its container has them or as they are on the desk.

    Without a service: what all services on the desk agree on. Takes no --json, but --format json.

    \b
    envmgr env dev --native
    envmgr env dev app --native
    envmgr env dev app --native --values --format shell
    """
    from envmgr.operations.run import variables
    from envmgr.report.variables import write_variables

    with session(file, is_quiet=True) as one:
        given, folder = variables(one, target, service, on_desk=is_native)
    write_variables(given.without_files() if values else given.with_files(folder), form)
