"""One colour of an environment: started beside the one that serves, proven, stopped, removed; never switched here."""

from __future__ import annotations

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from envmgr import layout, naming
from envmgr.engine.protocol import Opening, Recreate
from envmgr.errors import EngineError
from envmgr.model.health import ServiceHealth
from envmgr.model.observed import Container, State
from envmgr.model.release import Outcome, Release
from envmgr.model.stack import Service, Stack, Volume
from envmgr.operations.base import connect
from envmgr.operations.edge import Edge
from envmgr.operations.order import waves
from envmgr.operations.released import as_released
from envmgr.operations.session import Session
from envmgr.operations.start import prove
from envmgr.records.releases import Releases

_COMPOSE_SECONDS = 180
_STOP_SECONDS = 60
_POLL = 0.2


@dataclass(frozen=True, slots=True)
class Colour:
    """A colour, dressed in a release."""

    session: Session
    stack: Stack
    """As the release has it."""
    document: Path

    @property
    def asked(self) -> tuple[Service, ...]:
        """What is asked through the edge, and the jobs before it: all of it may run beside the other colour."""
        return tuple(one for one in self.stack.services if one.listens or one.is_job)

    @property
    def unasked(self) -> tuple[Service, ...]:
        """What finds its work by itself, and so runs in one colour only."""
        return tuple(one for one in self.stack.services if one not in self.asked)

    def containers(self) -> tuple[Container, ...]:
        """Return what is there of it, of whichever release."""
        return self.session.observe().of(self.stack.compose_project)

    def start(self, services: tuple[Service, ...]) -> tuple[ServiceHealth, ...]:
        """Start services in the order of their dependencies and prove each wave.

        Raises: `NotHealthyError`, `EngineError`.
        """
        if not services:
            return ()
        connect(self.session, self.stack, self.session.observe())
        healths: list[ServiceHealth] = []
        names = {service.name for service in services}
        with self.session.engine.events(self.stack.project) as events:
            for wave in waves(self.stack, services):
                chosen = tuple(service for service in wave if service.name in names)
                if not chosen:
                    continue
                before = self.session.observe()
                self._compose_up(chosen)
                healths += prove(self.session, self.stack, chosen, events, before, tuple(healths))
        return tuple(healths)

    def make_volumes(self) -> None:
        """Make the volumes of the application that are not there; both colours have the same."""
        there = {volume.name for volume in self.session.observe().volumes}
        for volume in self.stack.volumes:
            if volume.name not in there:
                self._make_volume(volume)

    def _make_volume(self, volume: Volume) -> None:
        service, target = next(
            (one, mount.target) for one in self.stack.services for mount in one.volumes if mount.volume == volume.key
        )
        labels = {
            naming.LABEL_PROJECT: self.stack.project,
            naming.LABEL_ENVIRONMENT: self.stack.environment,
            naming.LABEL_SERVICE: service.name,
        }
        protect = {naming.LABEL_PROTECT: "true"} if self.stack.is_protected else {}
        opening = Opening(service.image.reference, target, service.user)
        self.session.engine.create_volume(volume.name, labels | protect, opening)

    def refuse_foreign_images(self, release: Release) -> None:
        """Prove that what runs is what the release kept, whatever names came to mean meanwhile.

        Raises: `EngineError`.
        """
        for container in self.containers():
            kept = release.images.get(container.service)
            if kept is not None and container.image_id != kept.id:
                raise EngineError(
                    f"{container.name} runs {container.image_id[:19]}, and {release.title} is {kept.id[:19]}"
                )

    def stop(self, services: Iterable[Service]) -> None:
        """Stop services, side by side; each finishes what it holds."""
        names = {service.name: service.stop_seconds for service in services}
        running = [one for one in self.containers() if one.service in names and one.state.has_process]
        if not running:
            return
        with ThreadPoolExecutor(max_workers=len(running)) as pool:
            list(pool.map(lambda one: self.session.engine.stop(one.id, names[one.service]), running))

    def resume(self, services: tuple[Service, ...]) -> None:
        """Start the containers of services again as they are, and prove them.

        Raises: `NotHealthyError`, `EngineError`.
        """
        if not services:
            return
        names = {service.name for service in services}
        with self.session.engine.events(self.stack.project) as events:
            before = self.session.observe()
            for container in before.of(self.stack.compose_project):
                if container.service in names and container.state is not State.RUNNING:
                    self.session.engine.start(container.id)
            prove(self.session, self.stack, services, events, before, ())

    def remove(self) -> None:
        """Stop and remove all of it."""
        found = self.containers()
        if not found:
            return
        with ThreadPoolExecutor(max_workers=len(found)) as pool:
            list(pool.map(self._remove, found))

    def _remove(self, container: Container) -> None:
        seconds = container.settings.stop_seconds or _STOP_SECONDS
        self.session.engine.stop(container.id, seconds)
        self.session.engine.remove_container(container.id)

    def _compose_up(self, services: tuple[Service, ...]) -> None:
        self.session.step(self.stack.target, f"starting {', '.join(service.name for service in services)}")
        try:
            self.session.engine.compose_up(
                (self.document,),
                self.stack.compose_project,
                tuple(service.name for service in services),
                deadline=_COMPOSE_SECONDS + max(service.stop_seconds for service in services),
                recreate=Recreate.CHANGED,
                folder=self.session.project.folder / layout.COMPOSE,
            )
        except EngineError as error:
            from envmgr.operations.diagnosis import refused

            raise refused(self.session, self.stack, error) from error


