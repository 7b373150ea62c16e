"""A project's spec: what it resolves to, from the last time where that still holds, and all the rest of it when asked.

What reads and resolves a spec is imported only when it has to: it takes most of the time of a command.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from envmgr import naming
from envmgr.errors import Problem, SpecError
from envmgr.model.resolved import Resolved
from envmgr.records import kept
from envmgr.spec.text import read

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envmgr.model.recipe import Recipe
    from envmgr.model.stack import System
    from envmgr.planning.inputs import Written
    from envmgr.spec.kinds import KindOptions
    from envmgr.spec.load import LoadedSpec


class SpecFile:
    """One spec, read once."""

    def __init__(self, file: Path) -> None:
        """Read the text.

        Raises: `SpecError`.
        """
        self.file = file
        self.folder = file.resolve().parent
        self._text = read(file)

    @cached_property
    def resolved(self) -> Resolved:
        """What it amounts to.

        Raises: `SpecError` with every problem.
        """
        known = kept.recall(self.file, self._text)
        return known if known is not None else self._resolved_anew()

    @cached_property
    def loaded(self) -> LoadedSpec:
        """Everything that it says.

        Raises: `SpecError` with every problem.
        """
        from envmgr.spec.load import load

        return load(self.file, kind_options(), self._text)

    def locate(self, path: str) -> Written:
        """Return where a dotted path is written, or the nearest table above it."""
        from envmgr.model.plan import Place
        from envmgr.planning.inputs import Written
        from envmgr.spec.places import undotted

        place = self.loaded.locate.place(undotted(path))
        return Written(Place(path, str(self.file), place.line), place.written)

    def _resolved_anew(self) -> Resolved:
        from envmgr.spec.recipes import read_recipes, recipes_folder

        written = self.loaded.spec.images.recipes
        sources = kept.sources_of(self.file, self._text, written)
        recipes = read_recipes(recipes_folder(self.folder, written))
        declared = _locked(self._resolve(recipes), self.folder)
        secrets = self.loaded.spec.secrets
        resolved = Resolved(
            declared,
            written,
            recipes,
            stores=tuple(target for target, table in secrets.items() if table.source != "files"),
            base_says_weak=naming.INFRA in secrets and secrets[naming.INFRA].weak is not None,
        )
        kept.keep(self.file, self._text, sources, resolved)
        return resolved

    def _resolve(self, recipes: Mapping[str, Recipe]) -> System:
        from envmgr.resolve.system import resolve

        try:
            return resolve(self.loaded.spec, recipes)
        except SpecError as error:
            problems = tuple(self._placed(problem) for problem in error.problems)
            raise SpecError(f"{self.file} is not valid", problems) from error

    def _placed(self, problem: Problem) -> Problem:
        line, column = self.loaded.locate(problem.path)
        return replace(problem, file=str(self.file), line=line, column=column)


def kind_options() -> KindOptions:
    """Return what every kind adds to a table."""
    from envmgr.catalog.registry import INFRA, SERVICES
    from envmgr.spec.kinds import KindOptions

    return KindOptions(
        infra={name: kind.Options for name, kind in INFRA.items()},
        services={name: kind.Options for name, kind in SERVICES.items()},
    )


def _locked(system: System, folder: Path) -> System:
    from envmgr.resolve.locked import locked
    from envmgr.spec.lock import Lock, read_lock

    lock = read_lock(folder) or Lock()
    return locked(system, {name: image.digest for name, image in lock.images.items()})
