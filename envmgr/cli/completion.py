"""The command that prints a shell's completion script."""

from __future__ import annotations

import click

from envmgr.cli.words import Choice

VARIABLE = "_ENVMGR_COMPLETE"
"""With it the shell's script asks for completions."""


@click.command()
@click.argument("shell", type=Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print a script with which a shell completes commands, options, targets and services.

    Takes no --json: the script is for the shell. Let bash or zsh read it at each start, with
    eval "$(envmgr completion bash)" in ~/.bashrc or after compinit in ~/.zshrc; fish finds it in its own folder.

    \b
    envmgr completion bash
    envmgr completion zsh
    envmgr completion fish > ~/.config/fish/completions/envmgr.fish
    """
    from click.shell_completion import ShellComplete, get_completion_class

    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"this version of click completes nothing in {shell}")
    script = found(ctx.find_root().command, {}, "envmgr", VARIABLE)
    # Not the class's own `source`: bash's starts a bash to ask it for its version.
    click.echo(ShellComplete.source(script))
