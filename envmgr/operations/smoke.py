"""Look at a release before anybody else is led there."""

from __future__ import annotations

from envmgr import naming
from envmgr.errors import EngineError
from envmgr.model.stack import Service, Stack
from envmgr.operations.edge import Edge
from envmgr.operations.session import Session
from envmgr.spec.deploy_table import SmokeTable


def look(session: Session, edge: Edge, colour: Stack, check: SmokeTable) -> None:
    """Carry out one check of a colour, from where requests come or inside a container.

    Raises: `EngineError` that says what was expected.
    """
    service = colour.service(check.service)
    if check.command is not None:
        _run(session, colour, service, check.command, check.seconds)
    else:
        _ask(edge, colour, service, check)


def _run(session: Session, colour: Stack, service: Service, command: tuple[str, ...], seconds: float) -> None:
    there = session.observe().of(colour.compose_project, service.name)
    container = next((one for one in there if one.state.has_process), None)
    if container is None:
        raise EngineError(f"smoke test: {service.name} has no container to run {command[0]} in")
    result = session.engine.exec(container.id, command, {}, seconds)
    if result.exit_code != 0:
        raise EngineError(
            f"smoke test: {' '.join(command)} in {service.name} ended with exit code {result.exit_code}",
            details=tuple(result.output.splitlines()[-10:]),
        )


def _ask(edge: Edge, colour: Stack, service: Service, check: SmokeTable) -> None:
    url = f"http://{naming.alias(service.name, colour.target)}:{service.listens}{check.path}"
    status, body = edge.fetch(url, check.seconds)
    if status != check.status:
        raise EngineError(
            f"smoke test: {service.name} answered {check.path} with {status} instead of {check.status}",
            details=tuple(body.splitlines()[:10]),
        )
    if check.contains not in body:
        raise EngineError(
            f"smoke test: what {service.name} answered to {check.path} does not hold {check.contains!r}",
            details=tuple(body.splitlines()[:10]),
        )
