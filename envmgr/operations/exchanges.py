"""What of an environment's secrets can be exchanged, and for what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from envmgr import naming
from envmgr.errors import UsageError
from envmgr.model.needed import Needed, Origin
from envmgr.model.stack import Credential, Grant, Stack
from envmgr.secrets.generate import generate
from envmgr.spec.suggest import did_you_mean


@dataclass(frozen=True, slots=True)
class Exchange:
    """One thing that is exchanged: how the environment enters a server, or a value of the application's own."""

    subject: str
    """The server, or the variable."""
    need: Needed
    """The secret."""
    grant: Grant | None = None
    """Set when another credential can stand beside the present one."""
    previous: str = ""
    """Name under which the present value stays valid for the application."""

    @property
    def credential(self) -> Credential | None:
        """How the environment enters the server."""
        return self.grant.credential if self.grant else None

    @property
    def names(self) -> tuple[str, ...]:
        """The values that change."""
        login = self.credential.login if self.credential else None
        return (self.need.name, *((login.name,) if login else ()), *((self.previous,) if self.previous else ()))

    def next(self, known: Mapping[str, str]) -> dict[str, str]:
        """Return the values to come."""
        new = generate((self.need,))
        if self.previous:
            new[self.previous] = known[self.need.name]
        login = self.credential.login if self.credential else None
        if self.credential and login:
            first, second = self.credential.logins
            new[login.name] = second if known.get(login.name) == first else first
        return new


@dataclass(frozen=True, slots=True)
class Ending(Exchange):
    """The end of an overlap: the value before the present one is no longer valid."""

    @property
    def names(self) -> tuple[str, ...]:
        """The values that change."""
        return (self.previous,)

    def next(self, known: Mapping[str, str]) -> dict[str, str]:  # noqa: ARG002
        """Return the values to come."""
        return {self.previous: ""}


def ending(stack: Stack, exchange: Exchange) -> Exchange:
    """Return the end of a value's overlap.

    Raises: `UsageError` when the application takes one value at a time.
    """
    if not exchange.previous:
        raise UsageError(
            f"{exchange.subject} of {stack.target} has no overlap to end: the application takes one value at a time",
            state="Nothing was changed.",
            help=f'name the second one under [variables.{exchange.need.name}]: previous = "…"',
        )
    return Ending(exchange.subject, exchange.need, previous=exchange.previous)


def exchanges(stack: Stack, previous: Mapping[str, str]) -> tuple[Exchange, ...]:
    """Return everything of an environment that envmgr can exchange.

    `previous`: variable → name under which the application takes the value before.
    """
    grants = {grant.credential.password.name: grant for grant in stack.grants if grant.credential}
    return tuple(
        Exchange(_subject(need, grants.get(need.name)), need, grants.get(need.name), previous.get(need.name, ""))
        for need in stack.needed
        if need.is_secret and need.origin is Origin.GENERATED
        if need.name in grants or not _administers(need)
    )


def chosen(stack: Stack, known: tuple[Exchange, ...], name: str) -> Exchange:
    """Return what goes by a name: that of the server, or of the value.

    Raises: `UsageError` for what envmgr has not made and for what is not there.
    """
    found = next((one for one in known if name in (one.subject, one.need.name)), None)
    if found is None:
        message, help_ = _refusal(stack, known, name)
        raise UsageError(message, state="Nothing was changed.", help=help_)
    return found


def _refusal(stack: Stack, known: tuple[Exchange, ...], name: str) -> tuple[str, str]:
    """Say why there is no exchange of this name, and what to type instead."""
    need = next((one for one in stack.needed if one.name == name and one.is_secret), None)
    newer = next((one.subject for one in known if one.previous == name), "")
    if need and newer:
        message = f"{name} of {stack.target} is what {newer} was before its last rotation"
        return message, f"envmgr secrets rotate {stack.target} {newer} --end-overlap withdraws it"
    if need and _administers(need):
        return f"{name} of {stack.target} was set when its server first started, and is not exchanged while it runs", ""
    if need:
        message = f"{name} of {stack.target} was not made by envmgr: only whoever issued it makes another"
        return message, f"envmgr secrets set {stack.target} {name}, then envmgr up {stack.target}"
    names = [one.subject for one in known]
    near = did_you_mean(name, names)
    message = f"{stack.target} has no secret of {name}" + (f" ({near})" if near else "")
    return message, f"it can exchange: {', '.join(names)}" if names else f"envmgr secrets list {stack.target}"


def _administers(need: Needed) -> bool:
    """Tell whether a value belongs to a server itself: it takes the first one that it sees, and no other."""
    return f"{naming.INFRA}." in need.place


def _subject(need: Needed, grant: Grant | None) -> str:
    return grant.server if grant else need.name
