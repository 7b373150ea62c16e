"""Why a start failed: the first cause in the order of dependencies, its last words, and what to type next."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from envmgr.errors import EngineError, NotHealthyError
from envmgr.model.health import ServiceHealth, Verdict
from envmgr.model.observed import Container, EngineHealth, Observed, State
from envmgr.model.stack import CommandProbe, Stack
from envmgr.operations.order import waves
from envmgr.operations.session import Session

_LOG_LINES = 20


def not_healthy(session: Session, stack: Stack, healths: tuple[ServiceHealth, ...]) -> NotHealthyError:
    """Return the error for a stack that did not become healthy."""
    observed = session.observe()
    behind = _broken_server(session, stack, observed)
    if behind is not None:
        return behind
    first = _first_cause(stack, healths)
    return NotHealthyError(
        f"{first.service} of {stack.target}: {first.verdict}: {first.reason}",
        state=running_state(stack, observed),
        help=f"envmgr logs {stack.target} {first.service}",
        details=_last_words(session, stack, first.service, observed),
    )


def running_state(stack: Stack, observed: Observed) -> str:
    """Say in one sentence what of a stack runs."""
    running = sorted({c.service for c in observed.of(stack.compose_project) if c.state is State.RUNNING})
    idle = sorted({s.name for s in stack.services if not s.is_job} - set(running))
    parts = [f"running in {stack.target}: {', '.join(running) or 'nothing'}"]
    if idle:
        parts.append(f"not running: {', '.join(idle)}")
    return "; ".join(parts).capitalize() + "."


def _first_cause(stack: Stack, healths: tuple[ServiceHealth, ...]) -> ServiceHealth:
    order = [service.name for wave in waves(stack, stack.services) for service in wave]
    bad = [health for health in healths if not health.verdict.is_good]
    # Of those that failed for good and those that merely were not ready, the former explain the latter.
    return min(bad, key=lambda h: (not h.verdict.is_final, h.verdict is Verdict.STARTING, order.index(h.service)))


def _broken_server(session: Session, stack: Stack, observed: Observed) -> NotHealthyError | None:
    """Return the error for a server of the base that an environment needs and that does not serve it."""
    prober = session.prober(observed)
    with ThreadPoolExecutor(max_workers=max(1, len(stack.grants))) as pool:
        results = pool.map(lambda grant: prober.run(CommandProbe(grant.probe)), stack.grants)
        for grant, result in zip(stack.grants, results, strict=True):
            if not result.is_good:
                base = session.project.system.base
                return NotHealthyError(
                    f"{grant.server} of {base.target} does not serve {stack.target}: {result.message}",
                    state=running_state(stack, observed),
                    help=f"envmgr health {base.target}, then envmgr logs {base.target} {grant.server}",
                    details=_last_words(session, base, grant.server, observed),
                )
    return None


def _last_words(session: Session, stack: Stack, service: str, observed: Observed) -> tuple[str, ...]:
    containers = observed.of(stack.compose_project, service)
    if not containers:
        return ()
    container = max(containers, key=_trouble)
    return (*_health_words(session, container), *_log_words(session, container))


def _trouble(container: Container) -> tuple[bool, bool, int]:
    """Sort replicas: the one that is in trouble has something to say."""
    return container.state is not State.RUNNING, container.health is EngineHealth.UNHEALTHY, container.restart_count


def _health_words(session: Session, container: Container) -> tuple[str, ...]:
    try:
        runs = session.engine.health_log(container.id)
    except EngineError:
        return ()
    failed = [run for run in runs if run.exit_code != 0 and run.output.strip()]
    return tuple(f"healthcheck: {line}" for run in failed[-1:] for line in run.output.strip().splitlines()[-3:])


def _log_words(session: Session, container: Container) -> tuple[str, ...]:
    try:
        lines = session.engine.logs(container.id, _LOG_LINES).splitlines()
    except EngineError as error:
        return (f"its log cannot be read: {error.message}",)
    return tuple(f"log: {line}" for line in lines[-_LOG_LINES:]) or ("log: it wrote nothing",)
