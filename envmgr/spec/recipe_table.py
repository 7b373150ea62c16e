"""One table of `recipes.toml`, as it has to be."""

from __future__ import annotations

from envmgr.spec.values import Strict


class Recipe(Strict):
    """What `envmgr.model.recipe.Recipe` says, checked."""

    image: str
    replaces: str | None = None
    context: str | None = None
    script: str | None = None
    needs: tuple[str, ...] = ()
    stand_in: str | None = None
