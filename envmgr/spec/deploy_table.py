"""`[environments.NAME.deploy]`: how a new release of the application takes the place of the one that serves."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from envmgr.spec.values import Block, Name, Strict

Words = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)]
"""A program and its arguments."""
UrlPath = Annotated[str, Field(pattern=r"^/[!-~]*$")]


class SmokeTable(Strict):
    """One look at the new release before anybody else is led there."""

    service: Name
    """Which is asked, or whose container the command runs in."""
    path: UrlPath | None = None
    """Asked with GET."""
    status: Annotated[int, Field(ge=100, le=599)] = 200
    contains: str = ""
    """What the answer has to hold."""
    command: Words | None = None
    """Succeeds with exit code 0."""
    seconds: Annotated[int, Field(ge=1, le=600)] = 10

    @model_validator(mode="after")
    def _is_one_of_both(self) -> SmokeTable:
        if (self.path is None) == (self.command is None):
            raise ValueError('expected either "path" or "command"')
        return self


class DeployTable(Strict):
    """How an environment is deployed."""

    strategy: Literal["recreate", "blue-green"] = "recreate"
    """`recreate`: `up` changes what runs. `blue-green`: `deploy` starts the new release beside it, then switches."""
    watch_seconds: Annotated[int, Field(ge=0, le=3600)] = 10
    """After the switch the edge's errors are counted for this long; too many lead traffic back."""
    drain_seconds: Annotated[int, Field(ge=0, le=3600)] = 30
    """What the old release may take to finish the requests that it holds, before it is stopped."""
    warm_seconds: Annotated[int, Field(ge=0, le=7 * 86_400)] = 3600
    """The old release keeps running for this long, for a rollback at once."""
    keep: Annotated[int, Field(ge=2, le=100)] = 5
    """Releases that can be gone back to."""
    subnets: dict[Annotated[str, Field(pattern="^(blue|green)$")], Block] = Field(default_factory=dict)
    """A /24 for each colour; derived from its name when left out."""
    smoke: tuple[SmokeTable, ...] = ()
    before: tuple[Words, ...] = ()
    """Programs run on this host, in the spec's folder, before anything changes; one that fails ends the deploy."""
    after: tuple[Words, ...] = ()
    """The same once the new release serves; one that fails leads traffic back."""

    @property
    def has_colours(self) -> bool:
        """Two releases can run side by side."""
        return self.strategy == "blue-green"
