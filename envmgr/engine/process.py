"""Run the docker command as a child that sees little of the operator's environment and can be ended."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from envmgr.engine.context import Endpoint
from envmgr.engine.failures import START_DOCKER
from envmgr.errors import EngineError
from envmgr.model.value import dataclass

ALLOWED = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "LANG", "TERM", "TMPDIR", "XDG_RUNTIME_DIR"),
        *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
        # What the helpers that keep registry passwords need to find their store.
        *("DOCKER_CONFIG", "SSH_AUTH_SOCK", "DBUS_SESSION_BUS_ADDRESS", "GNUPGHOME", "PASSWORD_STORE_DIR"),
    }
)
"""Compose lets a variable of the shell override what a file says, and obeys some twenty COMPOSE_* of its own.

DOCKER_HOST and its like are not here: `context` has followed them, and a child is told where that led."""
KEPT_LINES = 20
KILL_SECONDS = 5.0
INTERRUPT_SECONDS = 10.0
NO_PLUGIN = ("is not a docker command", "unknown command: docker", "unknown shorthand flag")
"""What the docker command says when the plugin is not there, in turns of its versions."""


@dataclass(frozen=True, slots=True)
class Finished:
    """How a child ended."""

    exit_code: int
    stdout: str
    stderr: str

    def last_lines(self) -> tuple[str, ...]:
        """Return the end of what it wrote to stderr."""
        return tuple(self.stderr.splitlines()[-KEPT_LINES:])


def is_allowed(name: str) -> bool:
    """Tell whether a variable of the operator's may reach a child."""
    return name in ALLOWED or name.startswith("LC_")


def child_environment(environ: Mapping[str, str], endpoint: Endpoint) -> dict[str, str]:
    """Return what a child gets to see of an environment, and the engine that it is to talk to."""
    return {name: value for name, value in environ.items() if is_allowed(name)} | endpoint.variables()


def docker_command(environ: Mapping[str, str]) -> str:
    """Return the path of the docker command."""
    found = shutil.which("docker", path=environ.get("PATH"))
    if found is None:
        raise EngineError("The docker command is not on the PATH", help=START_DOCKER)
    return found


def run(
    argv: Sequence[str], environ: Mapping[str, str], *, deadline: float, fds: tuple[int, ...] = (), what: str
) -> Finished:
    """Run a command to its end and return how it ended.

    It has a session of its own, so that Ctrl-C reaches envmgr alone, which then ends it in good order. It inherits
    `fds`: a kernel lock on one of them outlives an envmgr that is killed, for as long as the child works.

    Raises:
        EngineError: It was still running after `deadline` seconds, and was ended.
    """
    child = _spawn(argv, environ, fds, what)
    try:
        stdout, stderr = child.communicate(timeout=deadline)
    except subprocess.TimeoutExpired:
        raise _too_slow(what, deadline, _end(child, KILL_SECONDS)) from None
    except BaseException:
        _end(child, INTERRUPT_SECONDS)
        raise
    return Finished(child.returncode, _text(stdout), _text(stderr))


def _spawn(argv: Sequence[str], environ: Mapping[str, str], fds: tuple[int, ...], what: str) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environ),
            start_new_session=True,
            pass_fds=fds,
        )
    except OSError as error:
        raise EngineError(f"{what} failed: {argv[0]} cannot be run: {error.strerror}") from error


def run_checked(
    argv: Sequence[str], environ: Mapping[str, str], *, deadline: float, fds: tuple[int, ...] = (), what: str
) -> str:
    """Run a command and return its stdout; any exit code but 0 raises with what it said."""
    finished = run(argv, environ, deadline=deadline, fds=fds, what=what)
    if finished.exit_code == 0:
        return finished.stdout
    if any(words in finished.stderr for words in NO_PLUGIN):
        raise EngineError(f"{what}: Docker has no such plugin", help=START_DOCKER, details=finished.last_lines())
    reason = next((line for line in reversed(finished.last_lines()) if line.strip()), f"exit code {finished.exit_code}")
    raise EngineError(f"{what} failed: {reason.strip()}", details=finished.last_lines())


def passthrough(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run a command on the operator's terminal and return its exit code, 128 + n when signal n ended it."""
    with _deaf_to_interrupts():
        code = subprocess.call(argv, env=dict(environ))
    return code if code >= 0 else 128 - code


def follow(argv: Sequence[str], environ: Mapping[str, str], on_line: Callable[[str], None]) -> int:
    """Run a command, hand on each line that it prints as it comes, and return its exit code as `passthrough` does."""
    with (
        _deaf_to_interrupts(),
        subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=dict(environ)) as child,
    ):
        assert child.stdout is not None
        try:
            for line in child.stdout:
                on_line(_text(line).rstrip("\r\n"))
        except BaseException:
            # Whoever read the lines has gone: nobody needs more of them.
            child.kill()
            raise
        code = child.wait()
    return code if code >= 0 else 128 - code


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    # The child shares the terminal and gets Ctrl-C itself: what to make of it is the child's to say.
    before = signal.signal(signal.SIGINT, _ignore)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _ignore(_number: int, _frame: object) -> None:
    """Do nothing; unlike SIG_IGN, a handler is not inherited by the child."""


def _end(child: subprocess.Popen[bytes], seconds: float) -> str:
    """Ask a child and its own children to end, then make them; return the rest of its stderr."""
    _signal(child, signal.SIGTERM)
    try:
        return _text(child.communicate(timeout=seconds)[1])
    except subprocess.TimeoutExpired:
        _signal(child, signal.SIGKILL)
    except BaseException:
        # Ctrl-C again: the operator does not want to wait.
        _signal(child, signal.SIGKILL)
        raise
    with suppress(subprocess.TimeoutExpired):
        return _text(child.communicate(timeout=1)[1])
    return ""


def _signal(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        # The whole group: `docker compose` is the docker command with its plugin as a child.
        os.killpg(child.pid, number)


def _too_slow(what: str, deadline: float, stderr: str) -> EngineError:
    return EngineError(
        f"{what} did not finish within {deadline:g} s",
        state="it was ended; what it had done so far stays",
        help="envmgr status",
        details=tuple(stderr.splitlines()[-KEPT_LINES:]),
    )


def _text(data: bytes | None) -> str:
    return (data or b"").decode("utf-8", "replace")
