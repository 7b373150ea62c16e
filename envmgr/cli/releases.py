"""Commands about releases."""

from __future__ import annotations

import click

from envmgr.cli import words
from envmgr.cli.session import session
from envmgr.cli.stacks import agreement, json_option

_environment = click.argument("environment", metavar="ENVIRONMENT", shell_complete=words.environments)


@click.command()
@_environment
@click.option("--build", is_flag=True, help="Build the project's images anew where their source has changed.")
@click.option(
    "--images", type=words.Choice(["registry", "recipes"]), help="Where server images come from on a fresh host."
)
@click.option("--yes", is_flag=True, help="Do not ask before servers of a protected environment are cut; for machines.")
@json_option
@click.pass_obj
def deploy(file: str, environment: str, build: bool, images: str | None, yes: bool, as_json: bool) -> None:
    """Start a new release beside the one that serves, prove it, lead requests over, and watch.

    What fails before requests are led over leaves the old release untouched; what fails after leads them back.

    \b
    envmgr deploy prod
    envmgr deploy prod --build
    """
    from envmgr.operations.deploy import DeployOptions
    from envmgr.operations.deploy import deploy as operate
    from envmgr.operations.image_source import Source
    from envmgr.report.releases import write_deployed

    with session(file, as_json=as_json) as one:
        options = DeployOptions(build, Source(images) if images else None)
        result = operate(one, environment, options, agreement(yes=yes, as_json=as_json))
    write_deployed(result, as_json=as_json)


@click.command()
@_environment
@click.option("--to", "number", type=click.IntRange(min=1), help="Number of the release; the one before when left out.")
@json_option
@click.pass_obj
def rollback(file: str, environment: str, number: int | None, as_json: bool) -> None:
    """Have an earlier release serve again, with its images, variables and secrets.

    \b
    envmgr rollback prod
    envmgr rollback prod --to 3
    """
    from envmgr.operations.rollback import rollback as operate
    from envmgr.report.releases import write_deployed

    with session(file, as_json=as_json) as one:
        result = operate(one, environment, number)
    write_deployed(result, as_json=as_json)


@click.command()
@_environment
@json_option
@click.pass_obj
def releases(file: str, environment: str, as_json: bool) -> None:
    """List the releases of an environment, newest first, and what changed from one to the next.

    \b
    envmgr releases prod
    """
    from envmgr.operations.releases import releases as operate
    from envmgr.report.releases import write_releases

    with session(file, is_quiet=True) as one:
        rows = operate(one, environment)
    write_releases(rows, as_json=as_json)


@click.group(cls=words.Group)
def maintenance() -> None:
    """Show visitors a page instead of an answer; health paths go on answering.

    \b
    envmgr maintenance on prod
    envmgr maintenance off prod
    """


@maintenance.command()
@_environment
@click.option(
    "--message", default="We are working on it. Please try again in a few minutes.", help="What the page says."
)
@click.option("--allow", "allowed", multiple=True, metavar="CIDR", help="Network that is served all the same.")
@json_option
@click.pass_obj
def on(file: str, environment: str, message: str, allowed: tuple[str, ...], as_json: bool) -> None:
    """Answer visitors with 503, Retry-After and a page, from the next request on.

    \b
    envmgr maintenance on prod
    envmgr maintenance on prod --message "Back at 10:30" --allow 203.0.113.0/24
    """
    from envmgr.operations.maintenance import begin
    from envmgr.report.releases import write_maintenance

    with session(file, is_quiet=True) as one:
        result = begin(one, environment, message, allowed)
    write_maintenance(result, as_json=as_json)


@maintenance.command()
@_environment
@json_option
@click.pass_obj
def off(file: str, environment: str, as_json: bool) -> None:
    """Answer everybody again.

    \b
    envmgr maintenance off prod
    """
    from envmgr.operations.maintenance import end
    from envmgr.report.releases import write_maintenance

    with session(file, is_quiet=True) as one:
        result = end(one, environment)
    write_maintenance(result, as_json=as_json)
