"""Put a session together: project, engine, locks, and a listener that suits the terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from envmgr.operations.session import Session


@contextmanager
def session(file: str, *, as_json: bool = False, is_quiet: bool = False) -> Iterator[Session]:
    """Open the project and the engine for one command."""
    from envmgr.engine.context import find_endpoint
    from envmgr.engine.docker import DockerEngine
    from envmgr.operations.project import open_project
    from envmgr.operations.session import Session
    from envmgr.records.lock import Locks
    from envmgr.report.progress import listening

    project = open_project(Path(file))
    endpoint = find_endpoint(os.environ)
    locks = Locks(endpoint, project.system.project, command=" ".join(["envmgr", *sys.argv[1:]]))
    engine = DockerEngine(endpoint, lock_fds=locks.descriptors)
    if is_quiet:
        yield Session(project, engine, locks, lambda _message: None)
        return
    with listening(as_json=as_json) as listen:
        locks.on_wait = lambda text: listen(_note(text))
        yield Session(project, engine, locks, listen)


def _note(text: str) -> object:
    from envmgr.model.progress import Note

    return Note("", text)
