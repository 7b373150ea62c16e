"""Run one program of the desk under supervision: restarted when its source changes, ended whole, its output kept."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from envmgr.native.relay import Relay
from envmgr.native.terminal import Output, Terminal
from envmgr.native.watch import Watch

_BY_CTRL_C = (0, -signal.SIGINT, 128 + signal.SIGINT)
"""How programs end that were asked to, or are done."""


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
        self._terminal = Terminal(sys.stdin, sys.stdout)
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
                    self._terminal.take_back()
                    if code in _BY_CTRL_C or not self._program.watch:
                        return max(code, 0) if code >= 0 else 128 - code
                    self._say(f"{self._program.title} ended with {_outcome(code)}; a change restarts it, Ctrl-C ends")

    def _start(self) -> None:
        program = self._program
        child = subprocess.Popen(
            program.argv,
            cwd=program.folder,
            env=dict(program.variables),
            stdin=self._terminal.stdin,
            stdout=self._output.open(),
            stderr=subprocess.STDOUT,
            pass_fds=(self._descriptor,),
            process_group=0,
        )
        self._child = child
        self._output.pump()
        self._terminal.hand_over(child.pid)
        self._started(child.pid)
        self._relays = [Relay(address, port) for address, port in program.relays]
        for relay in self._relays:
            relay.open()
        threading.Thread(target=self._wait_for, args=(child,), daemon=True).start()

    def _wait_for(self, child: subprocess.Popen[bytes]) -> None:
        self._events.put(_Ended(child.pid, child.wait()))

    def _stop(self) -> None:
        """End the program and all that it has started: asked first, then killed."""
        self._close_relays()
        child = self._child
        if child is None:
            return
        self._child = None
        self._terminal.take_back()
        _signal(child.pid, signal.SIGTERM)
        try:
            child.wait(self._program.stop_seconds)
        except subprocess.TimeoutExpired:
            self._say(f"{self._program.title} did not end within {self._program.stop_seconds:g} s and is killed")
        _signal(child.pid, signal.SIGKILL)
        child.wait()

    def _close_relays(self) -> None:
        for relay in self._relays:
            relay.close()
        self._relays = []


def _signal(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _outcome(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"code {code}"


def _shown(path: str) -> str:
    with suppress(ValueError):
        return str(Path(path).relative_to(Path.cwd()))
    return path
