"""Go back to a release: at once while it is warm, else by starting it again beside the one that serves."""

from __future__ import annotations

from envmgr.errors import UsageError
from envmgr.model.observed import State
from envmgr.model.release import DeployResult, Release
from envmgr.model.stack import Stack
from envmgr.operations.colour import colour_of, other
from envmgr.operations.deploy import Deployment, finish, in_colours
from envmgr.operations.edge import Edge
from envmgr.operations.interruption import interruptible
from envmgr.operations.session import Session
from envmgr.operations.values import gather
from envmgr.records.releases import Releases


def rollback(session: Session, target: str, number: int | None) -> DeployResult:
    """Have an earlier release serve, the one before when none is named.

    Raises: `NotDeployedError` when what served before serves; `UsageError` when it cannot be gone back to, and then
    nothing was touched; `LockedError`, `EngineError`.
    """
    stack = in_colours(session, target)
    with session.locks.acquire(target), interruptible(session, (stack,), f"envmgr rollback {target}"):
        finished = finish(session, stack)
        if finished is not None:
            return finished
        records = Releases(session.project.folder, target)
        dressed = records.colours()
        live = Edge(session, stack).chosen() if dressed else ""
        serving = dressed.get(live)
        if serving is None:
            raise UsageError(
                f"nothing was deployed to {target}", state="Nothing was changed.", help=f"envmgr deploy {target}"
            )
        wanted = _wanted(records, target, serving, dressed.get(other(live)), number)
        _refuse_incomplete(session, stack, wanted)
        values = gather(session, (session.project.system.base, stack))[target]
        is_warm = dressed.get(other(live)) == wanted.number and _is_warm(session, stack, wanted.number, other(live))
        one = Deployment.of(session, stack, wanted.number, other(live), serving, values)
        return one.begin(is_back=True, is_warm=is_warm)


def _wanted(records: Releases, target: str, serving: int, idle: int | None, number: int | None) -> Release:
    kept = {one.number: one for one in records.all()}
    earlier = [one for one in kept if one < serving]
    chosen = number or (idle if idle in earlier else max(earlier, default=None))
    if chosen is None or chosen not in kept or chosen == serving:
        what = "no earlier release is kept" if chosen is None else f"release {chosen} is not kept"
        if chosen == serving:
            what = f"release {chosen} serves already"
        known = ", ".join(str(one) for one in kept if one != serving)
        raise UsageError(
            f"{target} cannot go back: {what}",
            state="Nothing was changed.",
            help=f"kept: {known}; envmgr rollback {target} --to NUMBER" if known else f"envmgr releases {target}",
        )
    return kept[chosen]


def _refuse_incomplete(session: Session, stack: Stack, release: Release) -> None:
    """Refuse a release of which something is gone, before anything is touched.

    Raises: `UsageError`.
    """
    missing = missing_images(session, release)
    if missing:
        raise UsageError(
            f"{release.title} of {stack.target} cannot run: {', '.join(missing)} is gone",
            state="Nothing was changed.",
            help=f"envmgr releases {stack.target} shows which can",
        )


def missing_images(session: Session, release: Release) -> tuple[str, ...]:
    """Return the images of a release that the engine does not have, or has as something else."""
    found = []
    for image in {one.kept: one for one in release.images.values()}.values():
        info = session.engine.image(image.kept)
        if info is None or info.id != image.id:
            found.append(image.kept)
    return tuple(found)


def _is_warm(session: Session, stack: Stack, number: int, name: str) -> bool:
    """Tell whether everything of a release that is asked still runs."""
    colour = colour_of(session, stack, number, name)
    running = {one.service for one in colour.containers() if one.state is State.RUNNING}
    return all(service.name in running for service in colour.asked if not service.is_job)
