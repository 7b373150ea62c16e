"""The words of a command line: what a shell completes, and what a mistyped one was meant to be."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import click

from envmgr.naming import INFRA

_ELSEWHERE = {
    "start": "up",
    "create": "up",
    "stop": "down",
    "rm": "destroy",
    "delete": "destroy",
    "reload": "restart",
    "diff": "plan",
    "config": "render",
    "generate": "render",
    "list": "ps",
    "log": "logs",
    "check": "health",
    "sh": "shell",
    "bash": "shell",
    "ssh": "shell",
    "browse": "open",
    "url": "open",
}
"""What other programs call it → what it is called here."""


class Choice(click.Choice[str]):
    """One of some words, with a suggestion for a mistyped one."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return a known word."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            from envmgr.spec.suggest import did_you_mean

            hint = did_you_mean(str(value), self.choices)
            if not hint:
                raise
            raise click.BadParameter(f"{error.message.rstrip('.')}; {hint}", ctx=ctx, param=param) from error


class Group(click.Group):
    """Commands with a suggestion for a mistyped one."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command, or fail with the nearest one."""
        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            hint = _meant(args[0], self.commands)
            ctx.fail(f"there is no command {args[0]!r}; {hint or f'{ctx.command_path} --help lists them'}")
        return super().resolve_command(ctx, args)


def _meant(word: str, commands: Collection[str]) -> str:
    from envmgr.spec.suggest import did_you_mean

    other = _ELSEWHERE.get(word.lower(), "")
    return f'did you mean "{other}"?' if other in commands else did_you_mean(word, commands)


# ---- completion


def targets(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Complete a target that is not there yet."""
    return _matching(_services(ctx), incomplete, ctx.params.get(param.name or ""))


def environments(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Complete a target that is not the base."""
    return [name for name in _matching(_services(ctx), incomplete) if name != INFRA]


def targets_or_services(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Complete a target, or a service of the one that is there: `dev stage`, `dev app worker`."""
    given = ctx.params.get(param.name or "") or ()
    known = _services(ctx)
    if not given:
        return _matching(known, incomplete)
    services = known.get(given[0], ()) if sum(word in known for word in given) == 1 else ()
    others = known if all(word in known for word in given) else ()
    return _matching([*services, *others], incomplete, given)


def services(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Complete a service of the target before it, none twice."""
    given = ctx.params.get(param.name or "") if param.nargs == -1 else ()
    return _matching(_services(ctx).get(ctx.params.get("target") or "", ()), incomplete, given)


def services_or_servers(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Complete a service of the target before it, or of the base."""
    known = _services(ctx)
    target = ctx.params.get("target") or ""
    return _matching([*known.get(target, ()), *known.get(INFRA, ())] if target in known else [], incomplete)


def paths(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Complete a path of the spec: where one table alone is meant, with what stands in it, for a path goes on there."""
    from envmgr.errors import EnvmgrError
    from envmgr.spec.paths import read_steps

    above, dot, begun = incomplete.rpartition(".")
    given = [key for word in (*(ctx.params.get(param.name or "") or ()), above) for key in word.split(".") if key]
    try:
        steps = read_steps(_file(ctx), tuple(given))
        found = _matching(steps, begun)
        if len(found) == 1 and steps[found[0]]:
            found += [f"{found[0]}.{name}" for name in read_steps(_file(ctx), (*given, found[0]))]
    except EnvmgrError:
        return []
    return [f"{above}{dot}{name}" for name in found]


def secrets(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Complete a secret of the target before it: those that `[variables]` declares, and those that a file holds."""
    from envmgr.spec.outline import read_secret_names

    return _matching(read_secret_names(_file(ctx), ctx.params.get("target") or ""), incomplete)


def _services(ctx: click.Context) -> dict[str, tuple[str, ...]]:
    """Read targets and services from the spec; nothing where it cannot be read, for a shell shows no errors."""
    from envmgr.errors import EnvmgrError
    from envmgr.spec.outline import read_outline

    try:
        return dict(read_outline(_file(ctx)).services)
    except EnvmgrError:
        return {}


def _file(ctx: click.Context) -> Path:
    return Path(ctx.find_root().params.get("file") or "envmgr.toml")


def _matching(words: Iterable[str], incomplete: str, given: Iterable[str] | None = ()) -> list[str]:
    taken = set(given or ())
    return list(dict.fromkeys(word for word in words if word.startswith(incomplete) and word not in taken))
