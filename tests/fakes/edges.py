"""Edges of environments, as far as envmgr asks them anything: a flag in a volume, names, what nginx would say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from envmgr.model.observed import Container, ExecResult, State
from tests.fakes.engine import FakeEngine

Handler = Callable[[Container, tuple[str, ...], Mapping[str, str]], Any]


@dataclass
class Edges:
    """Answers programs inside edges; everything else is for `others`."""

    engine: FakeEngine
    others: Handler
    second: set[str] = field(default_factory=set)
    """Compose projects whose edge leads to the second colour."""
    pages: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Path → status and content, of every service."""
    switches: list[str] = field(default_factory=list)
    """Which colour each change led to."""
    page: str = ""
    """Of maintenance."""
    allowed: tuple[str, ...] = ()
    service: str = "web"
    """The one that listens."""
    lies: bool = False
    """Says that the other colour answered."""

    def __call__(self, container: Container, argv: tuple[str, ...], variables: Mapping[str, str]) -> Any:
        """Answer."""
        if container.service != "edge":
            return self.others(container, argv, variables)
        text = " ".join(argv)
        if "CONTENT" in variables:
            self.page, self.allowed = variables["CONTENT"], tuple(variables["NAMES"].split())
            return ExecResult(0, "")
        if "PAGE" in variables:
            self.page, self.allowed = "", ()
            return ExecResult(0, "")
        if "echo 1" in text:
            return ExecResult(0, f"{int(container.compose_project in self.second)}\n")
        if "mv " in text or "rm -f" in text:
            return self._switch(container.compose_project, is_second="mv " in text)
        if "getent" in text:
            return ExecResult(0, "".join(f"{_address(name)} STREAM\n" for name in argv[4:] if self._there(name)))
        if argv[0] == "cat":
            return ExecResult(0, "  sl  local_address rem_address   st\n")
        return self._fetched(container.compose_project, argv)

    def _switch(self, project: str, *, is_second: bool) -> ExecResult:
        (self.second.add if is_second else self.second.discard)(project)
        self.switches.append("green" if is_second else "blue")
        return ExecResult(0, "")

    def _fetched(self, project: str, argv: tuple[str, ...]) -> ExecResult:
        url = next(word for word in argv if word.startswith("http://"))
        path = "/" + url.removeprefix("http://").partition("/")[2]
        status, body = self.pages.get(path, (200, "well\n"))
        if "-D" not in argv:
            return ExecResult(0, f"{body}\n{status}")
        colour = "green" if project in self.second else "blue"
        name = f"{self.service}--{project.rpartition('-')[2]}-{colour}"
        address = "" if self.lies or not self._there(name) else f"{_address(name)}:8000"
        return ExecResult(0, f"HTTP/1.1 {status} OK\r\nX-Envmgr-Colour: {colour}\r\nX-Envmgr-Upstream: {address}\r\n")

    def _there(self, name: str) -> bool:
        return any(
            name in aliases and one.state is State.RUNNING
            for one in self.engine.all()
            for aliases in one.networks.values()
        )


def _address(name: str) -> str:
    return "10." + ".".join(str(byte) for byte in sha256(name.encode()).digest()[:3])
