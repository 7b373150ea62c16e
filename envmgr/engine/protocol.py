"""What the rest of envmgr may ask of an engine, real or fake; it must not know how the answer is found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from envmgr.model.observed import Event, ExecResult, HealthRun, Host, ImageInfo, Incident, Observed, RegistryImage
from envmgr.model.stack import Network
from envmgr.model.value import dataclass


class Recreate(StrEnum):
    """Which containers of a service Compose may replace."""

    NEVER = "never"
    """It creates what is missing and starts what is stopped."""
    CHANGED = "changed"
    """Those that were made from another definition or image."""
    ALWAYS = "always"
    """All: Compose sees nothing of what somebody changed by hand."""


OnLine = Callable[[str], None]
"""Called with each line of a long command's output, as it comes."""

TIMED_OUT = 124
"""Exit code of a command that was still running at its deadline; the one that timeout(1) uses."""


@dataclass(frozen=True, slots=True)
class Opening:
    """Who is to write to a new volume, and where."""

    image: str
    """What it has at the mount point is copied into the volume, as Docker does with an empty one."""
    target: str
    """The mount point."""
    user: str
    """Numbers, `uid:gid`."""


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """One image to build from a Dockerfile."""

    context: Path
    tags: tuple[str, ...]
    dockerfile: Path | None = None
    """None: `Dockerfile` in the context."""
    target: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    build_args: Mapping[str, str] = field(default_factory=dict)
    """Stand on the command line and in the image's history: never a secret."""
    build_contexts: Mapping[str, str] = field(default_factory=dict)
    """Name in the Dockerfile → folder, or `docker-image://reference`."""
    network: str | None = None
    uses_cache: bool = True


class EventStream(Protocol):
    """What happens to a project's containers, from the moment of subscription on."""

    def get(self, timeout: float | None = None) -> Event | None:
        """Return the next event; None after `timeout` seconds without one, or when closed.

        Raises:
            EngineError: The engine went away; events may be missing from now on.
        """

    def __iter__(self) -> Iterator[Event]:
        """Yield events until closed; raises as `get` does."""

    def close(self) -> None:
        """End the subscription; idempotent."""


