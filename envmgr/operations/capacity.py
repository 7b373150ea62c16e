"""What every stack may take of the host, what it has now, and what is left."""

from __future__ import annotations

from envmgr.model.observed import Observed, State
from envmgr.model.result import Budget, CapacityResult, ServiceBudget
from envmgr.model.stack import Service, Stack
from envmgr.operations.session import Session

_HOLDS = (State.RUNNING, State.PAUSED, State.RESTARTING)


def capacity(session: Session, targets: tuple[str, ...]) -> CapacityResult:
    """Add up limits and reservations, of all stacks when none is named, against the whole host.

    What is left counts every stack of the project, whichever are shown.

    Raises: `UsageError` for a name that is no target.
    """
    stacks = session.project.stacks(targets) if targets else session.project.system.stacks
    observed, host = session.observe(), session.engine.host()
    every = [_budget(stack, observed) for stack in session.project.system.stacks]
    return CapacityResult(
        host_cpus=host.cpus,
        host_memory=host.memory,
        budgets=tuple(one for one in every if one.target in {stack.target for stack in stacks}),
        cpus_left=host.cpus - sum(one.cpus for one in every),
        memory_left=host.memory - sum(one.memory for one in every),
        unreserved_cpus=host.cpus - sum(one.cpus_reserved for one in every),
        unreserved_memory=host.memory - sum(one.memory_reserved for one in every),
    )


def _budget(stack: Stack, observed: Observed) -> Budget:
    services = tuple(_service(stack, service, observed) for service in stack.services)
    # A job is gone when what waits for it begins: its share is taken for moments only.
    lasting = [one for one in services if not one.is_job]
    return Budget(
        target=stack.target,
        services=services,
        cpus=sum(one.cpus * one.replicas for one in lasting),
        memory=sum(one.memory * one.replicas for one in lasting),
        cpus_reserved=sum(one.cpus_reserved * one.replicas for one in lasting),
        memory_reserved=sum(one.memory_reserved * one.replicas for one in lasting),
    )


def _service(stack: Stack, service: Service, observed: Observed) -> ServiceBudget:
    limits = service.resources
    running = [one for one in observed.of(stack.compose_project, service.name) if one.state in _HOLDS]
    return ServiceBudget(
        service=service.name,
        replicas=service.replicas,
        is_job=service.is_job,
        cpus=limits.cpus,
        memory=limits.memory,
        pids=limits.pids,
        cpus_reserved=limits.cpus_reserved or 0.0,
        memory_reserved=limits.memory_reserved or 0,
        running=len(running),
        is_in_force=all(one.cpu_limit == limits.cpus and one.memory_limit == limits.memory for one in running),
    )
