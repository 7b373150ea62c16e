"""Real processes under supervision: restarted on a change, ended whole, their output kept; and the relay to them."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from contextlib import suppress

import psutil
import pytest

from envmgr.native.process import DeskProgram, Supervisor
from envmgr.native.relay import Relay
from envmgr.native.running import running

pytestmark = pytest.mark.spawns

SECONDS = 20


def wait_until(holds, what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"not within {SECONDS} s: {what}"
        time.sleep(0.02)


@pytest.fixture
def start(tmp_path):
    """Start a supervisor of a Python program in a process of its own; return the process and a reader of its output."""
    started = []

    def begin(program: str, *, watch: bool = False, stop_seconds: float = 5):
        source = tmp_path / "source"
        source.mkdir(exist_ok=True)
        (source / "program.py").write_text(textwrap.dedent(program))
        script = tmp_path / "supervise.py"
        script.write_text(
            textwrap.dedent(f"""\
            import os, sys
            from pathlib import Path
            from envmgr.cli.main import _as_interrupt
            import signal
            from envmgr.native.process import DeskProgram, Supervisor
            from envmgr.native.running import log_file, take
            signal.signal(signal.SIGTERM, _as_interrupt)
            root = Path({str(tmp_path)!r})
            slot = take(root, "dev", "app")
            program = DeskProgram("app of dev", (sys.executable, "program.py"), root / "source", dict(os.environ),
                                  watch=(root / "source",) if {watch} else (), stop_seconds={stop_seconds})
            say = lambda text: print(f"said: {{text}}", file=sys.stderr, flush=True)
            sys.exit(Supervisor(program, log_file(root, "dev", "app"), slot.descriptor, slot.tell, say).run())
            """)
        )
        output = (tmp_path / "output").open("wb")
        process = subprocess.Popen([sys.executable, script], stdout=output, stderr=subprocess.STDOUT)
        started.append(process)
        return process, lambda: (tmp_path / "output").read_text()

    yield begin
    for process in started:
        if process.poll() is None:
            family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
            for one in family:
                one.kill()
        process.wait()


def test_its_exit_code_is_ours_and_its_output_is_kept_with_the_time(start, tmp_path):
    process, output = start("print('hello'); raise SystemExit(3)")
    assert process.wait(SECONDS) == 3
    assert output() == "hello\n"
    (line,) = (tmp_path / ".envmgr/dev/native/app.log").read_text().splitlines()
    stamp, _, text = line.partition(" ")
    assert (len(stamp), text) == (32, "hello")


def test_a_signal_ends_it_in_good_order(start, tmp_path):
    process, output = start(
        """
        import signal, sys, time
        def end(*_):
            print("ended well", flush=True)
            sys.exit(0)
        signal.signal(signal.SIGTERM, end)
        print("ready", flush=True)
        time.sleep(600)
        """
    )
    wait_until(lambda: "ready\n" in output(), "the program runs")
    found = running(tmp_path, "dev", "app")
    assert found is not None
    assert psutil.Process(found.pid).ppid() == process.pid
    process.send_signal(signal.SIGTERM)
    assert process.wait(SECONDS) == 130
    assert output() == "ready\nended well\n"
    assert running(tmp_path, "dev", "app") is None


def test_one_that_does_not_end_is_killed_with_its_children(start, tmp_path):
    process, output = start(
        """
        import signal, subprocess, sys, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        print("child", child.pid, flush=True)
        time.sleep(600)
        """,
        stop_seconds=0.3,
    )
    wait_until(lambda: len(output().split()) == 2, "the program runs")
    child = int(output().split()[1])
    process.send_signal(signal.SIGTERM)
    assert process.wait(SECONDS) == 130
    assert "did not end within 0.3 s and is killed" in output()
    wait_until(lambda: not psutil.pid_exists(child), "its child has gone")


def test_a_change_restarts_it_and_a_broken_program_waits_for_the_next(start, tmp_path):
    process, output = start("import time; print('first', flush=True); time.sleep(600)", watch=True)
    wait_until(lambda: "first" in output(), "the program runs")
    program = tmp_path / "source" / "program.py"
    (tmp_path / "source" / "written.log").write_text("no source")
    # Until the watch is set up a change may go unseen: it is made again.
    deadline = time.monotonic() + SECONDS
    while "restarting" not in output():
        assert time.monotonic() < deadline, output()
        program.write_text("raise SystemExit('broken')\n")
        time.sleep(0.3)
    wait_until(lambda: "ended with code 1; a change restarts it" in output(), "it is told that it is broken")
    assert process.poll() is None
    program.write_text("print('second', flush=True)\n")
    assert process.wait(SECONDS) == 0
    assert "written.log" not in output()
    assert output().rstrip().endswith("second")


def test_its_slot_stays_taken_when_the_supervisor_is_killed(start, tmp_path):
    process, output = start("import time; print('ready', flush=True); time.sleep(600)")
    wait_until(lambda: "ready" in output(), "the program runs")
    found = running(tmp_path, "dev", "app")
    process.kill()
    process.wait()
    assert running(tmp_path, "dev", "app") == found
    os.kill(found.pid, signal.SIGKILL)
    wait_until(lambda: running(tmp_path, "dev", "app") is None, "the slot is free")


def test_a_program_that_does_not_exist_is_an_error_at_once(tmp_path):
    program = DeskProgram("app of dev", (str(tmp_path / "absent"),), tmp_path, {})
    with pytest.raises(FileNotFoundError):
        Supervisor(program, tmp_path / "log", os.open(tmp_path / "slot", os.O_CREAT | os.O_RDWR), print, print).run()


# ---- the relay


class Echo:
    """A server on the loopback that answers with what it gets, once its client is done."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def close(self) -> None:
        """End for good: what goes on in the background would be the next test's."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join(SECONDS)
        self.listener.close()
        assert not self.thread.is_alive()

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                data = b""
                while chunk := connection.recv(65536):
                    data += chunk
                connection.sendall(data)


def ask(address: str, port: int, data: bytes) -> bytes:
    with socket.create_connection((address, port), timeout=SECONDS) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
        return answer


def refuses(address: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((address, port)) != 0


def test_it_carries_whole_conversations():
    echo = Echo()
    relay = Relay("127.0.0.2", echo.port)
    relay.open()
    try:
        wait_until(lambda: not refuses("127.0.0.2", echo.port), "the relay listens")
        data = os.urandom(1_000_000)
        assert ask("127.0.0.2", echo.port, data) == data
        assert ask("127.0.0.2", echo.port, b"again") == b"again"
    finally:
        relay.close()
        echo.close()
    assert refuses("127.0.0.2", echo.port)


def test_it_ends_although_a_client_keeps_its_connection():
    echo = Echo()
    relay = Relay("127.0.0.2", echo.port)
    relay.open()
    wait_until(lambda: not refuses("127.0.0.2", echo.port), "the relay listens")
    with socket.create_connection(("127.0.0.2", echo.port), timeout=SECONDS) as kept:
        kept.sendall(b"never finished")
        relay.close()
        with suppress(ConnectionResetError):
            assert kept.recv(10) == b""
    echo.close()


def test_it_waits_for_the_process_and_hinders_none_that_listens_everywhere():
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
    relay = Relay("127.0.0.2", port)
    relay.open()
    try:
        assert refuses("127.0.0.2", port)
        with socket.create_server(("0.0.0.0", port)) as everywhere:
            wait_until(lambda: not relay._thread.is_alive(), "the relay leaves the port to the process")
            everywhere.settimeout(SECONDS)
            with socket.create_connection(("127.0.0.2", port), timeout=SECONDS):
                everywhere.accept()[0].close()
    finally:
        relay.close()


def test_an_address_that_this_machine_does_not_have_is_left_alone():
    echo = Echo()
    relay = Relay("192.0.2.1", echo.port)
    relay.open()
    wait_until(lambda: not relay._thread.is_alive(), "the relay has given up")
    relay.close()
    echo.close()
