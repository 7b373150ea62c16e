"""`recipes.toml`: which images a host without a registry can build from distribution packages."""

from __future__ import annotations

from pathlib import Path

from envmgr import layout
from envmgr.errors import SpecError
from envmgr.model.recipe import Recipe

FILE = "recipes.toml"

SHIPPED = "shipped"
"""In place of a folder: the recipes that come with envmgr."""


def recipes_folder(project_folder: Path, written: str) -> Path:
    """Return the folder of recipes that a spec means."""
    return layout.shipped("images") if written == SHIPPED else project_folder / written


def read_recipes(folder: Path) -> dict[str, Recipe]:
    """Return the recipes of a folder by name, none when it has no `recipes.toml`.

    Raises: `SpecError` when the file is not what it should be.
    """
    import tomllib

    from envmgr.spec.recipe_table import Recipe as Table

    path = folder / FILE
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
        checked = {name: Table.model_validate(_tuples(table)) for name, table in tables.items()}
        return {name: Recipe(**dict(table)) for name, table in checked.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:  # what is no TOML, no UTF-8, or no recipe
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
