"""The command that tries to cross."""

from __future__ import annotations

import sys

import click

from envmgr.cli import words
from envmgr.cli.session import session
from envmgr.cli.stacks import json_option
from envmgr.errors import ExitCode


@click.command()
@click.argument("environments", nargs=-1, metavar="[ENVIRONMENT…]", shell_complete=words.environments)
@json_option
@click.pass_obj
def prove(file: str, environments: tuple[str, ...], as_json: bool) -> None:
    """Try to cross from every environment into every other, from inside its own containers.

    Each attempt is made with the environment's own credentials, from the network namespace of its containers, and first
    on what is its own: only the server's own refusal counts as one. Nothing is changed, whatever is open. Exits with 9
    when anything crosses, and names the command that closes it.

    \b
    envmgr prove
    envmgr prove dev
    envmgr prove --json
    """
    from envmgr.operations.prove import prove as operate
    from envmgr.report.prove import write_proof

    with session(file, as_json=as_json) as one:
        proof = operate(one, environments)
    write_proof(proof, as_json=as_json)
    if proof.crossings:
        sys.exit(ExitCode.FINDINGS)
