"""Files of secrets that others could read: by their permissions, or because git has them or would take them."""

from __future__ import annotations

import stat
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from envmgr import layout
from envmgr.errors import Problem
from envmgr.secrets.folder import secret_paths

_OTHERS = 0o077
_SECONDS = 10


def loose(folder: Path, target: str, env_files: Iterable[Path]) -> list[Problem]:
    """Return the files and folders of a target that others of this host could read, each with what to type.

    `env_files` are those that hold one of its secrets.
    """
    paths = [(path, "600") for path in env_files]
    below = layout.secrets_folder(folder, target)
    inside = secret_paths(folder, target)
    if inside:
        paths += [(below, "700"), *((path, "600") for path in inside)]
    opened = [(_shown(folder, path), mode) for path, mode in paths if _is_open(path)]
    told = "can be read by other users of this host"
    return [Problem(f"{name} {told}", hint=f"chmod {mode} {name}") for name, mode in opened]


def _is_open(path: Path) -> bool:
    try:
        return bool(stat.S_IMODE(path.stat().st_mode) & _OTHERS)
    except OSError:
        return False  # what cannot be looked at is told when it is read


def _shown(folder: Path, path: Path) -> str:
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)


def in_git(folder: Path, paths: Sequence[Path]) -> list[Problem]:
    """Return the files that git has, or would take with `git add`; nothing where there is no git or no repository."""
    names = [path.relative_to(folder).as_posix() for path in paths if path.is_relative_to(folder)]
    tracked = _listed(folder, "--cached", names)
    taken = [name for name in _listed(folder, "--others", names) if name not in tracked]
    return [
        *(
            Problem(f"{name} is tracked by git", hint=f"git rm --cached {name}, and make new values: history keeps it")
            for name in tracked
        ),
        *(Problem(f"{name} is not ignored by git", hint=f"echo '/{name}' >> .gitignore") for name in taken),
    ]


def _listed(folder: Path, which: str, names: Sequence[str]) -> list[str]:
    if not names:
        return []
    argv = ["git", "-C", str(folder), "ls-files", "-z", which, "--exclude-standard", "--", *names]
    try:
        done = subprocess.run(argv, capture_output=True, timeout=_SECONDS, check=False, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [name.decode() for name in done.stdout.split(b"\0") if name] if done.returncode == 0 else []
