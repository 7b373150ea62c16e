"""What runs: every container of some targets, with a verdict from the engine alone."""

from __future__ import annotations

from datetime import UTC, datetime

from envmgr import naming
from envmgr.health.verdict import judge
from envmgr.model.health import Verdict
from envmgr.model.observed import Container, Observed, State
from envmgr.model.result import ContainerRow, StackRow
from envmgr.model.stack import Service, Stack
from envmgr.operations.addresses import addresses
from envmgr.operations.session import Session


def status(session: Session, names: tuple[str, ...]) -> tuple[StackRow, ...]:
    """Return one row per stack, of all stacks when none is named, or some services of one.

    Raises: `UsageError` for a name that is neither a target nor a service of the one target.
    """
    stacks, services = session.project.choose(names) if names else (session.project.system.stacks, ())
    observed = session.observe()
    return tuple(_stack_row(stack, session.project.services(stack, services), observed) for stack in stacks)


def _stack_row(stack: Stack, shown: tuple[Service, ...], observed: Observed) -> StackRow:
    rows = tuple(row for service in shown for row in _service_rows(stack, service, observed))
    lasting = [service for service in stack.services if not service.is_job]
    up = sum(_is_up(stack, service, observed) for service in lasting)
    state = "up" if up == len(lasting) else "partly up" if up else "down"
    return StackRow(stack.target, state, up, len(lasting), stack.is_protected, rows)


def _is_up(stack: Stack, service: Service, observed: Observed) -> bool:
    verdict, _ = judge(service, observed.of(stack.compose_project, service.name), datetime.now(UTC))
    return verdict.is_good


def _service_rows(stack: Stack, service: Service, observed: Observed) -> tuple[ContainerRow, ...]:
    address = next((a.url for a in addresses(stack) if a.service == service.name), "")
    containers = observed.of(stack.compose_project, service.name)
    if not containers:
        verdict = Verdict.MISSING.value
        return (ContainerRow(stack.target, service.name, "", verdict, "", service.image.reference, None, 0, address),)
    return tuple(_row(stack, service, container, address) for container in containers)


def _row(stack: Stack, service: Service, container: Container, address: str) -> ContainerRow:
    now = datetime.now(UTC)
    verdict, reason = judge(service, (container,), now)
    if verdict is Verdict.STARTING and service.replicas > 1 and container.state is State.RUNNING:
        verdict, reason = judge(service, (container,) * service.replicas, now)
    is_running = container.state is State.RUNNING and container.started_at is not None
    uptime = (now - container.started_at).total_seconds() if is_running and container.started_at else None
    return ContainerRow(
        target=stack.target,
        service=service.name,
        container=container.name,
        verdict=verdict.value,
        reason=reason,
        image=container.image,
        uptime=uptime,
        restarts=container.restart_count,
        address=address,
        stand_in=container.labels.get(naming.LABEL_STAND_IN, ""),
    )