class Engine(Protocol):
    """One Docker engine. Every method raises `EngineError` when the engine is absent, refuses or fails."""

    @property
    def endpoint(self) -> str:
        """Where the engine listens, as `DOCKER_HOST` would name it."""

    def host(self) -> Host:
        """Describe the machine; asked once, then remembered."""

    def snapshot(self, project: str) -> Observed:
        """Return everything that concerns a project, at one moment."""

    def events(self, project: str) -> AbstractContextManager[EventStream]:
        """Subscribe to what happens to a project's containers; subscribed when the context is entered."""

    # ---- containers

    def logs(self, container_id: str, tail: int, since: datetime | None = None, until: datetime | None = None) -> str:
        """Return the last `tail` lines of stdout and stderr together, of what was written between two moments."""

    def health_log(self, container_id: str) -> tuple[HealthRun, ...]:
        """Return the last runs of a container's healthcheck, oldest first."""

    def history(self, container_id: str) -> tuple[Incident, ...]:
        """Return how a container started and ended lately, oldest first.

        The engine remembers its last 256 events, of all containers and healthchecks: often minutes, never days.
        """

    def exec(
        self, container_id: str, argv: tuple[str, ...], variables: Mapping[str, str], timeout: float
    ) -> ExecResult:
        """Run a program inside a running container; exit code 124 when it is still running after `timeout` seconds.

        The program goes on inside the container then: the engine has no way to end it. Lines of stdout and of stderr
        keep their own order; which of the two comes first is not certain.
        """

    def run_alone(
        self, image: str, argv: tuple[str, ...], variables: Mapping[str, str], timeout: float, beside: str = ""
    ) -> ExecResult:
        """Run a program as `exec` does, in a container made from an image for this one call, with a way out.

        `beside` is a running container: the program sees its networks and its mounts, read-only, as its user.
        """

    def companion(self, container_id: str, image: str, user: str, seconds: int) -> AbstractContextManager[str]:
        """Run a sleeping container in another's network namespace, with its mounts read-only, for the time of a block.

        `seconds` is how long the block may take. The block gets its id, for `exec`.
        """

    def start(self, container_id: str) -> None:
        """Start a container; fine when it runs already."""

    def stop(self, container_id: str, stop_seconds: float) -> None:
        """Stop a container, killing it after `stop_seconds`; fine when it is stopped already."""

    def restart(self, container_id: str, stop_seconds: float) -> None:
        """Stop as `stop` does, then start."""

    def remove_container(self, container_id: str) -> None:
        """Remove a container, killing it when it runs; its volumes stay; fine when it is gone already."""

    # ---- networks and volumes

    def create_network(self, network: Network, labels: Mapping[str, str]) -> None:
        """Create a bridge network; fine when it is there with the same definition, refused when it differs."""

    def connect(self, network_name: str, container_id: str, aliases: tuple[str, ...]) -> None:
        """Attach a container under these names; fine when it is."""

    def disconnect(self, network_name: str, container_id: str) -> None:
        """Detach a container; fine when it, or the network, is not there."""

    def remove_network(self, name: str) -> None:
        """Remove a network; fine when it is gone already, refused while a running container is attached."""

    def create_volume(self, name: str, labels: Mapping[str, str], opening: Opening | None = None) -> None:
        """Create a volume; one that is there stays as it is, its labels too.

        With an `opening` the volume must be new: what is in it becomes the user's, unless he may write to it anyway.
        """

    def remove_volume(self, name: str) -> None:
        """Remove a volume and its data; fine when it is gone already, refused while a container has it."""

    # ---- images

    def image(self, reference: str) -> ImageInfo | None:
        """Return an image that the engine has, or None."""

    def tag_image(self, reference: str, name: str) -> None:
        """Give an image that the engine has one more name."""

    def registry_answers(self, reference: str, timeout: float) -> bool:
        """Tell whether the engine reaches the registry of a reference; an answer that refuses is an answer."""

    def in_registry(self, reference: str, timeout: float) -> RegistryImage:
        """Return what the registry has under a reference now; refused, absent and no answer raise `EngineError`."""

    def pull(self, reference: str, on_line: OnLine) -> None:
        """Fetch an image from its registry."""

    def build(self, request: BuildRequest, on_line: OnLine) -> None:
        """Build an image into the engine."""

    def run_image_script(self, script: Path, reference: str, labels: Mapping[str, str]) -> None:
        """Run a program that makes an image without a Dockerfile; it is given the reference and `ENVMGR_LABELS`."""

    def save_images(self, references: tuple[str, ...], file: Path, deadline: float) -> None:
        """Write images, with their names, into one archive; a file that is there is replaced whole or not at all."""

    def load_images(self, file: Path, deadline: float) -> tuple[str, ...]:
        """Take the images of such an archive into the engine and return their names."""

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
        """Create, recreate and start services, all when none is named; neither waits, pulls, builds nor removes.

        `deadline` is in seconds, as for the other Compose commands. Relative paths in the documents begin in `folder`,
        that of the first document when left out.
        """

    def compose_down(
        self,
        files: tuple[Path, ...],
        compose_project: str,
        *,
        deadline: float,
        volumes: bool = False,
        services: tuple[str, ...] = (),
    ) -> None:
        """Stop and remove services, all with their networks when none is named; with `volumes` the data too."""

    def compose_stop(
        self, files: tuple[Path, ...], compose_project: str, *, deadline: float, services: tuple[str, ...] = ()
    ) -> None:
        """Stop services, all when none is named; containers stay."""

    def compose_config_quiet(self, files: tuple[Path, ...]) -> None:
        """Have Compose read the documents; env files may be absent."""

    def passthrough(self, args: tuple[str, ...]) -> int:
        """Run `docker ARGS` on the operator's terminal and return its exit code."""

    def follow(self, args: tuple[str, ...], on_line: OnLine) -> int:
        """Run `docker ARGS`, hand on each line of its stdout as it comes, and return its exit code."""
