from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from envmgr.engine import compose, process
from envmgr.engine.context import Endpoint
from envmgr.engine.docker import DockerEngine
from envmgr.engine.protocol import Recreate
from envmgr.errors import EngineError

SH = "/bin/sh"
ENVIRON = {"PATH": os.environ["PATH"]}
LOCAL = Endpoint("unix:///run/d.sock")


def sh(script: str, **options) -> str:
    return process.run_checked((SH, "-c", script), ENVIRON, what="the script", **{"deadline": 20.0, **options})


# ---- what a child sees


def test_a_child_sees_allowed_variables_and_the_engine_that_was_found():
    environ = {
        "PATH": "/bin",
        "LC_ALL": "C.UTF-8",
        "HTTPS_PROXY": "http://p:1",
        "DOCKER_CONFIG": "/c",
        "DOCKER_HOST": "unix:///other.sock",
        "DOCKER_CONTEXT": "other",
        "DOCKER_TLS_VERIFY": "1",
        "COMPOSE_FILE": "x.yml",
        "COMPOSE_PROFILES": "all",
        "POSTGRES_PASSWORD": "hunter2",
        "BUILDX_BUILDER": "mine",
    }
    assert process.child_environment(environ, LOCAL) == {
        "PATH": "/bin",
        "LC_ALL": "C.UTF-8",
        "HTTPS_PROXY": "http://p:1",
        "DOCKER_CONFIG": "/c",
        "DOCKER_HOST": "unix:///run/d.sock",
    }


@pytest.mark.spawns
def test_a_child_sees_exactly_that():
    assert process.run_checked(("/usr/bin/env",), {"A": "b c"}, deadline=20, what="env") == "A=b c\n"


# ---- how it ends


@pytest.mark.spawns
def test_a_command_that_works():
    assert sh("echo out; echo err >&2") == "out\n"


@pytest.mark.spawns
def test_a_command_that_fails_keeps_the_end_of_its_errors():
    with pytest.raises(EngineError, match=r"the script failed: no such service: db$") as caught:
        sh("for n in $(seq 30); do echo line $n >&2; done; echo no such service: db >&2; echo >&2; exit 14")
    assert len(caught.value.details) == 20
    assert caught.value.details[-2] == "no such service: db"


@pytest.mark.spawns
def test_a_command_that_fails_without_a_word():
    with pytest.raises(EngineError, match="the script failed: exit code 7"):
        sh("exit 7")


@pytest.mark.spawns
def test_bytes_that_are_no_text_do_not_matter():
    assert sh("printf 'a\\377b'") == "a\ufffdb"


@pytest.mark.spawns
@pytest.mark.parametrize(
    "words",
    [
        "docker: 'compose' is not a docker command.",
        "unknown shorthand flag: 'p' in -p",
        "unknown command: docker compose",
    ],
)
def test_a_missing_plugin_is_told_as_such(words):
    with pytest.raises(EngineError, match="Docker has no such plugin") as caught:
        sh(f'echo "{words}" >&2; exit 125')
    assert caught.value.details == (words,)
    assert "docker-dev" in caught.value.help


@pytest.mark.spawns
def test_a_program_that_is_not_there(tmp_path):
    with pytest.raises(EngineError, match="cannot be run: No such file"):
        process.run_checked((str(tmp_path / "nope"),), ENVIRON, deadline=5, what="nope")


@pytest.mark.spawns
def test_nothing_to_read_from_the_terminal():
    assert sh("cat; echo end") == "end\n"


@pytest.mark.spawns
def test_at_the_deadline_it_is_asked_to_end():
    began = time.monotonic()
    with pytest.raises(EngineError, match=r"the script did not finish within 0\.3 s") as caught:
        sh("trap 'echo asked >&2; exit 0' TERM; echo begun >&2; while :; do sleep 0.01; done", deadline=0.3)
    assert (caught.value.details[0], caught.value.details[-1]) == ("begun", "asked")
    assert "what it had done so far stays" in caught.value.state
    assert time.monotonic() - began < 4


@pytest.mark.spawns
def test_who_does_not_end_when_asked_is_killed_with_its_children(monkeypatch, tmp_path):
    monkeypatch.setattr(process, "KILL_SECONDS", 0.3)
    note = tmp_path / "pids"
    script = f"trap '' TERM; (trap '' TERM; echo $$ > {note}; while :; do sleep 0.01; done) & wait; wait"
    with pytest.raises(EngineError, match="did not finish"):
        sh(script, deadline=0.3)
    group = int(note.read_text())
    until(lambda: not living(group))


def living(group: int) -> list[int]:
    """Return the processes of a group, those left out that have ended and wait for somebody to notice."""
    import psutil

    found = [(it.pid, it.info["status"]) for it in psutil.process_iter(["status"])]
    return [pid for pid, status in found if status != psutil.STATUS_ZOMBIE and group_of(pid) == group]


