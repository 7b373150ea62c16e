"""Run one program of the desk under supervision: restarted when its source changes, ended whole, its output kept."""

from __future__ import annotations

import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from envmgr.model.value import dataclass
from envmgr.native.relay import Relay
from envmgr.native.terminal import Output
from envmgr.native.watch import Watch


@dataclass(frozen=True, slots=True)
class DeskProgram:
    """What is run."""

    title: str
    """`app of dev`."""
    argv: tuple[str, ...]
    folder: Path
    variables: Mapping[str, str]
    """Its whole environment."""
    watch: tuple[Path, ...] = ()
    relays: tuple[tuple[str, int], ...] = ()
    """(gateway address, port) → where containers ask for it."""
    stop_seconds: float = 10


@dataclass(frozen=True, slots=True)
class _Changed:
    path: str


@dataclass(frozen=True, slots=True)
class _Ended:
    pid: int
    code: int


class Supervisor:
    """Runs a program until it is done or the user has enough."""

    def __init__(
        self,
        program: DeskProgram,
        log: Path,
        descriptor: int,
        started: Callable[[int], None],
        say: Callable[[str], None],
    ) -> None:
        self._program, self._descriptor, self._started, self._say = program, descriptor, started, say
        self._events: queue.Queue[_Changed | _Ended] = queue.Queue()
        # On a terminal the program is in front with us: Ctrl-C reaches it by itself, and a debugger has the keyboard.
        self._shares_terminal = sys.stdin.isatty() and sys.stdout.isatty()
        self._output = Output(log, sys.stdout)
        self._child: subprocess.Popen[bytes] | None = None
        self._relays: list[Relay] = []

    def run(self) -> int:
        """Return the program's exit code, 130 when the user ended it."""
        watch = Watch(self._program.watch, lambda path: self._events.put(_Changed(path)))
        watch.open()
        try:
            self._start()
            return self._attend()
        except KeyboardInterrupt:
            with suppress(KeyboardInterrupt):
                self._stop(is_asked=self._shares_terminal)
            return 128 + signal.SIGINT
        finally:
            watch.close()
            self._stop()
            self._output.close()

    def _attend(self) -> int:
        while True:
            match self._events.get():
                case _Changed(path):
                    self._say(f"{_shown(path)} changed: restarting {self._program.title}")
                    self._stop()
                    self._start()
                case _Ended(pid, code) if self._child is not None and pid == self._child.pid:
                    self._close_relays()
                    if code == 0 or not self._program.watch:
                        return code if code >= 0 else 128 - code
                    self._say(f"{self._program.title} ended with {_outcome(code)}; a change restarts it, Ctrl-C ends")

    def _start(self) -> None:
        program = self._program
        child = subprocess.Popen(
            program.argv,
            cwd=program.folder,
            env=dict(program.variables),
            stdin=None if self._shares_terminal else subprocess.DEVNULL,
            stdout=self._output.open(),
            stderr=subprocess.STDOUT,
            pass_fds=(self._descriptor,),
            process_group=None if self._shares_terminal else 0,
        )
        self._child = child
        self._output.pump()
        self._started(child.pid)
        self._relays = [Relay(address, port) for address, port in program.relays]
        for relay in self._relays:
            relay.open()
        threading.Thread(target=self._wait_for, args=(child,), daemon=True).start()

    def _wait_for(self, child: subprocess.Popen[bytes]) -> None:
        self._events.put(_Ended(child.pid, child.wait()))

    def _stop(self, *, is_asked: bool = False) -> None:
        """End the program and all that it has started: asked first, unless Ctrl-C has, then killed."""
        self._close_relays()
        child, self._child = self._child, None
        if child is None:
            return
        family = _family(child.pid)
        if not is_asked:
            _signal(family[:1], signal.SIGTERM)
        try:
            child.wait(self._program.stop_seconds)
        except subprocess.TimeoutExpired:
            self._say(f"{self._program.title} did not end within {self._program.stop_seconds:g} s and is killed")
        finally:
            _signal(family, signal.SIGKILL)
            child.wait()

    def _close_relays(self) -> None:
        for relay in self._relays:
            relay.close()
        self._relays = []


def _family(pid: int) -> list[psutil.Process]:
    """Return a process, the first, and all that descend from it now."""
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    return []


def _signal(processes: list[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with suppress(psutil.Error):  # it has ended; psutil compares start times, so never a stranger of its number
            process.send_signal(number)


def _outcome(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"code {code}"


def _shown(path: str) -> str:
    with suppress(ValueError):
        return str(Path(path).relative_to(Path.cwd()))
    return path
