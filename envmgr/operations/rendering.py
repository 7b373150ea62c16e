"""Render the project's files, or tell whether those on disk are what the spec says."""

from __future__ import annotations

from envmgr import layout
from envmgr.errors import StaleError
from envmgr.operations.project import Project
from envmgr.render.files import render as render_files
from envmgr.render.folder import Change, FileChange, compare, write


def render(project: Project, *, force: bool) -> tuple[FileChange, ...]:
    """Write what is missing or stale and return it.

    Raises: `StaleError` when a file was edited by hand and `force` is off.
    """
    return write(project.folder / layout.COMPOSE, render_files(project.system, project.folder), force=force)


def check_rendered(project: Project) -> tuple[FileChange, ...]:
    """Return every file, all as the spec says.

    Raises: `StaleError` that names each file which is missing, stale, edited by hand or no longer wanted.
    """
    changes = compare(project.folder / layout.COMPOSE, render_files(project.system, project.folder))
    wrong = [change for change in changes if change.change is not Change.UNCHANGED]
    if wrong:
        raise StaleError(
            f"{layout.COMPOSE}/ is not what {layout.SPEC} says",
            state="Nothing was written.",
            help="envmgr render",
            details=tuple(f"{layout.COMPOSE}/{one.path}: {one.change}" for one in wrong),
        )
    return changes
