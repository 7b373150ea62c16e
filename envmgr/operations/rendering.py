"""Render the project's files, or tell whether those on disk are what the spec says."""

from __future__ import annotations

from envmgr import layout
from envmgr.errors import StaleError
from envmgr.files import write_atomic
from envmgr.model.stack import Stack
from envmgr.operations.project import Project
from envmgr.render.files import render as render_files
from envmgr.render.files import render_stack
from envmgr.render.folder import Change, FileChange, compare, write


def render(project: Project, *, force: bool) -> tuple[FileChange, ...]:
    """Write what is missing or stale and return it.

    Raises: `StaleError` when a file was edited by hand and `force` is off.
    """
    return write(project.folder / layout.COMPOSE, render_files(project.declared, project.folder), force=force)


def write_native_documents(project: Project, stack: Stack) -> None:
    """Write the documents of a stack some of whose services run on the desk, apart from those that are committed."""
    folder = project.folder / layout.native_folder(stack.target)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name, text in render_stack(stack, project.declared.substitutes, project.folder).items():
        write_atomic(folder / name, text.encode(), 0o600)


def check_rendered(project: Project) -> tuple[FileChange, ...]:
    """Return every file, all as the spec says.

    Raises: `StaleError` that names each file which is missing, stale, edited by hand or no longer wanted.
    """
    changes = compare(project.folder / layout.COMPOSE, render_files(project.declared, project.folder))
    wrong = [change for change in changes if change.change is not Change.UNCHANGED]
    if wrong:
        raise StaleError(
            f"{layout.COMPOSE}/ is not what {layout.SPEC} says",
            state="Nothing was written.",
            help="envmgr render",
            details=tuple(f"{layout.COMPOSE}/{one.path}: {one.change}" for one in wrong),
        )
    return changes
