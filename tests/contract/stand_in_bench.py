"""Start stand-ins as envmgr runs them, hardened, and speak to them from outside."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from tests.contract.image_bench import Bench, docker, inspect, output, wait_until

HARDENED = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--tmpfs=/tmp", "--memory=512m")


class Served:
    """A running stand-in, and the addresses at which its ports are published."""

    def __init__(self, container: str, port: int) -> None:
        self.container = container
        self._port = port
        self._addresses: dict[int, str] = {}

    def url(self, path: str, port: int = 0) -> str:
        wanted = port or self._port
        if wanted not in self._addresses:
            self._addresses[wanted] = docker("port", self.container, f"{wanted}/tcp").stdout.split()[0]
        return f"http://{self._addresses[wanted]}{path}"

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        with httpx.Client(trust_env=False, timeout=30) as client:
            return client.request(method, self.url(path), **options)

    def wait_for(self, path: str, status: int = 200) -> None:
        """Wait until a path answers with a status."""

        def answers() -> bool:
            assert inspect(self.container, "{{.State.Running}}") == "true", output(self.container)
            try:
                return self.ask("GET", path).status_code == status
            except httpx.TransportError:
                return False

        wait_until(answers, f"{self.container} answers {path} with {status}", seconds=30)

    def restart(self, health: str, status: int = 200) -> None:
        docker("restart", "--time", "30", self.container)
        self._addresses.clear()  # another start publishes other ports
        self.wait_for(health, status)

    def shell(self, script: str, **variables: str) -> tuple[int, str]:
        """Run a script in the container; return its exit code and all that it wrote."""
        options = [option for name, value in variables.items() for option in ("--env", f"{name}={value}")]
        done = docker("exec", "--interactive", *options, self.container, "sh", "-c", script, check=False)
        return done.returncode, done.stdout + done.stderr


@contextmanager
def of_one_module() -> Iterator[Bench]:
    """Give a bench that several tests share, for a server that each test finds as it needs it."""
    bench = Bench()
    try:
        yield bench
    finally:
        bench.remove()


def serve(bench: Bench, image: str, port: int, health: str, *options: str, status: int = 200, **more: Any) -> Served:
    """Start a hardened container and wait until its health path answers."""
    served = Served(bench.start(image, *HARDENED, f"--publish=127.0.0.1::{port}", *options, **more), port)
    served.wait_for(health, status)
    return served
