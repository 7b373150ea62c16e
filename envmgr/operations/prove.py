"""Try to cross from every environment into every other, and say what came of it."""

from __future__ import annotations

import secrets as randomness
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from envmgr import naming
from envmgr.errors import EngineError, UsageError
from envmgr.model.observed import Container
from envmgr.model.proof import Finding, Proof, Trial
from envmgr.model.stack import Stack
from envmgr.operations.machine import machine
from envmgr.operations.session import Session
from envmgr.operations.values import vault_of
from envmgr.proving import inspection, reach, scan, script, verdict
from envmgr.proving.reach import Scene
from envmgr.proving.sockets import Listener, listeners

_AT_ONCE = 8
_SCAN_SECONDS = 30
_TRIAL_SECONDS = 90

Job = Callable[[], list[Finding]]


def prove(session: Session, targets: tuple[str, ...]) -> Proof:
    """Try to cross from inside the containers of some environments, all that run when none is named.

    Nothing that the environments have is changed, whether an attempt succeeds or not.

    Raises: `UsageError` for the base, and when an environment that was named, or every one, does not run.
    """
    began = time.monotonic()
    scene = Scene(session.project.system, session.observe(), machine(session.engine.host().is_local))
    stacks = _chosen(session, scene, targets)
    vault_of(session, session.project.system.stacks)
    session.step("", f"trying to cross from {', '.join(stack.target for stack in stacks)}")
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        scene = replace(scene, listening=_listening(session, scene, pool))
        from envmgr.resolve.trials import trials  # it reads the whole spec

        tried = trials(session.project.loaded.spec)
        jobs = [job for stack in stacks for job in _jobs(session, scene, stack, tried[stack.target])]
        found = [finding for part in pool.map(lambda job: job(), jobs) for finding in part]
    found += inspection.publications(scene, (*stacks, scene.system.base))
    return Proof(tuple(stack.target for stack in stacks), verdict.merged(found), time.monotonic() - began)


def _chosen(session: Session, scene: Scene, targets: tuple[str, ...]) -> tuple[Stack, ...]:
    if naming.INFRA in targets:
        raise UsageError(
            f"{naming.INFRA} is what environments share: there is nothing to cross from", help="envmgr prove"
        )
    stacks = session.project.stacks(targets) if targets else session.project.system.environments
    running = tuple(stack for stack in stacks if scene.applications(stack))
    away = [stack.target for stack in stacks if stack not in running]
    if away and (targets or not running):
        raise UsageError(
            f"nothing of {', '.join(away)} runs: nothing can be tried from inside",
            state="Nothing was tried.",
            help=f"envmgr up {' '.join(away)}",
        )
    return running


def _listening(session: Session, scene: Scene, pool: ThreadPoolExecutor) -> dict[str, tuple[Listener, ...]]:
    """Return what listens in every container of the project."""
    containers = [container for stack in scene.system.stacks for container in scene.running(stack)]

    def look(container: Container) -> tuple[Listener, ...]:
        try:
            argv = ("cat", "/proc/net/tcp", "/proc/net/tcp6")
            return listeners(session.engine.exec(container.id, argv, {}, 5).output)
        except EngineError:
            return ()

    return {one.id: found for one, found in zip(containers, pool.map(look, containers), strict=True)}


def _jobs(session: Session, scene: Scene, stack: Stack, trials: tuple[Trial, ...]) -> Iterator[Job]:
    """Yield what is done from inside one environment; the jobs know nothing of each other."""
    applications = scene.applications(stack)
    for container in applications:
        yield lambda container=container: _scan(session, scene, stack, container)  # type: ignore[misc]
    for trial in trials:
        yield lambda trial=trial: _try(session, scene, stack, trial, applications)  # type: ignore[misc]
    yield lambda: [
        *inspection.same_secrets(scene, stack, session.vault.values),
        *inspection.common(stack, scene.system.base),
    ]


def _scan(session: Session, scene: Scene, stack: Stack, container: Container) -> list[Finding]:
    tried = reach.round_of(scene, stack, container)
    seen = _seen(session, scene, container, tried)
    folder = str(session.project.folder)
    found = reach.findings(scene, stack, container, tried, seen)
    found += inspection.networks(scene, stack, container)
    found += inspection.mounts(scene, stack, container, folder)
    return found + list(inspection.secrets(scene, stack, container, seen or scan.Seen(), session.vault.values))


def _seen(session: Session, scene: Scene, container: Container, tried: reach.Round) -> scan.Seen | None:
    """Return what a container sees, with the first image that has a program for it."""
    argv, variables = ("sh", "-c", scan.PROGRAM), scan.variables(tried.places, tried.names)
    for image in _images(scene, container):
        try:
            with session.engine.companion(container.id, image, container.settings.user, _SCAN_SECONDS) as beside:
                seen = scan.seen(session.engine.exec(beside, argv, variables, _SCAN_SECONDS).output)
        except EngineError:
            continue
        if seen is not None:
            return seen
    return None


def _images(scene: Scene, container: Container) -> Iterable[str]:
    """Return the images to try: its own, then those of the servers."""
    return dict.fromkeys((container.image_id, *(c.image_id for c in scene.running(scene.system.base))))


def _try(
    session: Session, scene: Scene, stack: Stack, trial: Trial, applications: tuple[Container, ...]
) -> list[Finding]:
    others = [one.target for one in scene.system.environments if one.target != stack.target]
    servers = [c for c in scene.running(scene.system.base) if c.service == trial.server]
    if trial.why_not or not servers:
        why = trial.why_not or f"{trial.server} of {naming.INFRA} does not run"
        return list(verdict.untried(trial, why, others))
    place = _place(stack, trial, applications)
    mark = f"envmgr-{randomness.token_hex(8)}"
    argv = (trial.program, "-c", script.script(trial, mark))
    try:
        with session.engine.companion(place.id, servers[0].image_id, place.settings.user, _TRIAL_SECONDS) as beside:
            variables = session.vault.fill_all(trial.variables)
            output = session.engine.exec(beside, argv, variables, _TRIAL_SECONDS).output
    except EngineError as error:
        return list(verdict.untried(trial, str(error), others))
    answers = script.answers(trial, mark, output)
    return list(verdict.findings(trial, answers, f"{stack.target} {place.service}"))


def _place(stack: Stack, trial: Trial, applications: tuple[Container, ...]) -> Container:
    """Return from where a server is tried: a container whose service uses it."""
    users = {one.name for piece in reach.pieces(stack) for one in piece.services if trial.server in one.uses}
    return next((one for one in applications if one.service in users), applications[0])