def group_of(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0


@pytest.mark.spawns
def test_an_interrupt_ends_the_child_in_good_order_and_goes_on(tmp_path):
    note = tmp_path / "ended"
    script = f"trap 'sleep 0.1; echo x > {note}; exit 0' TERM; echo > {tmp_path}/begun; while :; do sleep 0.01; done"

    def interrupt() -> None:
        while not (tmp_path / "begun").exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        sh(script)
    assert note.exists()


# ---- locks and terminal


@pytest.mark.spawns
def test_a_lock_outlives_an_envmgr_that_is_killed_while_its_child_works(tmp_path):
    lock, note = tmp_path / "lock", tmp_path / "child"
    parent = f"""
import fcntl, os
from envmgr.engine import process
held = os.open({str(lock)!r}, os.O_RDWR | os.O_CREAT)
fcntl.flock(held, fcntl.LOCK_EX)
script = "echo $$ > {note}.new; mv {note}.new {note}; exec sleep 60"
process.run(("/bin/sh", "-c", script), {{"PATH": os.environ["PATH"]}}, deadline=60, fds=(held,), what="x")
"""
    killed = subprocess.Popen(
        (sys.executable, "-c", parent), env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )
    until(note.exists)
    killed.kill()
    killed.wait()
    with lock.open() as mine:
        with pytest.raises(BlockingIOError):
            fcntl.flock(mine, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.kill(int(note.read_text()), signal.SIGKILL)
        until(lambda: can_lock(mine))


def can_lock(file) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def until(holds, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.spawns
def test_a_child_on_the_terminal_passes_its_exit_code_on(capfd):
    assert process.passthrough((SH, "-c", "echo hello; exit 5"), ENVIRON) == 5
    assert capfd.readouterr().out == "hello\n"
    assert process.passthrough((SH, "-c", "kill -9 $$"), ENVIRON) == 137


@pytest.mark.spawns
def test_on_the_terminal_ctrl_c_is_the_childs_to_handle():
    before = signal.getsignal(signal.SIGINT)
    # The child interrupts its parent and then itself, as a terminal interrupts both.
    assert process.passthrough((SH, "-c", "trap 'exit 3' INT; kill -INT $PPID; kill -INT $$; sleep 5"), ENVIRON) == 3
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.spawns
def test_lines_are_handed_on_as_they_come():
    lines: list[str] = []
    assert process.follow((SH, "-c", "printf 'one\\r\\n\\377two\\nthree'; exit 5"), ENVIRON, lines.append) == 5
    assert lines == ["one", "\ufffdtwo", "three"]


@pytest.mark.spawns
def test_a_child_whose_lines_nobody_takes_is_ended():
    def gone(_line: str) -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        process.follow((SH, "-c", "while :; do echo on; done"), ENVIRON, gone)


# ---- the docker command


def stand_in(folder: Path, script: str) -> dict[str, str]:
    """Put a program named docker on a PATH."""
    command = folder / "docker"
    command.write_text(f"#!{SH}\n{script}\n")
    command.chmod(0o755)
    return {"PATH": f"{folder}:/usr/bin:/bin", "COMPOSE_FILE": "leak.yml", "HOME": "/home/x"}


@pytest.mark.spawns
def test_compose_gets_arguments_environment_and_locks(tmp_path):
    with (tmp_path / "lock").open("w") as lock:
        fd = lock.fileno()
        note = (
            f"printf '%s\\n' \"$@\" > {tmp_path}/args; env > {tmp_path}/env; readlink /proc/$$/fd/{fd} > {tmp_path}/fd"
        )
        environ = stand_in(tmp_path, note)
        engine = DockerEngine(LOCAL, lambda: (fd,), environ)
        engine.compose_up((Path("/p/a.yml"), Path("/p/b.yml")), "chat-dev", ("app",), deadline=20, scales={"app": 2})
    assert (tmp_path / "args").read_text().split() == [
        *("compose", "--progress", "plain", "--project-directory", "/p", "--env-file", "/dev/null"),
        *("-f", "/p/a.yml", "-f", "/p/b.yml", "-p", "chat-dev"),
        *("up", "-d", "--no-deps", "--no-build", "--pull", "never", "--scale", "app=2", "app"),
    ]
    seen = (tmp_path / "env").read_text()
    assert "DOCKER_HOST=unix:///run/d.sock" in seen
    assert "COMPOSE_FILE" not in seen
    assert (tmp_path / "fd").read_text().strip() == str(tmp_path / "lock")


@pytest.mark.spawns
def test_a_compose_that_fails_is_named(tmp_path):
    environ = stand_in(tmp_path, "echo 'no such service: db' >&2; exit 1")
    with pytest.raises(EngineError, match="docker compose stop of chat-dev failed: no such service: db"):
        DockerEngine(LOCAL, environ=environ).compose_stop((Path("a.yml"),), "chat-dev", deadline=5, services=("db",))


def test_no_docker_command(tmp_path):
    engine = DockerEngine(LOCAL, environ={"PATH": str(tmp_path)})
    with pytest.raises(EngineError, match="docker command is not on the PATH") as caught:
        engine.compose_config_quiet((Path("a.yml"),))
    assert "make docker-dev" in caught.value.help


FILES = (Path("/p/compose/base.yml"),)


def test_compose_never_answers_yes_nor_removes_orphans_nor_waits():
    for recreate in Recreate:
        said = compose.up(FILES, "chat", ("app",), {}, recreate)
        assert not {"-y", "--yes", "--remove-orphans", "--wait"} & set(said)


@pytest.mark.parametrize(
    ("recreate", "flags"),
    [
        (Recreate.NEVER, {"--no-recreate"}),
        (Recreate.CHANGED, set()),
        (Recreate.ALWAYS, {"--force-recreate"}),
    ],
)
def test_compose_is_told_which_containers_it_may_replace(recreate: Recreate, flags: set[str]):
    said = compose.up(FILES, "chat", ("app",), {}, recreate)
    assert {"--no-recreate", "--force-recreate"} & set(said) == flags


def test_down_keeps_volumes_unless_told():
    head = ("compose", "--progress", "plain", "--project-directory", "/p/compose", "--env-file", "/dev/null")
    document = ("-f", "/p/compose/base.yml")
    assert compose.down(FILES, "chat", (), volumes=False) == (*head, *document, "-p", "chat", "down")
    assert compose.down(FILES, "chat", ("db",), volumes=True)[-3:] == ("down", "--volumes", "db")
    assert compose.config_quiet(FILES) == (*head, *document, "config", "--no-env-resolution", "--quiet")
