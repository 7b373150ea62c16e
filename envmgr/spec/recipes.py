"""`recipes.toml`: which images a host without a registry can build from distribution packages."""

from __future__ import annotations

import tomllib
from pathlib import Path

from pydantic import ValidationError

from envmgr import layout
from envmgr.errors import SpecError
from envmgr.spec.values import Strict

SHIPPED = "shipped"
"""In place of a folder: the recipes that come with envmgr."""


class Recipe(Strict):
    """One image, and the official one that it stands for."""

    image: str
    replaces: str | None = None
    context: str | None = None
    """Folder with a Dockerfile, beside `recipes.toml`."""
    script: str | None = None
    """Program that makes the image without an engine's help; gets the image's name."""
    needs: tuple[str, ...] = ()
    stand_in: str | None = None
    """What really answers, where the image holds another program than the official one."""


def recipes_folder(project_folder: Path, written: str) -> Path:
    """Return the folder of recipes that a spec means."""
    return layout.shipped("images") if written == SHIPPED else project_folder / written


def read_recipes(folder: Path) -> dict[str, Recipe]:
    """Return the recipes of a folder by name, none when it has no `recipes.toml`.

    Raises: `SpecError` when the file is not what it should be.
    """
    path = folder / "recipes.toml"
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
        return {name: Recipe.model_validate(_tuples(table)) for name, table in tables.items()}
    except FileNotFoundError:
        return {}
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError, ValidationError) as error:
        raise SpecError(f"{path} is not a list of image recipes: {error}") from error


def _tuples(table: object) -> object:
    if not isinstance(table, dict):
        return table
    return {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}


def in_order(recipes: dict[str, Recipe], names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the named recipes and all they need, each after what it needs."""
    ordered: dict[str, None] = {}

    def visit(name: str, above: tuple[str, ...]) -> None:
        if name in above or name not in recipes:
            raise SpecError(f"recipe {above[-1] if above else name} needs {name}, which is itself or does not exist")
        for need in recipes[name].needs:
            visit(need, (*above, name))
        ordered.setdefault(name)

    for name in names:
        visit(name, ())
    return tuple(ordered)
