"""Carry out grants; what they consist of is data from the catalog."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from envmgr.engine.protocol import Engine
from envmgr.errors import EngineError
from envmgr.model.observed import ExecResult
from envmgr.model.secret import Template
from envmgr.model.stack import Command, Grant

Fill = Callable[[Mapping[str, Template]], dict[str, str]]


@dataclass(frozen=True, slots=True)
class Provisioner:
    """Runs the commands of grants inside the servers' containers."""

    engine: Engine
    fill: Fill
    locate: Callable[[str, str], str | None]
    """(target, service) → id of a running container."""

    def exists(self, grant: Grant) -> bool:
        """Tell whether the environment already owns it.

        Raises: `EngineError` when the server does not answer: "no" would be a guess.
        """
        return self._run(grant, grant.exists, "look for").output.strip() == "yes"

    def ensure(self, grant: Grant) -> None:
        """Create or repair it.

        Raises: `EngineError` with what the server said.
        """
        self._run(grant, grant.ensure, "provision")

    def measure(self, grant: Grant) -> str:
        """Return what would be lost, in words."""
        return self._run(grant, grant.measure, "measure").output.strip()

    def revoke(self, grant: Grant) -> None:
        """Delete it with its data."""
        self._run(grant, grant.revoke, "delete")

    def _run(self, grant: Grant, command: Command, verb: str) -> ExecResult:
        container = self.locate(command.target, command.service)
        if container is None:
            raise EngineError(
                f"cannot {verb} the {grant.title}: {command.service} does not run", help="envmgr up infra"
            )
        result = self.engine.exec(container, command.argv, self.fill(command.variables), command.timeout)
        if result.exit_code != 0:
            raise EngineError(
                f"cannot {verb} the {grant.title}: {command.service} refused",
                details=tuple(result.output.splitlines()[-10:]),
                help=f"envmgr logs {command.target} {command.service}",
            )
        return result
