"""Every command has examples that parse; mistyped words are told what they were meant to be."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import click
import pytest

from envmgr.cli.main import cli
from tests.unit.cli.test_cli_commands import Terminal, terminal

__all__ = ["terminal"]

PASS_ON = {"exec", "shell", "run", "env", "completion"}
"""Commands whose output is another program's, and `env`, which has formats of its own."""


def commands(group: click.Group = cli, path: str = "envmgr") -> Iterator[tuple[str, click.Command]]:
    yield path, group
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


def examples(command: click.Command) -> list[str]:
    """Return the lines of a command's help that can be typed, without what a comment or the shell adds."""
    lines = [line.strip() for line in (command.help or "").splitlines()]
    return [re.split(r"\s{2,}|\s[>|]\s", line)[0] for line in lines if line.startswith("envmgr ")]


def parse(line: str) -> click.Context:
    """Parse a line as click would, and run nothing."""
    name, *arguments = shlex.split(line)
    context = cli.make_context(name, arguments)
    while isinstance(context.command, click.Group):
        found, command, rest = context.command.resolve_command(context, [*context._protected_args, *context.args])
        assert command is not None
        context = command.make_context(found, rest, parent=context)
    return context


@pytest.mark.parametrize(("path", "command"), list(commands()), ids=lambda it: it if isinstance(it, str) else "")
def test_every_help_has_examples_of_this_very_command(path: str, command: click.Command):
    found = examples(command)
    assert found, f"{path} --help has no example"
    assert all(one.startswith(path) for one in found)


LINES = [(line, path) for path, command in commands() for line in examples(command) if "COMMAND" not in line]


@pytest.mark.parametrize(("line", "path"), LINES, ids=lambda it: it)
def test_every_example_parses(line: str, path: str):
    assert f"{parse(line).command_path} ".startswith(f"{path} ")


def test_an_example_that_does_not_parse_would_be_seen():
    with pytest.raises(click.UsageError):
        parse("envmgr up dev --bild")
    with pytest.raises(click.UsageError):
        parse("envmgr images sav images.tar")


def test_every_command_takes_json_except_those_that_pass_on_another_programs_output():
    takes = {path.removeprefix("envmgr ") for path, one in commands() if any(p.name == "as_json" for p in one.params)}
    every = {path.removeprefix("envmgr ") for path, one in commands() if not isinstance(one, click.Group)}
    assert every - takes == PASS_ON
    for name in PASS_ON:
        assert "no --json" in (cli.commands[name].help or "")


def test_every_command_stands_in_a_section():
    from envmgr.cli.main import _SECTIONS

    assert sorted(name for names in _SECTIONS.values() for name in names) == sorted(cli.commands)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("stauts",), "there is no command 'stauts'; did you mean \"status\"?\nnext:  envmgr --help"),
        (("stop", "dev"), 'did you mean "down"?'),
        (("url",), 'did you mean "open"?'),
        (("xyzzy",), "there is no command 'xyzzy'; envmgr --help lists them"),
        (("images", "lst"), 'did you mean "list"?\nnext:  envmgr images --help'),
        (("images", "xyzzy"), "there is no command 'xyzzy'; envmgr images --help lists them"),
        (("completion", "bsh"), 'did you mean "bash"?'),
        (("completion", "powershell"), "is not one of 'bash', 'zsh', 'fish'"),
        (("plan", "--images", "recips"), 'did you mean "recipes"?'),
        (("logs", "dev", "--folow"), "--follow"),
    ],
)
def test_a_mistyped_word_is_told_what_it_was_meant_to_be(terminal: Terminal, arguments: tuple[str, ...], says: str):
    ended = terminal.run(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert says in ended.err


def test_no_command_at_all_shows_the_help(terminal: Terminal):
    ended = terminal.run()
    assert ended.code == 2
    assert "envmgr status " in ended.err
