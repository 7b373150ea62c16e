"""What an environment's edge leads to: asked of the edge itself, never remembered, and switched by one rename."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from envmgr import naming
from envmgr.errors import EngineError
from envmgr.model.edge import Listener
from envmgr.model.observed import Container, State
from envmgr.model.stack import Stack
from envmgr.operations.session import Session

FOLDER = "/run/edge"
_FLAG = f"{FOLDER}/{naming.COLOURS[1]}"
_SECONDS = 10
_ESTABLISHED = "01"
"""State of a connection in /proc/net/tcp (Linux, include/net/tcp_states.h)."""
_LOGGED = re.compile(r"^\S+ (?P<colour>\w+) (?P<upstream>\S+) (?P<status>\d{3}) ")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request through the edge met."""

    status: int
    colour: str
    """What the edge chose."""
    address: str
    """Who answered."""


@dataclass(slots=True)
class Edge:
    """The edge of one environment."""

    session: Session
    stack: Stack
    """The environment."""
    found: Container | None = None

    def container(self) -> Container:
        """Return its container.

        Raises: `EngineError` when it does not run.
        """
        if self.found is not None:
            return self.found
        there = self.session.observe().of(self.stack.compose_project, naming.EDGE)
        self.found = next((one for one in there if one.state is State.RUNNING), None)
        if self.found is None:
            raise EngineError(
                f"the edge of {self.stack.target} does not run",
                state="Which colour it leads to is kept in its volume.",
                help=f"envmgr up {self.stack.target}",
            )
        return self.found

    def chosen(self) -> str:
        """Return the colour that it leads to, whether or not anything of it runs."""
        said = self._run("sh", "-c", f"if [ -f {_FLAG} ]; then echo 1; else echo 0; fi")
        return naming.COLOURS[int(said.strip())]

    def lead_to(self, colour: str) -> None:
        """Lead to a colour from the next request on; what is on its way stays where it is."""
        if colour == naming.COLOURS[1]:
            change = f"touch {FOLDER}/.next && mv {FOLDER}/.next {_FLAG}"
        else:
            change = f"rm -f {_FLAG}"
        # What was chosen has to outlive a power cut.
        self._run("sh", "-c", f"{change} && sync {FOLDER}")

    def ask(self, listener: Listener, path: str) -> Answer:
        """Send a request through one of its ports, from within: only there it says what it chose and who answered.

        Raises: `EngineError` when it does not answer.
        """
        said = self._run(*_curl(f"http://127.0.0.1:{listener.port}{path}"), "-D", "-", "-o", "/dev/null")
        lines = said.splitlines()
        status = re.match(r"HTTP/\S+ (\d{3})", lines[0]) if lines else None
        if status is None:
            raise EngineError(f"the edge of {self.stack.target} gave no answer", details=tuple(lines[:3]))
        fields = dict(re.findall(r"(?mi)^x-envmgr-(\w+): *(\S*)\s*$", said))
        found = {name.lower(): value for name, value in fields.items()}
        return Answer(int(status[1]), found.get("colour", ""), found.get("upstream", ""))

    def fetch(self, url: str, seconds: int) -> tuple[int, str]:
        """Ask for a page from where the edge is; return the status and the content.

        Raises: `EngineError` when nobody answers.
        """
        said = self._run(*_curl(url, seconds), "-w", "\n%{http_code}", timeout=seconds + 5)
        body, _, status = said.rpartition("\n")
        return int(status), body

    def addresses(self, colour: Stack) -> set[str]:
        """Return where the services of a colour that listen are, as the edge sees them; none for one that is down."""
        names = [naming.alias(service.name, colour.target) for service in colour.services if service.listens]
        said = self._run("sh", "-c", 'for name; do getent ahostsv4 "$name"; done; :', "sh", *names) if names else ""
        return {line.split()[0] for line in said.splitlines() if line.strip()}

    def open_to(self, addresses: set[str]) -> int:
        """Return how many requests are on their way to some addresses."""
        said = self._run("cat", "/proc/net/tcp")
        rows = (line.split() for line in said.splitlines()[1:])
        return sum(1 for row in rows if row[3] == _ESTABLISHED and _address(row[2]) in addresses)

    def failures_since(self, moment: datetime, colour: str) -> tuple[int, int, tuple[str, ...]]:
        """Count the requests that a colour had since a moment, and those that failed; with the last lines of these."""
        text = self.session.engine.logs(self.container().id, 100_000, since=moment)
        logged = [found for line in text.splitlines() if (found := _LOGGED.match(line)) and found["colour"] == colour]
        failed = [found.string for found in logged if int(found["status"]) >= 500]
        return len(logged), len(failed), tuple(failed[-5:])

    def run(self, script: str, variables: Mapping[str, str]) -> str:
        """Run a script of a shell inside it.

        Raises: `EngineError`.
        """
        return self._run("sh", "-c", script, variables=variables)

    def _run(self, *argv: str, timeout: float = _SECONDS, variables: Mapping[str, str] | None = None) -> str:
        result = self.session.engine.exec(self.container().id, argv, variables or {}, timeout)
        if result.exit_code != 0:
            raise EngineError(
                f"the edge of {self.stack.target} refused: exit code {result.exit_code}",
                details=tuple(result.output.splitlines()[-3:]),
            )
        return result.output


def _curl(url: str, seconds: int = 5) -> tuple[str, ...]:
    return ("curl", "-sS", "--noproxy", "*", "--globoff", "-m", str(seconds), url)


def _address(pair: str) -> str:
    """Read an address of /proc/net/tcp: four bytes in the machine's own order, as hexadecimal digits."""
    digits = pair.partition(":")[0]
    return ".".join(str(int(digits[index : index + 2], 16)) for index in (6, 4, 2, 0))
