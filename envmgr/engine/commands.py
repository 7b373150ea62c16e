"""Run a command of the model where it belongs: inside a service's container, or in one made for the call."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from envmgr.engine.protocol import Engine
from envmgr.model.observed import ExecResult
from envmgr.model.secret import Template
from envmgr.model.stack import Command

Locate = Callable[[str, str], str | None]
"""(target, service) → id of a running container."""
Fill = Callable[[Mapping[str, Template]], dict[str, str]]
"""Puts the secrets' values into a command's variables."""


class NotRunning(Exception):
    """The service whose container a command needs does not run."""


def carry_out(
    engine: Engine,
    command: Command,
    fill: Fill,
    locate: Locate,
    substitutes: Mapping[str, str],
    beside: str = "",
) -> ExecResult:
    """Run a command where it belongs: inside a service's container, or, for a managed server, in one of its own.

    `substitutes` are images that stand in for those which the host does not have; `beside` is a container whose
    networks and mounts a container of its own shares.

    Raises: `NotRunning`; `EngineError`.
    """
    variables = fill(command.variables)
    if command.client:
        image = _there(engine, command.client, substitutes)
        return engine.run_alone(image, command.argv, variables, command.timeout, beside)
    container = locate(command.target, command.service)
    if container is None:
        raise NotRunning(f"{command.service} of {command.target} does not run")
    return engine.exec(container, command.argv, variables, command.timeout)


def _there(engine: Engine, image: str, substitutes: Mapping[str, str]) -> str:
    substitute = substitutes.get(image.partition("@")[0])
    return substitute if substitute and engine.image(image) is None else image
