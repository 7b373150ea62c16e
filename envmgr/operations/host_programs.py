"""Programs of this host that a deploy runs: the hooks of the spec, and git for where it comes from."""

from __future__ import annotations

import subprocess
from pathlib import Path

from envmgr.errors import EngineError
from envmgr.operations.session import Session

_GIT_SECONDS = 10
_HOOK_SECONDS = 600


def run(words: tuple[str, ...], folder: Path, seconds: float) -> tuple[int, str]:
    """Run a program and return its exit code and what it said.

    Raises: `OSError` when it cannot be started; `subprocess.TimeoutExpired`.
    """
    done = subprocess.run(
        words,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=seconds,
        check=False,
    )
    return done.returncode, done.stdout


def run_hooks(session: Session, hooks: tuple[tuple[str, ...], ...], state: str) -> None:
    """Run the hooks of a spec in its folder, one after the other.

    Raises: `EngineError` for the first that fails.
    """
    for words in hooks:
        title = " ".join(words)
        session.note("", f"running {title}")
        try:
            code, said = run(words, session.project.folder, _HOOK_SECONDS)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise EngineError(f"the hook {title} cannot be run: {error}", state=state) from error
        if code != 0:
            lines = tuple(said.splitlines()[-10:])
            raise EngineError(f"the hook {title} ended with exit code {code}", state=state, details=lines)


def commit_of(folder: Path) -> str:
    """Return the commit of the repository around a folder, with `+` when something differs; empty without one."""

    def git(*words: str) -> str | None:
        try:
            code, said = run(("git", *words), folder, _GIT_SECONDS)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return said.strip() if code == 0 else None

    commit = git("rev-parse", "--short=12", "HEAD")
    if not commit:
        return ""
    return commit + ("+" if git("status", "--porcelain", "--untracked-files=no", "--", ".") else "")
