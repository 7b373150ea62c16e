"""Carry out grants; what they consist of is data from the catalog."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from envmgr.engine.commands import Fill, Locate, NotRunning, carry_out
from envmgr.engine.protocol import Engine
from envmgr.errors import EngineError
from envmgr.model.observed import ExecResult
from envmgr.model.secret import SecretRef, references
from envmgr.model.stack import Command, Grant

_CLOSED = re.compile(r"^(?:.*NOTICE: +)?closed: (.+?)\s*$", re.MULTILINE)
"""How a command says that it has taken something back; PostgreSQL puts its own word before it."""


@dataclass(frozen=True, slots=True)
class Provisioner:
    """Runs the commands of grants inside the servers' containers."""

    engine: Engine
    fill: Fill
    locate: Locate
    substitutes: Mapping[str, str] = field(default_factory=dict)

    def exists(self, grant: Grant) -> bool:
        """Tell whether the environment already owns it.

        Raises: `EngineError` when the server does not answer: "no" would be a guess.
        """
        return self.act(grant, grant.exists, "look for").output.strip() == "yes"

    def ensure(self, grant: Grant) -> tuple[str, ...]:
        """Create or repair it; return what had been opened by hand and is closed now.

        Raises: `EngineError` with what the server said.
        """
        said = self.act(grant, grant.ensure, "enter" if grant.is_given else "provision").output
        return tuple(_CLOSED.findall(said))

    def sweep(self, command: Command) -> tuple[str, ...]:
        """Shut out whom the spec no longer has; return who that was.

        Raises: `EngineError` with what the server said; `NotRunning`.
        """
        result = carry_out(self.engine, command, self.fill, self.locate, self.substitutes)
        if result.exit_code != 0:
            raise _refused_here(command, result, "cannot look for logins of environments that are gone")
        return tuple(_CLOSED.findall(result.output))

    def measure(self, grant: Grant) -> str:
        """Return what would be lost, in words."""
        return self.act(grant, grant.measure, "measure").output.strip()

    def revoke(self, grant: Grant) -> None:
        """Delete it with its data."""
        self.act(grant, grant.revoke, "delete")

    def act(self, grant: Grant, command: Command, verb: str) -> ExecResult:
        """Carry out one of a grant's commands; `verb` says in an error what could not be done.

        Raises: `EngineError` with what the server said.
        """
        try:
            result = carry_out(self.engine, command, self.fill, self.locate, self.substitutes)
        except NotRunning as error:
            again = f"envmgr up {command.target}"
            raise EngineError(f"cannot {verb} the {grant.title}: {error}", help=again) from error
        if result.exit_code != 0:
            raise _refused(grant, command, result, f"cannot {verb} the {grant.title}")
        return result


def _refused(grant: Grant, command: Command, result: ExecResult, failure: str) -> EngineError:
    if not command.client:
        return _refused_here(command, result, failure)
    lines = _lines(result)
    # Nobody can look into a managed server: what it says first is all that is known.
    said = lines[0] if lines else f"exit code {result.exit_code}"
    value = next((f"{one.name} in .env.{one.scope}" for one in _passwords(grant, command)), "its password")
    return EngineError(
        f"{failure} in the managed {command.service}: {said}",
        details=tuple(lines[1:10]),
        help=f"check its url in envmgr.toml, and {value}; then: envmgr up {command.target}",
    )


def _refused_here(command: Command, result: ExecResult, failure: str) -> EngineError:
    logs = f"envmgr logs {command.target} {command.service}"
    return EngineError(f"{failure}: {command.service} refused", details=tuple(_lines(result)[-10:]), help=logs)


def _lines(result: ExecResult) -> list[str]:
    return [line for line in result.output.splitlines() if line.strip()]


def _passwords(grant: Grant, command: Command) -> Iterator[SecretRef]:
    """Yield the secrets of a command: that of whoever knocks comes first, what he is to set stands behind."""
    login = grant.credential.login if grant.credential else None
    refs = (ref for template in command.variables.values() for ref in references(template))
    return (ref for ref in refs if login is None or (ref.name, ref.scope) != (login.name, login.scope))
