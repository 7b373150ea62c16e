"""Commands about the secrets of targets."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import click

from envmgr.cli import words
from envmgr.cli.session import session
from envmgr.cli.stacks import agreement, json_option
from envmgr.errors import ExitCode, UsageError

_targets = click.argument("targets", nargs=-1, metavar="[TARGET…]", shell_complete=words.targets)
_target = click.argument("target", metavar="TARGET", shell_complete=words.targets)
_name = click.argument("name", metavar="NAME", shell_complete=words.secrets)


@click.group(cls=words.Group)
def secrets() -> None:
    """Make, set, list, show, check and exchange passwords and keys; a value stands on no command line.

    \b
    envmgr secrets init
    envmgr secrets set prod SMTP_PASSWORD
    envmgr secrets list prod
    envmgr secrets check
    envmgr secrets rotate prod postgres
    """


@secrets.command()
@_targets
@json_option
@click.pass_obj
def init(file: str, targets: tuple[str, ...], as_json: bool) -> None:
    """Make strong values for what is missing and can be made; of all targets when none is named.

    Where a target has data already, which only the old values open, nothing is made.

    \b
    envmgr secrets init
    envmgr secrets init infra prod
    """
    from envmgr.operations.secrets import init as operate
    from envmgr.report.secrets import write_kept

    with session(file, is_quiet=True) as one:
        kept = operate(one, targets)
    write_kept(kept, as_json=as_json)


@secrets.command(name="set")
@_target
@_name
@click.option("--file", "source", type=click.Path(path_type=Path, dir_okay=False), help="Take the value from a file.")
@json_option
@click.pass_obj
def set_(file: str, target: str, name: str, source: Path | None, as_json: bool) -> None:
    """Set one value: typed without being shown, from a pipe, or from a file. `envmgr up` then applies it.

    \b
    envmgr secrets set prod SMTP_PASSWORD
    envmgr secrets set prod TLS_KEY --file key.pem
    pass show shop/smtp | envmgr secrets set prod SMTP_PASSWORD
    """
    from envmgr.operations.secrets import set_ as operate
    from envmgr.report.secrets import write_kept

    with session(file, as_json=as_json) as one:
        kept = operate(one, target, name, _value(name, target, source))
    write_kept((kept,), as_json=as_json)


@secrets.command(name="list")
@_targets
@json_option
@click.pass_obj
def list_(file: str, targets: tuple[str, ...], as_json: bool) -> None:
    """Show each secret by name: how strong, how old, where it stands and who uses it; never a value.

    \b
    envmgr secrets list
    envmgr secrets list prod --json
    """
    from envmgr.operations.secrets import list_ as operate
    from envmgr.report.secrets import write_list

    with session(file, is_quiet=True) as one:
        rows = operate(one, targets)
    write_list(rows, as_json=as_json)


@secrets.command()
@_target
@_name
@click.option("--confirm", metavar="TARGET", help="The name of a protected target, for machines.")
@json_option
@click.pass_obj
def show(file: str, target: str, name: str, confirm: str | None, as_json: bool) -> None:
    """Print one value. Of a protected target its name has to be typed.

    \b
    envmgr secrets show dev POSTGRES_PASSWORD
    envmgr secrets show prod SECRET_KEY --confirm prod
    """
    from envmgr.operations.secrets import show as operate
    from envmgr.report.secrets import write_shown

    with session(file, is_quiet=True) as one:
        shown = operate(one, target, name, _confirmation(confirm, name, as_json=as_json))
    write_shown(shown, as_json=as_json)


@secrets.command()
@_targets
@json_option
@click.pass_obj
def check(file: str, targets: tuple[str, ...], as_json: bool) -> None:
    """List everything that is wrong with secrets; exits with 9 when there is something.

    Missing, weak and example values, one value in two environments, a name in two sources, files that others can
    read or that git has, what nothing uses. Weak values and open files of an environment such as dev are warnings.

    \b
    envmgr secrets check
    envmgr secrets check prod --json
    """
    from envmgr.operations.secrets_check import check as operate
    from envmgr.operations.secrets_check import has_errors
    from envmgr.report.secrets import write_check

    with session(file, is_quiet=True) as one:
        findings = operate(one, targets)
    write_check(findings, as_json=as_json)
    if has_errors(findings):
        sys.exit(ExitCode.FINDINGS)


@secrets.command()
@click.argument("environment", shell_complete=words.environments)
@click.argument("names", nargs=-1, metavar="[NAME…]")
@click.option("--end-overlap", is_flag=True, help="Withdraw the previous values instead; see `previous` in the spec.")
@click.option("--yes", is_flag=True, help="Do not ask before a protected environment is cut; for machines.")
@json_option
@click.pass_obj
def rotate(file: str, environment: str, names: tuple[str, ...], end_overlap: bool, yes: bool, as_json: bool) -> None:
    """Exchange secrets for new ones, and prove it; NAME is a server, or a generated variable.

    The new credential is set beside the old one, and is seen to open its server; what uses it is restarted and proven
    healthy; then the old one is ended with its sessions, and is seen to be refused. What fails on the way is undone;
    after a kill the same command goes on.

    \b
    envmgr secrets rotate prod postgres
    envmgr secrets rotate prod redis minio SECRET_KEY
    envmgr secrets rotate prod                             goes on with one that was cut
    envmgr secrets rotate prod SECRET_KEY --end-overlap
    """
    from envmgr.operations.rotate import rotate as operate
    from envmgr.report.secrets import write_rotated

    with session(file, as_json=as_json) as one:
        result = operate(one, environment, names, agreement(yes=yes, as_json=as_json), ends_overlap=end_overlap)
    write_rotated(result, as_json=as_json)


def _value(name: str, target: str, source: Path | None) -> Callable[[], str]:
    def ask() -> str:
        from envmgr.secrets.folder import without_last_break

        try:
            if source is not None:
                return without_last_break(source.read_bytes().decode())
            if not sys.stdin.isatty():
                return without_last_break(sys.stdin.buffer.read().decode())
        except OSError as error:
            raise UsageError(f"{source} cannot be read: {error.strerror}", state="No value was kept.") from error
        except UnicodeDecodeError:
            raise UsageError("the value is no UTF-8 text", state="No value was kept.") from None
        what = f"{name} of {target}"
        return str(click.prompt(what, hide_input=True, confirmation_prompt=f"{what}, again", err=True))

    return ask


def _confirmation(given: str | None, name: str, *, as_json: bool) -> Callable[[str], None]:
    def confirm(target: str) -> None:
        again = f"envmgr secrets show {target} {name} --confirm {target}"
        typed = given
        if typed is None:
            if as_json or not sys.stdin.isatty():
                raise UsageError(f"{target} is protected, and there is no terminal to ask on", help=again)
            typed = click.prompt(f"Type {target} to see {name}", err=True, default="", show_default=False)
        if typed != target:
            raise UsageError(f"{typed!r} is not {target}", state="Nothing is shown.", help=again)

    return confirm
