"""A writer that is killed, and writers at once: the folder is wholly the old set or wholly a new one."""

from __future__ import annotations

import errno
import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from envmgr.render import exchange as exchange_module
from envmgr.render import folder as folder_module
from envmgr.render.folder import MANIFEST, Change, compare, write

pytestmark = pytest.mark.spawns

OLD = {"a.yml": "old\n", "config/same": "same\n", "config/gone/b": "b\n", "config/c": "old c\n"}
NEW = {"a.yml": "new\n", "config/same": "same\n", "config/new/d": "d\n", "config/c": "new c\n"}
FOREIGN = {"NOTES.md": "mine\n"}


@pytest.fixture(params=["swap", "renames"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The old set, with a file of the operator's own; on a file system that swaps folders, and on one that cannot."""
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)  # a kill loses nothing that the kernel has; time only
    if request.param == "renames":
        monkeypatch.setattr(exchange_module, "_swap", lambda _one, _other: errno.ENOSYS)
    return tmp_path / "compose"


def lay_out(folder: Path) -> None:
    for path in folder.parent.iterdir():
        shutil.rmtree(path)
    write(folder, OLD)
    (folder / "NOTES.md").write_text("mine\n")


def content(folder: Path) -> dict[str, str]:
    paths = (p for p in folder.rglob("*") if p.is_file() and p.name != MANIFEST)
    return {p.relative_to(folder).as_posix(): p.read_text() for p in paths}


def in_child(work: Callable[[], None], while_it_runs: Callable[[int], None] = lambda _pid: None) -> int:
    """Run `work` in a child process and return how it ended, as `os.waitpid` says."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    while_it_runs(pid)
    return os.waitpid(pid, 0)[1]


def check_whole(folder: Path) -> str:
    """Check what a killed writer left, and that the next one repairs it; return which set it was."""
    changes = {change.change for change in compare(folder, OLD)}
    found = content(folder)
    assert found in (OLD | FOREIGN, NEW | FOREIGN)
    which = "old" if found == OLD | FOREIGN else "new"
    # A set without its own list of files would count as edited by hand.
    assert Change.EDITED not in changes
    write(folder, NEW)
    assert content(folder) == NEW | FOREIGN
    assert [path.name for path in folder.parent.iterdir()] == ["compose"]
    assert all(path.stat().st_nlink == 1 for path in folder.rglob("*") if path.is_file())
    return which


def killed_at(number: int, folder: Path) -> Callable[[], None]:
    """Return work that kills itself when it makes its `number`th change or sync."""
    left = [number]

    def counting(name: str, module: object) -> None:
        real = getattr(module, name)

        def counted(*args: object, **options: object) -> object:
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **options)

        setattr(module, name, counted)

    def work() -> None:
        for name in ("fsync", "link", "mkdir", "rename", "unlink", "rmdir", "fchmod"):
            counting(name, os)
        counting("_swap", exchange_module)
        # Directly after the exchange, before anything is cleaned up.
        counting("sync_folder", folder_module)
        write(folder, NEW)

    return work


def test_a_kill_at_each_step_leaves_a_whole_set(folder: Path):
    found = []
    for number in range(200):
        lay_out(folder)
        status = in_child(killed_at(number, folder))
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0
            break
        found.append(check_whole(folder))
    assert len(found) > 15
    assert sorted(found, key=["old", "new"].index) == found
    assert set(found) == {"old", "new"}


def test_a_kill_at_any_moment_leaves_a_whole_set(folder: Path):
    lay_out(folder)
    began = time.perf_counter()
    assert in_child(lambda: write(folder, NEW) and None) == 0
    usual = time.perf_counter() - began
    chosen = random.Random(1)
    killed = 0
    for _ in range(25):
        lay_out(folder)
        delay = chosen.uniform(0, usual)

        def kill(pid: int, delay: float = delay) -> None:
            time.sleep(delay)
            os.kill(pid, signal.SIGKILL)

        killed += os.WIFSIGNALED(in_child(lambda: write(folder, NEW) and None, kill))
        check_whole(folder)
    assert killed


def test_writers_at_once_leave_one_whole_set(folder: Path):
    lay_out(folder)
    sets = [{**NEW, "a.yml": f"{number}\n", f"only/{number}": "x\n"} for number in range(3)]

    def work(mine: dict[str, str]) -> None:
        for _ in range(60):
            write(folder, mine)

    children = []
    for mine in sets:
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                work(mine)
                code = 0
            finally:
                os._exit(code)
        children.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0, 0]
    assert content(folder) in [one | FOREIGN for one in sets]
    assert [path.name for path in folder.parent.iterdir()] == ["compose"]
