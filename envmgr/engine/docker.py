"""The real engine: puts the pieces of this room together behind the protocol; it decides nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from envmgr.engine import (
    beside,
    compose,
    containers,
    execution,
    host,
    image_files,
    images,
    networks,
    observation,
    oneoff,
    opener,
    process,
    registry,
    volumes,
    whales,
)
from envmgr.engine.api import Api
from envmgr.engine.context import Endpoint, find_endpoint
from envmgr.engine.events import Events, subscribe
from envmgr.engine.protocol import BuildRequest, OnLine, Opening, Recreate
from envmgr.model.observed import ExecResult, HealthRun, Host, ImageInfo, Incident, Observed, RegistryImage
from envmgr.model.stack import Network

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

    from python_on_whales import DockerClient

VERSION_SECONDS = 30.0
CONFIG_SECONDS = 60.0


def no_locks() -> tuple[int, ...]:
    """Return no file descriptors."""
    return ()


class DockerEngine:
    """A Docker engine and the Compose command of this machine; satisfies `protocol.Engine`."""

    def __init__(
        self,
        endpoint: Endpoint | None = None,
        lock_fds: Callable[[], tuple[int, ...]] = no_locks,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        """Connect to nothing yet.

        Args:
            endpoint: None is the one that the docker command would use.
            lock_fds: Asked before each Compose command for the locks that it is to hold as well.
            environ: The operator's environment; None is this process's.
        """
        self._environ = os.environ if environ is None else environ
        self._endpoint = endpoint or find_endpoint(self._environ, Path.home())
        self._lock_fds = lock_fds
        self._api = Api(self._endpoint)

    @property
    def endpoint(self) -> str:
        """Where the engine listens."""
        return self._endpoint.url

    def close(self) -> None:
        """Drop every connection."""
        self._api.close()

    def host(self) -> Host:
        """Describe the machine."""
        return self._host

    def snapshot(self, project: str) -> Observed:
        """Return everything that concerns a project."""
        return observation.take(self._api, project, self._workers)

    def events(self, project: str) -> AbstractContextManager[Events]:
        """Subscribe to what happens to a project's containers."""
        return subscribe(self._api, project)

    # ---- containers

    def logs(self, container_id: str, tail: int, since: datetime | None = None, until: datetime | None = None) -> str:
        """Return the last lines of output."""
        return containers.logs(self._api, container_id, tail, since, until)

    def health_log(self, container_id: str) -> tuple[HealthRun, ...]:
        """Return the last healthcheck runs."""
        return containers.health_log(self._api, container_id)

    def history(self, container_id: str) -> tuple[Incident, ...]:
        """Return how a container started and ended lately."""
        return containers.history(self._api, container_id)

    def exec(
        self, container_id: str, argv: tuple[str, ...], variables: Mapping[str, str], timeout: float
    ) -> ExecResult:
        """Run a program inside a container."""
        return execution.run(self._api, container_id, argv, variables, timeout)

    def run_alone(
        self, image: str, argv: tuple[str, ...], variables: Mapping[str, str], timeout: float, beside: str = ""
    ) -> ExecResult:
        """Run a program in a container of its own."""
        return oneoff.run(self._api, image, argv, variables, timeout, beside)

    def companion(self, container_id: str, image: str, user: str, seconds: int) -> AbstractContextManager[str]:
        """Run a container beside another."""
        return beside.companion(self._api, container_id, image, user, seconds)

    def start(self, container_id: str) -> None:
        """Start a container."""
        containers.start(self._api, container_id)

    def stop(self, container_id: str, stop_seconds: float) -> None:
        """Stop a container."""
        containers.stop(self._api, container_id, stop_seconds)

    def restart(self, container_id: str, stop_seconds: float) -> None:
        """Stop and start a container."""
        containers.restart(self._api, container_id, stop_seconds)

    def remove_container(self, container_id: str) -> None:
        """Remove a container."""
        containers.remove(self._api, container_id)

    # ---- networks and volumes

    def create_network(self, network: Network, labels: Mapping[str, str]) -> None:
        """Create a network."""
        networks.create(self._api, network, labels)

    def connect(self, network_name: str, container_id: str, aliases: tuple[str, ...]) -> None:
        """Attach a container."""
        networks.connect(self._api, network_name, container_id, aliases)

    def disconnect(self, network_name: str, container_id: str) -> None:
        """Detach a container."""
        networks.disconnect(self._api, network_name, container_id)

    def remove_network(self, name: str) -> None:
        """Remove a network."""
        networks.remove(self._api, name)

    def create_volume(self, name: str, labels: Mapping[str, str], opening: Opening | None = None) -> None:
        """Create a volume."""
        if opening is None:
            volumes.create(self._api, name, labels)
        else:
            opener.create(self._api, name, labels, opening)

    def remove_volume(self, name: str) -> None:
        """Remove a volume."""
        volumes.remove(self._api, name)

    # ---- images

    def image(self, reference: str) -> ImageInfo | None:
        """Return an image, or None."""
        return images.find(self._api, reference)

    def tag_image(self, reference: str, name: str) -> None:
        """Give an image one more name."""
        images.tag(self._api, reference, name)

    def registry_answers(self, reference: str, timeout: float) -> bool:
        """Tell whether the engine reaches a registry."""
        return images.registry_answers(self._api, reference, timeout)

    def in_registry(self, reference: str, timeout: float) -> RegistryImage:
        """Ask the registry for a reference."""
        return registry.find(self._api, self._command, self._child_environment, reference, timeout)

    def pull(self, reference: str, on_line: OnLine) -> None:
        """Fetch an image."""
        images.pull(self._whales, reference, on_line)

    def build(self, request: BuildRequest, on_line: OnLine) -> None:
        """Build an image."""
        images.build(self._whales, request, on_line)

    def run_image_script(self, script: Path, reference: str, labels: Mapping[str, str]) -> None:
        """Run a program that makes an image."""
        images.run_script(script, reference, labels, self._child_environment)

    def save_images(self, references: tuple[str, ...], file: Path, deadline: float) -> None:
        """Write images into one archive."""
        image_files.save(self._command, self._child_environment, references, file, deadline)

    def load_images(self, file: Path, deadline: float) -> tuple[str, ...]:
        """Take images from an archive."""
        return image_files.load(self._command, self._child_environment, file, deadline)

    # ---- Compose

    def compose_up(
        self,
        files: tuple[Path, ...],
        compose_project: str,
        services: tuple[str, ...] = (),
        *,
        deadline: float,
        scales: Mapping[str, int] | None = None,
        recreate: Recreate = Recreate.CHANGED,
        folder: Path | None = None,
    ) -> None:
        """Create and start services."""
        args = compose.up(files, compose_project, services, scales or {}, recreate, folder)
        self._compose("up", compose_project, args, deadline)

    def compose_down(
        self,
        files: tuple[Path, ...],
        compose_project: str,
        *,
        deadline: float,
        volumes: bool = False,
        services: tuple[str, ...] = (),
    ) -> None:
        """Stop and remove services."""
        self._compose(
            "down", compose_project, compose.down(files, compose_project, services, volumes=volumes), deadline
        )

    def compose_stop(
        self, files: tuple[Path, ...], compose_project: str, *, deadline: float, services: tuple[str, ...] = ()
    ) -> None:
        """Stop services."""
        self._compose("stop", compose_project, compose.stop(files, compose_project, services), deadline)

    def compose_config_quiet(self, files: tuple[Path, ...]) -> None:
        """Have Compose read the documents."""
        self._compose("config", files[0].name, compose.config_quiet(files), CONFIG_SECONDS)

    def passthrough(self, args: tuple[str, ...]) -> int:
        """Run a docker command on the operator's terminal."""
        return process.passthrough((self._command, *args), self._child_environment)

    def follow(self, args: tuple[str, ...], on_line: OnLine) -> int:
        """Run a docker command and hand on its lines."""
        return process.follow((self._command, *args), self._child_environment, on_line)

    # ---- what they are made of

    def _compose(self, verb: str, of: str, args: tuple[str, ...], deadline: float) -> str:
        argv, environ, fds = (self._command, *args), self._child_environment, self._lock_fds()
        return process.run_checked(argv, environ, deadline=deadline, fds=fds, what=f"docker compose {verb} of {of}")

    @cached_property
    def _host(self) -> Host:
        # The slow half in another process, meanwhile the quick one here.
        version = self._workers.submit(self._compose, "version", "this machine", compose.VERSION, VERSION_SECONDS)
        return host.describe(self._api, version.result)

    @cached_property
    def _workers(self) -> ThreadPoolExecutor:
        from concurrent.futures import ThreadPoolExecutor

        return ThreadPoolExecutor(observation.WORKERS, thread_name_prefix="envmgr-engine")

    @cached_property
    def _command(self) -> str:
        return process.docker_command(self._environ)

    @property
    def _child_environment(self) -> dict[str, str]:
        return process.child_environment(self._environ, self._endpoint)

    @cached_property
    def _whales(self) -> DockerClient:
        # The names of this process's variables, whatever `environ` was given: those are what the library hands on.
        return whales.client(self._endpoint, self._command, os.environ)


if TYPE_CHECKING:
    from envmgr.engine.protocol import Engine

    _satisfies: type[Engine] = DockerEngine
