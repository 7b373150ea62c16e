"""Open a project: read its spec and resolve it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from envmgr import naming
from envmgr.catalog.registry import INFRA, SERVICES
from envmgr.errors import Problem, SpecError, UsageError
from envmgr.model.plan import Place
from envmgr.model.stack import Service, Stack, System
from envmgr.native.sides import read_native
from envmgr.native.stack import without_native
from envmgr.planning.inputs import Locate, Written
from envmgr.resolve.locked import locked
from envmgr.resolve.system import resolve
from envmgr.spec.kinds import KindOptions
from envmgr.spec.load import LoadedSpec, load
from envmgr.spec.lock import Lock, read_lock
from envmgr.spec.places import undotted
from envmgr.spec.recipes import Recipe, read_recipes, recipes_folder
from envmgr.spec.suggest import did_you_mean


@dataclass(frozen=True, slots=True)
class Project:
    """A project's folder and everything that its spec says."""

    folder: Path
    declared: System
    """As the spec has it, every service in a container."""
    system: System
    """As it is to run now: without the services on the desk."""
    recipes: Mapping[str, Recipe]
    recipes_folder: Path
    locate: Locate
    loaded: LoadedSpec

    def stacks(self, targets: tuple[str, ...]) -> tuple[Stack, ...]:
        """Return the stacks of some targets, the base first.

        Raises: `UsageError` for a target that the spec does not have.
        """
        known = [stack.target for stack in self.system.stacks]
        for target in targets:
            if target not in known:
                raise UsageError(
                    f"{target} is neither an environment nor {naming.INFRA}{_hint(target, known)}",
                    help=f"known: {', '.join(known)}",
                )
        return tuple(stack for stack in self.system.stacks if stack.target in targets)

    def choose(self, names: tuple[str, ...]) -> tuple[tuple[Stack, ...], tuple[str, ...]]:
        """Tell targets from the services of a single target: `dev stage`, `dev worker`.

        Raises: `UsageError` for a name that is neither.
        """
        known = {stack.target for stack in self.system.stacks}
        targets = tuple(name for name in names if name in known)
        services = tuple(name for name in names if name not in known)
        if len(targets) != 1 or names[0] not in known:
            return self.stacks(names), ()
        stacks = self.stacks(targets)
        self.services(stacks[0], services)
        return stacks, services

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
                    f"{stack.target} has no service {name}{_hint(name, known)}", help=f"known: {', '.join(known)}"
                )
        return tuple(service for service in stack.services if not names or service.name in names)


def kind_options() -> KindOptions:
    """Return what every kind adds to a table."""
    return KindOptions(
        infra={name: kind.Options for name, kind in INFRA.items()},
        services={name: kind.Options for name, kind in SERVICES.items()},
    )


def open_project(file: Path) -> Project:
    """Read and resolve a spec.

    Raises: `SpecError` with every problem.
    """
    loaded = load(file, kind_options())
    folder = file.resolve().parent
    of_recipes = recipes_folder(folder, loaded.spec.images.recipes)
    recipes = read_recipes(of_recipes)
    declared = _locked(_resolve(loaded, recipes, file), folder)
    native = {stack.target: read_native(folder, stack.target) for stack in declared.environments}
    system = _with_native(declared, native)
    return Project(folder, declared, system, recipes, of_recipes, _locate_in(loaded, str(file)), loaded)


def _locked(system: System, folder: Path) -> System:
    lock = read_lock(folder) or Lock()
    return locked(system, {name: image.digest for name, image in lock.images.items()})


def _with_native(declared: System, native: Mapping[str, tuple[str, ...]]) -> System:
    environments = (without_native(stack, native.get(stack.target, ())) for stack in declared.environments)
    return replace(declared, environments=tuple(environments))


def _locate_in(loaded: LoadedSpec, file: str) -> Locate:
    def locate(path: str) -> Written:
        place = loaded.locate.place(undotted(path))
        return Written(Place(path, file, place.line), place.written)

    return locate


def _resolve(loaded: LoadedSpec, recipes: Mapping[str, Recipe], file: Path) -> System:
    try:
        return resolve(loaded.spec, recipes)
    except SpecError as error:
        problems = tuple(_placed(loaded, problem, str(file)) for problem in error.problems)
        raise SpecError(f"{file} is not valid", problems) from error


def _placed(loaded: LoadedSpec, problem: Problem, file: str) -> Problem:
    line, column = loaded.locate(problem.path)
    return replace(problem, file=file, line=line, column=column)


def _hint(word: str, known: list[str]) -> str:
    near = did_you_mean(word, known)
    return f" ({near})" if near else ""
