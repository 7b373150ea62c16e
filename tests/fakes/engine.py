"""An engine in memory. Honest: it refuses what the real one refuses; `tests/contract` binds the two."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from envmgr import naming
from envmgr.engine import networks as definitions
from envmgr.engine.execution import timed_out
from envmgr.engine.protocol import BuildRequest, OnLine, Opening, Recreate
from envmgr.engine.snapshot import COMPOSE_PROJECT
from envmgr.errors import EngineError
from envmgr.model.observed import (
    ExecResult,
    ForeignContainer,
    HealthRun,
    Host,
    ImageInfo,
    Incident,
    Observed,
    ObservedNetwork,
    ObservedVolume,
    RegistryImage,
    State,
)
from envmgr.model.stack import Network
from tests.fakes import converge, documents
from tests.fakes.world import HAS_HOLD, Behaviour, FakeStream, Held, HeldNetwork, StillRunning, World

__all__ = ["Behaviour", "FakeEngine", "FakeStream", "Held", "StillRunning", "registry_of"]


def registry_of(reference: str) -> str:
    """Return the registry's host, `docker.io` when the reference names none."""
    first, slash, _ = reference.partition("/")
    return first if slash and (set(first) & {".", ":"} or first == "localhost") else "docker.io"


class FakeEngine(World):
    """Satisfies `envmgr.engine.protocol.Engine`."""

    endpoint = "unix:///fake/docker.sock"

    # ---- asking

    def host(self) -> Host:
        """Describe the machine."""
        self.admit("host")
        return self.described

    def snapshot(self, project: str) -> Observed:
        """Return everything that concerns a project."""
        self.admit("snapshot")
        ours = {it.id for it in self.all() if it.labels.get(naming.LABEL_PROJECT) == project}
        others = [ForeignContainer(it.name, it.compose_project, it.ports) for it in self.all() if it.id not in ours]
        return Observed(
            containers=tuple(sorted((it for it in self.all() if it.id in ours), key=lambda it: it.name)),
            foreign=(*self.foreign, *others),
            networks=tuple(
                ObservedNetwork(
                    name=name,
                    subnets=(it.subnet,),
                    labels=it.labels,
                    compose_project=it.labels.get(COMPOSE_PROJECT, ""),
                    is_internal=it.definition.get("Internal", False),
                    options=it.definition.get("Options", {}),
                )
                for name, it in self.networks.items()
            ),
            volumes=tuple(
                ObservedVolume(name, labels)
                for name, labels in self.volumes.items()
                if labels.get(naming.LABEL_PROJECT) == project
            ),
        )

    @contextmanager
    def events(self, project: str) -> Iterator[FakeStream]:
        """Subscribe to what happens to a project's containers."""
        self.admit("events")
        stream = FakeStream(self, project)
        self.streams.append(stream)
        try:
            yield stream
        finally:
            stream.close()

    def logs(self, container_id: str, tail: int, since: datetime | None = None, until: datetime | None = None) -> str:
        """Return the last lines of output."""
        self.admit("logs")
        held = self.get(container_id)
        # What a container wrote is as old as the start before it.
        written = [
            next((n for at, n in held.lives if edge is None or at >= edge), len(held.logs)) for edge in (since, until)
        ]
        told = held.logs[written[0] if since else 0 : written[1] if until else None]
        return "".join(told.splitlines(keepends=True)[-tail:])

    def health_log(self, container_id: str) -> tuple[HealthRun, ...]:
        """Return the last healthcheck runs."""
        self.admit("health_log")
        return self.get(container_id).health_runs

    def history(self, container_id: str) -> tuple[Incident, ...]:
        """Return how a container started and ended."""
        self.admit("history")
        return tuple(self.held[container_id].incidents) if container_id in self.held else ()

    def exec(
        self, container_id: str, argv: tuple[str, ...], variables: Mapping[str, str], timeout: float
    ) -> ExecResult:
        """Let the handler answer for a running container."""
        self.admit("exec", container_id, argv)
        container = self.get(container_id).container
        if container.state is not State.RUNNING:
            raise EngineError(f"'{argv[0]}' cannot run inside the container: container {container_id} is not running")
        answer = self.exec_handler(container, argv, variables)
        return timed_out(answer.output, timeout) if isinstance(answer, StillRunning) else answer

    def run_alone(
        self, image: str, argv: tuple[str, ...], variables: Mapping[str, str], timeout: float, beside: str = ""
    ) -> ExecResult:
        """Let the handler answer for an image that is there."""
        self.admit("run_alone", image, argv)
        if beside and beside not in self.held:
            raise EngineError(f"nothing can stand beside {beside[:12]}: it has gone", help="envmgr status")
        if image not in self.images:
            raise EngineError(f"no container can be made from {image}: No such image: {image}")
        answer = self.run_alone_handler(image, argv, variables)
        return timed_out(answer.output, timeout) if isinstance(answer, StillRunning) else answer

    @contextmanager
    def companion(self, container_id: str, image: str, user: str, seconds: int) -> Iterator[str]:
        """Give the neighbour's own id: the handler answers as from inside it."""
        self.admit("companion", container_id, image, user)
        if image not in self.images and image not in {one.id for one in self.images.values()}:
            raise EngineError(f"no container can be made from {image}: No such image: {image}")
        if self.get(container_id).container.state is not State.RUNNING:
            raise EngineError(f"Docker refused: cannot join network of a non running container: {container_id}")
        yield container_id

    # ---- containers

    def start(self, container_id: str) -> None:
        """Start a container."""
        self.admit("start", container_id)
        held = self.get(container_id)
        if held.container.state not in HAS_HOLD:
            self.run(held)

    def stop(self, container_id: str, stop_seconds: float) -> None:
        """Stop a container."""
        self.admit("stop", container_id, stop_seconds)
        self.halt(self.get(container_id))

    def restart(self, container_id: str, stop_seconds: float) -> None:
        """Stop and start a container."""
        self.admit("restart", container_id, stop_seconds)
        held = self.get(container_id)
        self.halt(held)
        self.run(held)

    def remove_container(self, container_id: str) -> None:
        """Remove a container."""
        self.admit("remove_container", container_id)
        held = self.held.get(container_id)
        if held is not None:
            self.discard(held)

    # ---- networks and volumes

    def create_network(self, network: Network, labels: Mapping[str, str]) -> None:
        """Create a network."""
        self.admit("create_network", network.name)
        wanted = definitions.definition(network, labels)
        found = self.networks.get(network.name)
        if found is None:
            self.demand_free(network.name, network.subnet)
            self.networks[network.name] = HeldNetwork(network.subnet, wanted, dict(labels))
        elif {**found.definition, "Labels": {}} != {**wanted, "Labels": {}}:
            raise EngineError(
                f"The network {network.name} is there with the subnet {found.subnet} instead of {network.subnet}"
            )

    def connect(self, network_name: str, container_id: str, aliases: tuple[str, ...]) -> None:
        """Attach a container."""
        self.admit("connect", network_name, container_id, aliases)
        container = self.get(container_id).container
        if network_name not in self.networks:
            raise EngineError(f"Docker refused: network {network_name} not found")
        if set(aliases) <= set(container.networks.get(network_name, ())) and network_name in container.networks:
            return
        self.change(container_id, networks={**container.networks, network_name: aliases})

    def disconnect(self, network_name: str, container_id: str) -> None:
        """Detach a container."""
        self.admit("disconnect", network_name, container_id)
        if container_id in self.held:
            kept = {n: a for n, a in self.get(container_id).container.networks.items() if n != network_name}
            self.change(container_id, networks=kept)

    def remove_network(self, name: str) -> None:
        """Remove a network."""
        self.admit("remove_network", name)
        users = sorted(it.name for it in self.all() if name in it.networks and it.state in HAS_HOLD)
        if users:
            raise EngineError(f"The network {name} could not be removed: {', '.join(users)} still use it")
        self.networks.pop(name, None)

    def create_volume(self, name: str, labels: Mapping[str, str], opening: Opening | None = None) -> None:
        """Create a volume, and note who may write to it."""
        self.admit("create_volume", name)
        if opening is not None:
            if opening.image not in self.images:
                raise EngineError(f"no container can be made from {opening.image}: No such image: {opening.image}")
            self.foreign = [it for it in self.foreign if it.name != naming.volume_opener(name)]
            self.writers[name] = opening.user
        self.volumes.setdefault(name, dict(labels))

    def remove_volume(self, name: str) -> None:
        """Remove a volume."""
        self.admit("remove_volume", name)
        users = sorted(held.container.name for held in self.held.values() if name in held.volumes)
        if users:
            raise EngineError(f"The volume {name} could not be removed: {', '.join(users)} still has it")
        self.volumes.pop(name, None)

    # ---- images

    def image(self, reference: str) -> ImageInfo | None:
        """Return an image, or None."""
        self.admit("image")
        name, at, digest = reference.partition("@")
        held = (
            one for one in self.images.values() if at and f"{name.rpartition(':')[0] or name}@{digest}" in one.digests
        )
        return self.images.get(reference) or next(held, None)

    def tag_image(self, reference: str, name: str) -> None:
        """Give an image one more name."""
        self.admit("tag_image", reference, name)
        found = self.image(reference)
        if found is None:
            raise EngineError(f"No such image: {reference}")
        self.images[name] = found

    def registry_answers(self, reference: str, timeout: float) -> bool:
        """Tell whether a registry answers."""
        self.admit("registry_answers")
        return registry_of(reference) in self.answering | {
            registry_of(known) for known in (*self.pullable, *self.published)
        }

    def in_registry(self, reference: str, timeout: float) -> RegistryImage:
        """Return what a registry has."""
        self.admit("in_registry")
        if reference not in self.published:
            raise EngineError(f"{reference} could not be asked of its registry: manifest unknown")
        return self.published[reference]

    def pull(self, reference: str, on_line: OnLine) -> None:
        """Fetch an image."""
        self.admit("pull", reference)
        if reference not in self.pullable:
            raise EngineError(f"The image {reference} could not be pulled: not found")
        on_line(f"Pulling {reference}")
        self.images[reference] = self.pullable[reference]

    def build(self, request: BuildRequest, on_line: OnLine) -> None:
        """Build an image."""
        self.admit("build", request)
        dockerfile = request.dockerfile or request.context / "Dockerfile"
        if not dockerfile.is_file():
            failure = f"failed to read dockerfile: open {dockerfile.name}: no such file or directory"
            raise EngineError(f"{', '.join(request.tags)} could not be built: {failure}", details=(failure,))
        on_line(f"building {request.context}")
        self.has_image(*request.tags, labels=dict(request.labels))

    def run_image_script(self, script: Path, reference: str, labels: Mapping[str, str]) -> None:
        """Make an image, as a program would."""
        self.admit("run_image_script", script, reference)
        if not script.is_file():
            raise EngineError(f"{script.name} for {reference} failed: {script} cannot be run")
        self.has_image(reference, labels=dict(labels))

    def save_images(self, references: tuple[str, ...], file: Path, deadline: float) -> None:
        """Write the names of images, which is all that the fake knows of them."""
        self.admit("save_images", references, file)
        for reference in references:
            if reference not in self.images:
                raise EngineError(f"docker image save failed: No such image: {reference}")
        file.write_text("\n".join(references))

    def load_images(self, file: Path, deadline: float) -> tuple[str, ...]:
        """Take images from an archive of the fake's own."""
        self.admit("load_images", file)
        if not file.is_file():
            raise EngineError(f"docker image load of {file} failed: no such file or directory")
        names = tuple(file.read_text().splitlines())
        self.has_image(*(name for name in names if name not in self.images))
        return names

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
        self.admit("compose_up", compose_project, services)
        document = converge.read(files, services, folder)
        converge.up(self, document, compose_project, services or tuple(document["services"]), scales or {}, recreate)

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
        self.admit("compose_down", compose_project, services, volumes)
        document = converge.read(files, services)
        converge.down(self, document, compose_project, services, drops_volumes=volumes)

    def compose_stop(
        self, files: tuple[Path, ...], compose_project: str, *, deadline: float, services: tuple[str, ...] = ()
    ) -> None:
        """Stop services."""
        self.admit("compose_stop", compose_project, services)
        document = converge.read(files, services)
        for held in self.of(compose_project, services or tuple(document["services"])):
            self.halt(held)

    def compose_config_quiet(self, files: tuple[Path, ...]) -> None:
        """Read the documents."""
        self.admit("compose_config_quiet")
        documents.check(documents.load(files))

    def passthrough(self, args: tuple[str, ...]) -> int:
        """Note what would have run."""
        self.admit("passthrough", args)
        return self.terminal_exit_code

    def follow(self, args: tuple[str, ...], on_line: OnLine) -> int:
        """Note what would have run, and hand on what it was told to print."""
        self.admit("follow", args)
        for line in self.terminal_lines:
            on_line(line)
        return self.terminal_exit_code
