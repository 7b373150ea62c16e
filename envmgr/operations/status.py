"""What runs: every service of some targets, with a verdict from the engine alone, or from its process on the desk."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from envmgr import naming
from envmgr.health.verdict import judge
from envmgr.model.health import Verdict
from envmgr.model.observed import Container, Observed, State
from envmgr.model.result import ContainerRow, StackRow
from envmgr.model.stack import Service, Stack
from envmgr.native.running import running
from envmgr.operations.addresses import addresses
from envmgr.operations.serving import UNKNOWN, expected, states
from envmgr.operations.session import Session
from envmgr.secrets.ages import ages


def status(session: Session, names: tuple[str, ...]) -> tuple[StackRow, ...]:
    """Return one row per stack, of all stacks when none is named, or some services of one.

    Raises: `UsageError` for a name that is neither a target nor a service of the one target.
    """
    # As the spec has it: a service on the desk is shown in its place, whether or not it leaves a container.
    declared = session.project.in_containers()
    stacks, services = declared.choose(names, takes_colours=True) if names else (declared.system.stacks, ())
    observed = session.observe()
    colours = states(session, observed)
    rows = []
    for one in declared.with_colours(stacks):
        if not one.part_of or one.target in colours:
            state = colours.get(one.target, UNKNOWN)
            shown = expected(one, declared.services(one, services), state)
            rows.append(replace(_stack_row(session, one, shown, observed), release=_title(one, state)))
    return tuple(rows)


def _title(stack: Stack, state: str) -> str:
    return f"release {stack.release}{f', {state}' if state else ''}" if stack.release else ""


def _stack_row(session: Session, declared: Stack, shown: tuple[Service, ...], observed: Observed) -> StackRow:
    stack = session.project.system.stack(declared.target)
    away = {service.name for service in stack.native}
    desk = _Desk(session.project.folder, stack, observed)
    rows = tuple(
        row
        for service in shown
        for row in (desk.rows(service) if service.name in away else _service_rows(declared, service, observed))
    )
    counted = shown if declared.part_of else declared.services
    lasting = [service for service in counted if not service.is_job]
    up = sum(desk.runs(one) if one.name in away else _is_up(declared, one, observed) for one in lasting)
    state = "up" if up == len(lasting) else "partly up" if up else "down"
    oldest, age = _oldest(session.project.folder, declared)
    return StackRow(declared.target, state, up, len(lasting), declared.is_protected, rows, oldest, age)


def _oldest(folder: Path, stack: Stack) -> tuple[str, float | None]:
    """Return the secret that has had its value for the longest, from the record alone: no store is asked."""
    secret = {need.name for need in stack.needed if need.is_secret}
    found = {name: since for name, since in ages(folder, stack.target).items() if name in secret}
    if not found:
        return "", None
    name = min(sorted(found), key=lambda one: found[one])
    return name, max(0.0, (datetime.now(UTC) - found[name]).total_seconds())


@dataclass(frozen=True, slots=True)
class _Desk:
    """The services of one environment that run on the desk."""

    folder: Path
    stack: Stack
    observed: Observed

    def runs(self, service: Service) -> bool:
        return running(self.folder, self.stack.target, service.name) is not None

    def rows(self, service: Service) -> tuple[ContainerRow, ...]:
        """Return its row; a job that nobody runs has none, for nobody expects it to."""
        found = running(self.folder, self.stack.target, service.name)
        if found is None and service.is_job:
            return ()
        forwards = self.observed.of(self.stack.compose_project, service.name)
        command = f"envmgr run {self.stack.target} {service.name}"
        return (
            ContainerRow(
                target=self.stack.target,
                service=service.name,
                container=forwards[0].name if forwards else "",
                verdict=(Verdict.HEALTHY if found else Verdict.STOPPED).value,
                reason="" if found else f"on the desk, and nothing runs it: {command}",
                image="",
                uptime=(datetime.now(UTC) - found.started_at).total_seconds() if found else None,
                restarts=0,
                address=_address(replace(self.stack, services=(service,)), service),
                side="native",
            ),
        )


def _address(stack: Stack, service: Service) -> str:
    return next((one.url for one in addresses(stack) if one.service == service.name), "")


def _is_up(stack: Stack, service: Service, observed: Observed) -> bool:
    verdict, _ = judge(service, observed.of(stack.compose_project, service.name), datetime.now(UTC))
    return verdict.is_good


def _service_rows(stack: Stack, service: Service, observed: Observed) -> tuple[ContainerRow, ...]:
    address = _address(stack, service)
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
