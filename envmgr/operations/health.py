"""Ask every service at once how it is, with the credentials of the environment."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from envmgr import naming
from envmgr.health.probe import Prober
from envmgr.health.verdict import judge
from envmgr.model.health import Verdict
from envmgr.model.observed import Observed
from envmgr.model.result import HealthResult, ProbeReport
from envmgr.model.stack import CommandProbe, Grant, Service, Stack
from envmgr.operations.desk import ask_desk, on_desk
from envmgr.operations.serving import UNKNOWN, as_expected, states
from envmgr.operations.session import Session
from envmgr.operations.values import vault_of

_AT_ONCE = 32


def health(session: Session, targets: tuple[str, ...]) -> HealthResult:
    """Run all probes of some targets side by side; the targets that have containers when none is named."""
    began = time.monotonic()
    observed = session.observe()
    project, colours = session.project, states(session, observed)
    chosen = project.with_colours(project.stacks(targets, takes_colours=True) if targets else project.system.stacks)
    there = (one for one in chosen if one.target in targets or observed.of(one.compose_project))
    stacks = tuple(as_expected(one, colours.get(one.target, UNKNOWN)) for one in there)
    vault_of(session, session.project.system.stacks)
    prober = session.prober(observed)
    asked = [ask for stack in stacks for ask in _questions(session.project.folder, stack, observed, prober)]
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        reports = tuple(pool.map(lambda ask: ask(), asked))
    return HealthResult(reports, time.monotonic() - began)


def _questions(folder: Path, stack: Stack, observed: Observed, prober: Prober) -> list[Callable[[], ProbeReport]]:
    def service_question(service: Service) -> Callable[[], ProbeReport]:
        return lambda: _ask_service(stack, service, observed, prober)

    def desk_question(service: Service) -> Callable[[], ProbeReport]:
        return lambda: _ask_desk(folder, stack, service, prober)

    def grant_question(grant: Grant) -> Callable[[], ProbeReport]:
        return lambda: _ask_grant(stack, grant, prober)

    # An environment that is down owns its databases all the same, and asks nothing of them.
    grants = stack.grants if observed.of(stack.compose_project) else ()
    inside = (s for s in stack.services if s.kind != naming.KIND_NATIVE)
    return [
        *(service_question(s) for s in inside),
        *(desk_question(s) for s in on_desk(stack)),
        *(grant_question(g) for g in grants),
    ]


def _ask_service(stack: Stack, service: Service, observed: Observed, prober: Prober) -> ProbeReport:
    verdict, reason = judge(service, observed.of(stack.compose_project, service.name), datetime.now(UTC))
    latency = None
    if verdict in (Verdict.HEALTHY, Verdict.STARTING, Verdict.UNHEALTHY) and service.probe and not service.is_job:
        result = prober.run(service.probe)
        latency = result.latency
        if not result.is_good:
            verdict, reason = Verdict.UNHEALTHY, result.message
    return ProbeReport(stack.target, service.name, service.kind, verdict.value, verdict.is_good, reason, latency)


def _ask_desk(folder: Path, stack: Stack, service: Service, prober: Prober) -> ProbeReport:
    verdict, reason, latency = ask_desk(folder, stack, service, prober.run)
    what = f"{service.kind} on the desk"
    return ProbeReport(stack.target, service.name, what, verdict.value, verdict.is_good, reason, latency)


def _ask_grant(stack: Stack, grant: Grant, prober: Prober) -> ProbeReport:
    result = prober.run(CommandProbe(grant.probe))
    verdict = Verdict.HEALTHY if result.is_good else Verdict.UNHEALTHY
    return ProbeReport(
        stack.target, grant.server, grant.title, verdict.value, result.is_good, result.message, result.latency
    )
