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
    """Open the project and the engine for one command; `is_quiet` says nothing while it works."""
    from envmgr.engine.context import find_endpoint
    from envmgr.engine.docker import DockerEngine
    from envmgr.model.progress import Note
    from envmgr.operations.project import open_project
    from envmgr.operations.session import Session
    from envmgr.records.lock import Locks
    from envmgr.report.progress import listening, silent

    project = open_project(Path(file))
    endpoint = find_endpoint(os.environ, Path.home())
    with silent() if is_quiet else listening(as_json=as_json) as listen:
        locks = Locks(
            engine=endpoint.url,
            project=project.system.project,
            command=" ".join(["envmgr", *sys.argv[1:]]),
            on_wait=lambda text: listen(Note("", text)),
        )
        yield Session(project, DockerEngine(endpoint, lock_fds=locks.descriptors), locks, listen)
