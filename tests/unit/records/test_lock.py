"""One command at a time: with real processes, because only the kernel knows who holds a lock."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import textwrap
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from envmgr.errors import EnvmgrError, ExitCode, LockedError
from envmgr.records import lock as module
from envmgr.records import owner as owners
from envmgr.records.lock import Locks, host_folder

ENGINE = "unix:///var/run/docker.sock"


@pytest.fixture
def locks(tmp_path) -> Locks:
    return Locks(ENGINE, "chat", "envmgr up dev", folder=tmp_path / "locks", orphan_seconds=0.3)


def owner(path: Path) -> dict[str, object]:
    return json.loads(path.read_text())


class Holder:
    """Another process that holds a lock, and maybe a child of it that inherited the lock."""

    CODE = """
        import subprocess, sys, time
        from pathlib import Path
        from envmgr.records.lock import Locks
        target, folder, child = sys.argv[1:]
        lock = Locks({engine!r}, "chat", "envmgr deploy", folder=Path(folder)).acquire(target)
        pid = 0
        if child != "0":
            pid = subprocess.Popen(["sleep", child], pass_fds=(lock.fd,), stdout=subprocess.DEVNULL).pid
        print(pid, flush=True)
        sys.stdin.read()
        lock.release()
    """

    def __init__(self, folder: Path, target: str = "dev", child: float = 0) -> None:
        code = textwrap.dedent(self.CODE).format(engine=ENGINE)
        argv = [sys.executable, "-c", code, target, str(folder), str(child)]
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.child = int(self.process.stdout.readline())

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        self.process.communicate("")

    def close(self) -> None:
        self.kill()
        for stream in (self.process.stdin, self.process.stdout):
            stream.close()
        if self.child:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.child, signal.SIGKILL)


@pytest.fixture
def hold(locks):
    holders: list[Holder] = []

    def start(target: str = "dev", child: float = 0) -> Holder:
        holders.append(Holder(locks.folder, target, child))
        return holders[-1]

    yield start
    for holder in holders:
        holder.close()


class TestOneProcess:
    def test_the_file_tells_who(self, locks):
        began = datetime.now(UTC).replace(microsecond=0)
        with locks.acquire("dev"):
            found = owner(locks.path("dev"))
        assert (found["pid"], found["host"], found["command"]) == (os.getpid(), socket.gethostname(), "envmgr up dev")
        assert began <= datetime.fromisoformat(found["since"]) <= datetime.now(UTC)
        assert found["user"]

    def test_it_is_free_after_the_block(self, locks):
        with locks.acquire("dev"):
            pass
        with locks.acquire("dev", command="envmgr down dev"):
            assert owner(locks.path("dev"))["command"] == "envmgr down dev"

    def test_it_is_free_after_an_error(self, locks):
        with pytest.raises(ZeroDivisionError), locks.acquire("dev"):
            raise ZeroDivisionError
        locks.acquire("dev").release()

    def test_releasing_twice_is_harmless(self, locks):
        lock = locks.acquire("dev")
        lock.release()
        lock.release()
        assert lock.fd == -1

    def test_a_second_one_is_refused_at_once(self, locks):
        with locks.acquire("dev"):
            began = time.monotonic()
            with pytest.raises(LockedError):
                locks.acquire("dev")
            assert time.monotonic() - began < 0.1

    def test_targets_projects_and_engines_do_not_meet(self, locks):
        others = (
            Locks(ENGINE, "other", folder=locks.folder),
            Locks("tcp://10.0.0.1:2376", "chat", folder=locks.folder),
        )
        with locks.acquire("dev"), locks.acquire("prod"), locks.acquire("infra"):
            for other in others:
                other.acquire("dev").release()

    def test_the_descriptor_is_not_inherited_by_accident(self, locks):
        with locks.acquire("dev") as lock:
            assert os.get_inheritable(lock.fd) is False

    def test_children_are_told_which_to_inherit(self, locks):
        with locks.acquire("dev") as first, locks.acquire("infra") as second:
            assert locks.descriptors() == (first.fd, second.fd)
        assert locks.descriptors() == ()


class TestAll:
    def test_the_base_first_then_by_name(self, locks):
        with locks.acquire_all(["stage", "dev", "infra", "a", "dev"]) as held:
            assert [lock.target for lock in held] == ["infra", "a", "dev", "stage"]
        with locks.acquire_all(["dev"]):
            pass

    def test_all_or_none(self, locks):
        with locks.acquire("stage"):
            with pytest.raises(LockedError, match="stage is locked by"), locks.acquire_all(["dev", "stage", "infra"]):
                pytest.fail("must not be entered")
            with locks.acquire_all(["dev", "infra"]):
                pass

    def test_only_the_base_is_waited_for(self, locks):
        with locks.acquire("infra"):
            began = time.monotonic()
            with pytest.raises(LockedError), locks.acquire_all(["infra", "dev"], base_wait=0.2):
                pytest.fail("must not be entered")
            assert 0.2 <= time.monotonic() - began < 1


@pytest.mark.spawns
class TestTwoProcesses:
    def test_the_second_is_told_who_and_what(self, locks, hold):
        holder = hold()
        with pytest.raises(LockedError) as caught:
            locks.acquire("dev")
        since = owner(locks.path("dev"))["since"]
        user = owner(locks.path("dev"))["user"]
        place = f"pid {holder.process.pid} on {socket.gethostname()}"
        assert str(caught.value) == f'dev is locked by "envmgr deploy" of {user} ({place}, since {since})'
        assert caught.value.exit_code == ExitCode.LOCKED
        assert caught.value.state == "Nothing was changed."
        assert f"process {holder.process.pid}" in caught.value.help

    def test_the_base_is_waited_for(self, locks, hold):
        holder = hold("infra")
        said: list[str] = []

        def on_wait(text: str) -> None:
            said.append(text)
            holder.end()

        with locks.acquire("infra", wait=10, on_wait=on_wait):
            assert owner(locks.path("infra"))["pid"] == os.getpid()
        assert len(said) == 1
        assert said[0].startswith('waiting for infra: in use by "envmgr deploy" of ')

    def test_the_wait_has_an_end(self, locks, hold):
        hold("infra")
        began = time.monotonic()
        with pytest.raises(LockedError, match="infra is locked by"):
            locks.acquire("infra", wait=0.25)
        assert 0.25 <= time.monotonic() - began < 1

    def test_a_killed_holder_holds_nothing(self, locks, hold):
        hold().kill()
        began = time.monotonic()
        locks.acquire("dev").release()
        assert time.monotonic() - began < 0.1

    def test_a_zombie_holds_nothing(self, locks, hold):
        holder = hold()
        holder.process.send_signal(signal.SIGKILL)
        os.waitid(os.P_PID, holder.process.pid, os.WEXITED | os.WNOWAIT)
        locks.acquire("dev").release()

    def test_the_child_of_a_killed_holder_keeps_it(self, locks, hold):
        holder = hold(child=60)
        holder.kill()
        said: list[str] = []
        patient = Locks(ENGINE, "chat", folder=locks.folder, orphan_seconds=0.8)
        began = time.monotonic()
        with pytest.raises(LockedError) as caught:
            patient.acquire("dev", on_wait=said.append)
        assert 0.8 <= time.monotonic() - began < 2
        assert "was stopped, and a process that it started is still finishing" in str(caught.value)
        assert [text.partition(' "')[0] for text in said] == ["waiting for what"]
        assert said[0].endswith("started on dev and left behind")

    def test_it_is_free_when_the_child_has_finished(self, locks, hold):
        hold(child=0.4).kill()
        patient = Locks(ENGINE, "chat", folder=locks.folder, orphan_seconds=20)
        patient.acquire("dev").release()

    def test_the_child_of_a_holder_that_let_go_keeps_it(self, locks, hold):
        hold(child=60).end()
        with pytest.raises(LockedError, match="is still finishing"):
            locks.acquire("dev")

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
    def test_another_user_uses_the_same_file(self, locks, tmp_path):
        for folder in (tmp_path, *tmp_path.parents):
            if folder.is_relative_to(tempfile.gettempdir()) and folder != Path(tempfile.gettempdir()):
                folder.chmod(0o755)
        old = os.umask(0o077)
        try:
            locks.acquire("dev").release()
        finally:
            os.umask(old)
        code = f"""
            import os
            from pathlib import Path
            from envmgr.records.lock import Locks
            os.setgroups([]); os.setgid(65534); os.setuid(65534)
            locks = Locks({ENGINE!r}, "chat", "envmgr down", folder=Path({str(locks.folder)!r}))
            with locks.acquire("dev"), locks.acquire("prod"):
                print(locks.path("dev").read_text())
        """
        result = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True
        )
        assert json.loads(result.stdout)["command"] == "envmgr down"
        with locks.acquire("dev"), locks.acquire("prod"):
            assert locks.path("prod").stat().st_uid == 65534


class TestOwners:
    """A held lock whose file says something else than it should."""

    @pytest.fixture
    def foreign(self, locks):
        """Somebody's lock, with a file that the test writes."""
        path = locks.path("dev")
        path.touch()
        with path.open("r+b") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield path

    @pytest.mark.parametrize(
        "content",
        [
            b"", b"\0\0", b"{", b"[]", b"5", b"null", b"\xff", b"{}", b'{"pid": 1}', b"[" * 4096,
            b'{"user":"u","pid":"1","host":"h","command":"c","since":"s"}',
            b'{"user":"u","pid":-1,"host":"h","command":"c","since":"s"}',
            b'{"user":5,"pid":1,"host":"h","command":"c","since":"s"}',
        ],
    )  # fmt: skip
    def test_no_sense(self, locks, foreign, monkeypatch, content):
        monkeypatch.setattr(module, "_GRACE", 0.05)
        foreign.write_bytes(content)
        with pytest.raises(LockedError) as caught:
            locks.acquire("dev")
        assert str(caught.value) == "dev is locked by a process that left no readable name"

    def test_a_new_holder_has_a_moment_to_write_its_name(self, locks, foreign, monkeypatch):
        """The last holder is dead and its name still stands there: not an orphan, only a slow pen."""
        dead = {"user": "u", "pid": 2**31 - 1, "host": socket.gethostname(), "command": "old", "since": "s"}
        alive = dead | {"pid": os.getpid(), "command": "new"}
        foreign.write_text(json.dumps(dead))
        monkeypatch.setattr(module.time, "sleep", lambda seconds: foreign.write_text(json.dumps(alive)))
        said: list[str] = []
        with pytest.raises(LockedError, match='dev is locked by "new" of u'):
            locks.acquire("dev", on_wait=said.append)
        assert said == []

    def test_a_name_from_another_host_is_taken_to_live(self, locks, foreign):
        foreign.write_text('{"user":"u","pid":2147483647,"host":"elsewhere","command":"c","since":"s"}')
        with pytest.raises(LockedError, match=r'dev is locked by "c" of u \(pid 2147483647 on elsewhere, since s\)'):
            locks.acquire("dev")

    def test_a_later_process_with_the_same_number_is_another(self):
        me = owners.myself("x")
        assert me.is_gone is False
        assert owners.Owner("u", me.pid, me.host, "x", "s", birth="1").is_gone is True
        assert owners.ended(me).is_gone is True

    def test_what_would_reach_the_terminal_is_text(self, locks, foreign):
        name = {"user": "u\x1b[2J", "pid": os.getpid(), "host": "h\n", "command": "c" * 999, "since": "\u202e"}
        foreign.write_text(json.dumps(name))
        with pytest.raises(LockedError) as caught:
            locks.acquire("dev")
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 400

    def test_a_future_key_is_ignored(self, locks, foreign):
        foreign.write_text('{"user":"u","pid":1,"host":"h","command":"c","since":"s","more":1}')
        with pytest.raises(LockedError, match='"c" of u'):
            locks.acquire("dev")

    def test_a_user_without_a_name(self, monkeypatch):
        def unknown() -> str:
            raise KeyError("uid not found")

        monkeypatch.delenv("SUDO_USER", raising=False)
        monkeypatch.setattr(owners.getpass, "getuser", unknown)
        assert owners.myself("x").user == str(os.getuid())

    def test_who_became_root_is_named(self, monkeypatch):
        monkeypatch.setenv("SUDO_USER", "anna")
        assert owners.myself("x").user == "anna"

    def test_a_full_disk_takes_no_lock_away(self, locks, monkeypatch):
        def fail(*_: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(owners.os, "pwrite", fail)
        with locks.acquire("dev"), pytest.raises(LockedError):
            locks.acquire("dev")


class TestFiles:
    def test_everybody_may_use_them_whatever_the_umask(self, locks):
        old = os.umask(0o077)
        try:
            locks.acquire("dev").release()
        finally:
            os.umask(old)
        assert stat.S_IMODE(locks.folder.stat().st_mode) == 0o1777
        assert stat.S_IMODE(locks.path("dev").stat().st_mode) == 0o666
        assert list(locks.folder.iterdir()) == [locks.path("dev")]

    def test_a_folder_left_closed_by_a_killed_maker_is_opened(self, locks):
        locks.folder.mkdir(0o700)
        locks.acquire("dev").release()
        assert stat.S_IMODE(locks.folder.stat().st_mode) == 0o1777

    def test_an_existing_file_is_opened_without_creating(self, locks, monkeypatch):
        """With O_CREAT, fs.protected_regular refuses the file of another user in a sticky folder."""
        locks.acquire("dev").release()
        flags: list[int] = []
        opened = os.open

        def spy(path: object, flag: int, *rest: int) -> int:
            flags.append(flag)
            return opened(path, flag, *rest)

        monkeypatch.setattr(module.os, "open", spy)
        locks.acquire("dev").release()
        assert len(flags) == 1
        assert not flags[0] & os.O_CREAT
        assert flags[0] & os.O_NOFOLLOW
        assert flags[0] & os.O_CLOEXEC

    def test_a_file_that_appears_meanwhile_is_used(self, locks, monkeypatch):
        linked = os.link

        def race(source: str, path: Path) -> None:
            path.write_text("somebody else's")
            linked(source, path)

        monkeypatch.setattr(module.os, "link", race)
        locks.acquire("dev").release()
        assert list(locks.folder.iterdir()) == [locks.path("dev")]

    def test_a_file_removed_while_waiting_is_made_anew(self, locks, monkeypatch):
        """Two commands must not each hold a lock that only one of them can find."""
        path = locks.path("dev")
        taken = module._try
        tries: list[int] = []

        def cleaner(descriptor: int) -> bool:
            tries.append(descriptor)
            if len(tries) == 1:
                path.unlink()
            return taken(descriptor)

        monkeypatch.setattr(module, "_try", cleaner)
        with locks.acquire("dev") as lock:
            assert os.path.samestat(os.fstat(lock.fd), path.stat())
        assert len(tries) == 2

    @pytest.mark.parametrize("target", ["/etc/passwd", "absent"])
    def test_a_link_is_refused(self, locks, target):
        path = locks.path("dev")
        path.symlink_to(target)
        with pytest.raises(EnvmgrError, match="cannot serve as a lock: is a symbolic link") as caught:
            locks.acquire("dev")
        assert not isinstance(caught.value, LockedError)
        assert str(path) in caught.value.help

    @pytest.mark.parametrize(("make", "reason"), [(os.mkfifo, "is no regular file"), (os.mkdir, "Is a directory")])
    def test_anything_else_is_refused(self, locks, make, reason):
        make(locks.path("dev"))
        with pytest.raises(EnvmgrError, match=f"cannot serve as a lock: {reason}"):
            locks.acquire("dev")

    def test_a_link_in_place_of_the_folder_is_refused(self, locks, tmp_path):
        (tmp_path / "elsewhere").mkdir()
        locks.folder.symlink_to("elsewhere")
        with pytest.raises(EnvmgrError, match="is no folder"):
            locks.acquire("dev")
        assert list((tmp_path / "elsewhere").iterdir()) == []

    def test_no_place_for_the_folder(self, tmp_path):
        with pytest.raises(EnvmgrError, match="No such file or directory"):
            Locks(ENGINE, "chat", folder=tmp_path / "a" / "b").acquire("dev")

    def test_a_file_system_without_locks(self, locks, monkeypatch):
        def fail(*_: object) -> None:
            raise OSError(errno.ENOLCK, "No locks available")

        monkeypatch.setattr(module.fcntl, "flock", fail)
        before = len(list(Path("/proc/self/fd").iterdir()))
        with pytest.raises(EnvmgrError, match="the lock cannot be taken: No locks available"):
            locks.acquire("dev")
        assert len(list(Path("/proc/self/fd").iterdir())) == before

    def test_the_usual_folder_does_not_depend_on_variables(self, monkeypatch, tmp_path):
        folder = host_folder()
        monkeypatch.setenv("TMPDIR", str(tmp_path))
        monkeypatch.setattr(module.tempfile, "tempdir", None)
        assert host_folder() == folder
        assert folder in (Path("/run/lock/envmgr"), Path("/tmp/envmgr"))

    def test_the_usual_folder_where_nothing_is_open_to_all(self, monkeypatch, tmp_path):
        monkeypatch.setattr(module, "_is_open_to_all", lambda folder: False)
        monkeypatch.setattr(Path, "is_dir", lambda self: False)
        monkeypatch.setattr(module.tempfile, "tempdir", str(tmp_path))
        assert host_folder() == tmp_path / "envmgr"
