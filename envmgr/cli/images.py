"""Commands about images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from envmgr.cli import words
from envmgr.cli.session import session
from envmgr.cli.stacks import json_option
from envmgr.errors import UsageError

if TYPE_CHECKING:
    from envmgr.operations.session import Session

_targets = click.argument("targets", nargs=-1, metavar="[TARGET…]", shell_complete=words.targets)


@click.group(cls=words.Group)
def images() -> None:
    """List, build, fetch and carry the images that targets need; all targets when none is named.

    \b
    envmgr images list
    envmgr images save images.tar prod
    envmgr images load images.tar        on a host that reaches nothing
    """


@images.command(name="list")
@_targets
@json_option
@click.pass_obj
def list_(file: str, targets: tuple[str, ...], as_json: bool) -> None:
    """Show each image, where it comes from, and what stands in for what.

    \b
    envmgr images list
    envmgr images list dev --json
    """
    from envmgr.operations.image_list import images as operate
    from envmgr.report.images import write_images

    with session(file, is_quiet=True) as one:
        rows = operate(one, targets)
    write_images(rows, as_json=as_json)


@images.command(name="build")
@_targets
@json_option
@click.pass_obj
def build_recipes(file: str, targets: tuple[str, ...], as_json: bool) -> None:
    """Build servers' images from distribution packages, by the project's recipes.

    \b
    envmgr images build
    envmgr images build infra
    """
    from envmgr.operations.image_list import build_from_packages

    _make(file, targets, as_json, "built", build_from_packages)


@images.command()
@_targets
@json_option
@click.pass_obj
def pull(file: str, targets: tuple[str, ...], as_json: bool) -> None:
    """Fetch what is not there from the registries.

    \b
    envmgr images pull
    envmgr images pull prod
    """
    from envmgr.operations.image_list import pull as operate

    _make(file, targets, as_json, "pulled", operate)


@images.command()
@click.argument("archive", type=click.Path(path_type=Path, dir_okay=False))
@_targets
@json_option
@click.pass_obj
def save(file: str, archive: Path, targets: tuple[str, ...], as_json: bool) -> None:
    """Write every image into one file, for a host that reaches no registry.

    \b
    envmgr images save images.tar
    envmgr images save images.tar infra prod
    """
    from envmgr.operations.image_files import save as operate
    from envmgr.report.images import write_image_file

    with session(file, as_json=as_json) as one:
        result = operate(one, archive, targets)
    write_image_file(result, "written", as_json=as_json)


@images.command()
@click.argument("archive", type=click.Path(path_type=Path))
@json_option
@click.pass_obj
def load(file: str, archive: Path, as_json: bool) -> None:
    """Take the images of such a file into the engine.

    \b
    envmgr images load images.tar
    """
    from envmgr.operations.image_files import load as operate
    from envmgr.report.images import write_image_file

    with session(file, as_json=as_json) as one:
        result = operate(one, archive)
    write_image_file(result, "loaded", as_json=as_json)


@click.command()
@_targets
@json_option
@click.pass_obj
def build(file: str, targets: tuple[str, ...], as_json: bool) -> None:
    """Build the project's own images where their source has changed; nothing is started.

    \b
    envmgr build
    envmgr build stage
    """
    from envmgr.operations.image_list import build as operate

    _make(file, targets, as_json, "built", operate)


@click.command()
@click.argument("names", nargs=-1, metavar="[IMAGE…]")
@click.option("--update", is_flag=True, help="Ask the registries anew, for these images or for all.")
@click.option("--check", is_flag=True, help="Write nothing; exit with 7 when an image is not locked or has moved.")
@json_option
@click.pass_obj
def lock(file: str, names: tuple[str, ...], update: bool, check: bool, as_json: bool) -> None:
    """Hold images to their digests in envmgr.lock, which rendering then uses.

    \b
    envmgr lock                        what is not locked yet
    envmgr lock --update               everything, as the registries have it now
    envmgr lock --update postgres:17   one image
    envmgr lock --check                for continuous integration
    """
    from envmgr.operations.lock import check_lock
    from envmgr.operations.lock import lock as operate
    from envmgr.report.lock import write_lock

    if check and (update or names):
        raise UsageError("--check looks at everything and writes nothing: leave --update and images out")
    if names and not update:
        raise UsageError("images are named for --update only", help=f"envmgr lock --update {' '.join(names)}")
    with session(file, as_json=as_json) as one:
        result = check_lock(one) if check else operate(one, names, update=update)
    write_lock(result, as_json=as_json)


def _make(
    file: str,
    targets: tuple[str, ...],
    as_json: bool,
    verb: str,
    operate: Callable[[Session, tuple[str, ...]], tuple[str, ...]],
) -> None:
    from envmgr.report.images import write_made

    with session(file, as_json=as_json) as one:
        made = operate(one, targets)
    write_made(made, verb, as_json=as_json)