def other(colour: str) -> str:
    """Return the colour beside one."""
    first, second = naming.COLOURS
    return second if colour == first else first


def colour_of(session: Session, stack: Stack, number: int, name: str) -> Colour:
    """Return a colour as a release has it."""
    records = Releases(session.project.folder, stack.target)
    colour = as_released(records, stack, records.get(number), name)
    return Colour(session, colour, records.path(number) / layout.compose_file(colour.target))


def drain(edge: Edge, colour: Colour, seconds: float) -> None:
    """Wait until a colour that requests are led to no longer has finished those that it holds, or time is up."""
    deadline = time.monotonic() + seconds
    addresses = edge.addresses(colour.stack)
    while addresses and edge.open_to(addresses) and time.monotonic() < deadline:
        time.sleep(_POLL)


def retire_due(session: Session, stack: Stack) -> None:
    """Stop the release that was kept warm for a rollback, once that time is over."""
    edge, records = Edge(session, stack), Releases(session.project.folder, stack.target)
    idle = other(edge.chosen())
    served = [one.at for one in records.history() if one.outcome is not Outcome.FAILED]
    if not served or idle not in records.colours():
        return
    policy = session.project.loaded.spec.environments[stack.target].table.deploy
    colour = colour_of(session, stack, records.colours()[idle], idle)
    is_over = datetime.now(UTC) - datetime.fromisoformat(served[-1]) > timedelta(seconds=policy.warm_seconds)
    if is_over and colour.containers():
        session.note(stack.target, f"stopping release {colour.stack.release}, which was kept warm for long enough")
        drain(edge, colour, policy.drain_seconds)
        colour.remove()


def bring_up(session: Session, stack: Stack) -> None:
    """Start the release to which an environment's edge leads, when nothing of it is there; say so when there is none.

    Raises: `NotHealthyError`, `EngineError`, `EnvmgrError` when its record cannot be read.
    """
    name = Edge(session, stack).chosen()
    number = Releases(session.project.folder, stack.target).colours().get(name)
    if number is None:
        session.note(stack.target, f"its application is not deployed yet: envmgr deploy {stack.target}")
        return
    colour = colour_of(session, stack, number, name)
    if not colour.containers():
        colour.start(colour.asked)
        colour.start(colour.unasked)
    retire_due(session, stack)
