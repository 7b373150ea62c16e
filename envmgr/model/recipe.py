"""How an image is made where no registry can be reached."""

from __future__ import annotations

from envmgr.model.value import dataclass


@dataclass(frozen=True, slots=True)
class Recipe:
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
