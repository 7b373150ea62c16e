"""Open a project: read its spec and resolve it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from envmgr import naming
from envmgr.errors import UsageError
from envmgr.model.recipe import Recipe
from envmgr.model.stack import Service, Stack, System
from envmgr.native.sides import read_native
from envmgr.native.stack import without_native
from envmgr.operations.spec_file import SpecFile, kind_options
from envmgr.spec.recipes import recipes_folder
from envmgr.spec.suggest import did_you_mean

if TYPE_CHECKING:
    from envmgr.planning.inputs import Locate
    from envmgr.spec.load import LoadedSpec

__all__ = ["Project", "kind_options", "open_project"]


@dataclass(frozen=True, slots=True)
class Project:
    """A project's folder and everything that its spec says."""

    folder: Path
    declared: System
    """As the spec has it, every service in a container."""
    system: System
    """As it is to run now: without the services on the desk."""
    spec: SpecFile

    @property
    def loaded(self) -> LoadedSpec:
        """Everything that the spec says; reading it takes most of a command's time."""
        return self.spec.loaded

    @property
    def locate(self) -> Locate:
        """Where something is written in the spec; the same holds for asking."""
        return self.spec.locate

    @property
    def recipes(self) -> Mapping[str, Recipe]:
        """How images are made where no registry can be reached."""
        return self.spec.resolved.recipes

    @property
    def recipes_folder(self) -> Path:
        """Where those recipes lie."""
        return recipes_folder(self.folder, self.spec.resolved.recipes_folder)

    def stacks(self, targets: tuple[str, ...], *, takes_colours: bool = False) -> tuple[Stack, ...]:
        """Return the stacks of some targets, the base first; with `takes_colours` also what was deployed of one.

        Raises: `UsageError` for a target that the spec does not have, and for a colour that is not taken.
        """
        every = self.with_colours(self.system.stacks)
        known = [stack.target for stack in every if takes_colours or not stack.part_of]
        for target in targets:
            if target not in known:
                raise self._unknown(target, known)
        return tuple(stack for stack in every if stack.target in targets)

    def _unknown(self, target: str, known: list[str]) -> UsageError:
        environment = next((one.part_of for one in self.system.parts if one.target == target), "")
        if environment:
            return UsageError(
                f"{target} is a colour of {environment}, which changes by deploys alone",
                state="Nothing was changed.",
                help=f"envmgr deploy {environment}, envmgr rollback {environment}",
            )
        return UsageError(
            f"{target} is neither an environment nor {naming.INFRA}{_hint(target, known)}",
            help=f"known: {', '.join(known)}",
        )

    def with_colours(self, stacks: tuple[Stack, ...]) -> tuple[Stack, ...]:
        """Return stacks, each followed by its colours that were deployed."""
        found = (part for stack in stacks for part in (stack, *(one for one in stack.colours if one.release)))
        return tuple({stack.target: stack for stack in found}.values())

    def choose(
        self, names: tuple[str, ...], *, takes_colours: bool = False
    ) -> tuple[tuple[Stack, ...], tuple[str, ...]]:
        """Tell targets from the services of a single target: `dev stage`, `dev worker`.

        Raises: `UsageError` for a name that is neither.
        """
        known = {stack.target for stack in self.system.parts}
        targets = tuple(name for name in names if name in known)
        services = tuple(name for name in names if name not in known)
        if len(targets) != 1 or names[0] not in known:
            return self.stacks(names, takes_colours=takes_colours), ()
        stacks = self.stacks(targets, takes_colours=takes_colours)
        self.services(stacks[0], services)
        return stacks, services

    def in_containers(self) -> Project:
        """Return the project as the spec has it, with services on the desk in their place, and colours as deployed."""
        colours = {stack.target: stack.colours for stack in self.system.environments}
        environments = (replace(one, colours=colours[one.target]) for one in self.declared.environments)
        return replace(self, system=replace(self.declared, environments=tuple(environments)))

    def with_native(self, target: str, names: tuple[str, ...]) -> Project:
        """Return the project with exactly these services of a target on the desk."""
        native = {stack.target: tuple(one.name for one in stack.native) for stack in self.system.environments}
        return replace(self, system=_with_native(self.declared, {**native, target: names}))

    def services(self, stack: Stack, names: tuple[str, ...]) -> tuple[Service, ...]:
        """Return some services of a stack, all when none is named.

        Raises: `UsageError` for a service that the stack does not have.
        """
        known = [service.name for service in stack.services]
        away = {service.name for service in stack.native} - set(known)
        for name in names:
            if name in away:
                raise UsageError(
                    f"{name} of {stack.target} has no container: it runs on the desk",
                    help=f"envmgr run {stack.target} {name}, or envmgr container {stack.target} {name}",
                )
            if name not in known:
                raise UsageError(
                    f"{stack.target} has no service {name}{_hint(name, known)}",
                    help=_where(stack, name) or f"known: {', '.join(known)}",
                )
        return tuple(service for service in stack.services if not names or service.name in names)


def open_project(file: Path) -> Project:
    """Read and resolve a spec.

    Raises: `SpecError` with every problem.
    """
    spec = SpecFile(file)
    declared = spec.resolved.declared
    native = {stack.target: read_native(spec.folder, stack.target) for stack in declared.environments}
    system = _with_releases(_with_native(declared, native), spec.folder)
    return Project(spec.folder, declared, system, spec)


def _with_native(declared: System, native: Mapping[str, tuple[str, ...]]) -> System:
    environments = (without_native(stack, native.get(stack.target, ())) for stack in declared.environments)
    return replace(declared, environments=tuple(environments))


def _with_releases(system: System, folder: Path) -> System:
    if not any(stack.colours for stack in system.environments):
        return system
    from envmgr.operations.released import with_releases

    return replace(system, environments=tuple(with_releases(folder, stack) for stack in system.environments))


def _hint(word: str, known: list[str]) -> str:
    near = did_you_mean(word, known)
    return f" ({near})" if near else ""


def _where(stack: Stack, service: str) -> str:
    """Say where a service is that an environment has in its colours alone."""
    deployed = [one.target for one in stack.colours if one.release and any(s.name == service for s in one.services)]
    if not deployed:
        return ""
    return f"it is in {' and '.join(deployed)}: envmgr status {stack.target} says which of them serves"
