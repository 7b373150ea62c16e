"""What every operation works with: one project, one engine, and somebody who listens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from envmgr import layout
from envmgr.engine.protocol import Engine
from envmgr.errors import StaleError
from envmgr.health.probe import Prober
from envmgr.model.observed import Observed, State
from envmgr.model.progress import Caution, Listener, Note, Step
from envmgr.model.stack import Stack
from envmgr.operations.project import Project
from envmgr.provision.grants import Provisioner
from envmgr.records.lock import Locks
from envmgr.secrets.store import Given
from envmgr.secrets.vault import Vault

BASE_WAIT = 600
"""Seconds to wait for another command that works on the base."""


@dataclass(slots=True)
class Session:
    """One command's collaborators."""

    project: Project
    engine: Engine
    locks: Locks
    listen: Listener
    vault: Vault = field(default_factory=Vault)
    kept: dict[str, Mapping[str, Given]] = field(default_factory=dict)
    """What the stores of targets hold, each asked once in a command."""

    def observe(self) -> Observed:
        """Take a snapshot."""
        return self.engine.snapshot(self.project.system.project)

    def step(self, target: str, text: str) -> None:
        """Say that a stage begins."""
        self.listen(Step(target, text))

    def note(self, target: str, text: str) -> None:
        """Say something the operator should know."""
        self.listen(Note(target, text))

    def caution(self, target: str, text: str) -> None:
        """Say something that is likely not intended."""
        self.listen(Caution(target, text))

    def prober(self, observed: Observed | None = None) -> Prober:
        """Return a prober that finds containers in a snapshot, or, without one, as they run at each probe."""
        locate = locator(self.project, observed) if observed else self._locate
        return Prober(self.engine, self.vault.fill_all, locate, self.project.system.substitutes)

    def provisioner(self) -> Provisioner:
        """Return a provisioner that finds the servers as they run now."""
        locate = locator(self.project, self.observe())
        return Provisioner(self.engine, self.vault.fill_all, locate, self.project.system.substitutes)

    def _locate(self, target: str, service: str) -> str | None:
        return locator(self.project, self.observe())(target, service)

    def compose_files(self, stack: Stack, *, uses_recipes: bool) -> tuple[str, ...]:
        """Return the documents of a stack, as paths.

        Raises: `StaleError` when one is missing.
        """
        written = layout.native_folder(stack.target) if stack.native else layout.COMPOSE
        folder = self.project.folder / written
        names = [layout.compose_file(stack.target)]
        substitutes = self.project.system.substitutes
        if uses_recipes and any(service.image.reference in substitutes for service in stack.services):
            names.append(layout.substitutes_file(stack.target))
        for name in names:
            if not (folder / name).is_file():
                missing = f"{written}/{name} is missing"
                raise StaleError(missing, state="Nothing was changed.", help="envmgr render")
        return tuple(str(folder / name) for name in names)


def locator(project: Project, observed: Observed) -> Callable[[str, str], str | None]:
    """Return a function that finds a running container of a target's service."""

    def locate(target: str, service: str) -> str | None:
        compose_project = project.system.stack(target).compose_project
        running = (c for c in observed.of(compose_project, service) if c.state is State.RUNNING)
        return next((container.id for container in running), None)

    return locate
