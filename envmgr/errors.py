"""The exceptions of envmgr and the exit code each one ends a command with.

    EnvmgrError            1    unexpected
    ├── UsageError         2    the command line asks for something that is not there or not allowed
    ├── SpecError          3    envmgr.toml or the variables beside it are invalid
    ├── SourceError        3    what keeps the secrets refuses, or does not answer
    ├── EngineError        4    Docker is absent, refuses or failed
    │   └── PreflightError 4    a check before the start found something in the way
    ├── NotHealthyError    5    started, and not healthy in time; with the reason as `model.diagnosis.DiagnosedError`
    ├── NotDeployedError 6   a deploy or rollback ended with the release that served before
    ├── StaleError         7    a rendered file is stale or edited by hand
    ├── LockedError        8    another command works on the same target
    └── InterruptedByUser  130  Ctrl-C

Raising is for stages; turning an error into a message and an exit code happens once, in `cli`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class ExitCode(IntEnum):
    """What a command tells the shell."""

    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    SPEC = 3
    ENGINE = 4
    NOT_HEALTHY = 5
    NOT_DEPLOYED = 6
    DRIFT = 7
    LOCKED = 8
    FINDINGS = 9
    INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with an input: where, what, and how to write it instead."""

    message: str
    path: str = ""
    """Dotted place in the spec, `environments.prod.services.app.memory`; empty when it concerns a whole file."""
    file: str = ""
    line: int | None = None
    """1-based."""
    column: int | None = None
    """1-based."""
    hint: str = ""

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part)
        head = " ".join(part for part in (place, self.path) if part)
        text = f"{head}: {self.message}" if head else self.message
        return f"{text} ({self.hint})" if self.hint else text


class EnvmgrError(Exception):
    """Anything envmgr reports to its user."""

    exit_code = ExitCode.UNEXPECTED

    def __init__(self, message: str, *, state: str = "", help: str = "", details: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.state = state
        """What state things are in now."""
        self.help = help
        """What to type next."""
        self.details = details
        """Lines that show why: output of a child process, log lines."""


class UsageError(EnvmgrError):
    """The command line asks for something that is not there or not allowed."""

    exit_code = ExitCode.USAGE


class SpecError(EnvmgrError):
    """The spec, or the variables beside it, are invalid; carries every problem at once."""

    exit_code = ExitCode.SPEC

    def __init__(self, message: str, problems: tuple[Problem, ...] = (), *, state: str = "", help: str = "") -> None:
        super().__init__(message, state=state, help=help, details=tuple(str(p) for p in problems))
        self.problems = problems


class SourceError(EnvmgrError):
    """What keeps the secrets refuses, or does not answer; as with values that are missing, nothing can begin."""

    exit_code = ExitCode.SPEC


class EngineError(EnvmgrError):
    """Docker is absent, refuses or failed."""

    exit_code = ExitCode.ENGINE


class PreflightError(EngineError):
    """Checks before the start found something in the way; nothing was started."""

    def __init__(self, message: str, problems: tuple[Problem, ...], *, state: str = "", help: str = "") -> None:
        super().__init__(message, state=state, help=help, details=tuple(str(p) for p in problems))
        self.problems = problems


class NotHealthyError(EnvmgrError):
    """A stack was started and did not become healthy in time."""

    exit_code = ExitCode.NOT_HEALTHY


class NotDeployedError(EnvmgrError):
    """The release that served before serves, or nothing did."""

    exit_code = ExitCode.NOT_DEPLOYED


class StaleError(EnvmgrError):
    """A rendered file is stale, or was edited by hand."""

    exit_code = ExitCode.DRIFT


class LockedError(EnvmgrError):
    """Another command works on the same target."""

    exit_code = ExitCode.LOCKED


class InterruptedByUser(EnvmgrError):
    """The operator pressed Ctrl-C."""

    exit_code = ExitCode.INTERRUPTED
