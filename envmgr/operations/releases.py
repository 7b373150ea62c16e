"""List the releases of an environment, and what changed from one to the next."""

from __future__ import annotations

from envmgr import naming
from envmgr.model.observed import State
from envmgr.model.release import Outcome, Release, ReleaseRow
from envmgr.operations.deploy import in_colours
from envmgr.operations.edge import Edge
from envmgr.operations.rollback import missing_images
from envmgr.operations.session import Session
from envmgr.records.releases import Releases


def releases(session: Session, target: str) -> tuple[ReleaseRow, ...]:
    """Return the releases that are kept, newest first.

    Raises: `UsageError`, `EnvmgrError`.
    """
    stack = in_colours(session, target)
    records = Releases(session.project.folder, target)
    dressed = records.colours()
    running = {
        colour: any(one.state is State.RUNNING for one in session.observe().of(part.compose_project))
        for colour, part in zip(naming.COLOURS, stack.colours, strict=True)
    }
    live = Edge(session, stack).chosen() if any(running.values()) else ""
    deployed = {a.release: a.at for a in records.history() if a.outcome is not Outcome.FAILED}
    failed = {a.release for a in records.history() if a.outcome is Outcome.FAILED} - set(deployed)
    rows = []
    before: Release | None = None
    for release in records.all():
        colour = next((name for name, number in dressed.items() if number == release.number and running[name]), "")
        missing = missing_images(session, release)
        state = "failed" if release.number in failed else "kept"
        if missing:
            state = f"{', '.join(missing)} is gone"
        if colour:
            state = "live" if colour == live else "warm"
        rows.append(ReleaseRow(release, state, colour, deployed.get(release.number, ""), _changes(before, release)))
        before = release
    return tuple(reversed(rows))


def _changes(before: Release | None, after: Release) -> tuple[str, ...]:
    if before is None:
        return ()
    images = sorted(name for name, one in after.images.items() if _differs(before, name, one.id))
    gone = sorted(set(before.images) - set(after.images))
    values = sorted(
        name for name in {*before.values, *after.values} if before.values.get(name) != after.values.get(name)
    )
    return (
        *((f"image of {', '.join(images)}",) if images else ()),
        *((f"without {', '.join(gone)}",) if gone else ()),
        *((f"values {', '.join(values)}",) if values else ()),
        *(("spec",) if before.spec != after.spec else ()),
    )


def _differs(before: Release, service: str, image: str) -> bool:
    old = before.images.get(service)
    return old is None or old.id != image
