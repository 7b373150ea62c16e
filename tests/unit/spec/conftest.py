"""A small catalog and ways to load a spec from text."""

from __future__ import annotations

import contextlib
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field, model_validator

from envmgr.errors import Problem, SpecError
from envmgr.spec.kinds import KindOptions
from envmgr.spec.load import LoadedSpec, load
from envmgr.spec.values import Strict


class Postgres(Strict):
    version: Literal["15", "16", "17"] = "17"
    max_connections: Annotated[int, Field(ge=10, le=1000)] = 100
    extensions: tuple[str, ...] = ()


class Redis(Strict):
    persistent: bool = True
    password_length: int = 32


class Edge(Strict):
    host: str
    weight: float = 1.0


class Asgi(Strict):
    module: str
    health: str = "/health"
    edges: tuple[Edge, ...] = ()
    edge: Edge | None = None
    command: str | tuple[str, ...] = "serve"


class Worker(Strict):
    low: int = 1
    high: int = 2

    @model_validator(mode="after")
    def _in_order(self) -> Worker:
        if self.low > self.high:
            raise ValueError("expected low to be at most high")
        return self


class Empty(Strict):
    pass


@pytest.fixture(scope="session")
def kinds() -> KindOptions:
    return KindOptions(
        infra={"postgres": Postgres, "redis": Redis},
        services={"asgi": Asgi, "worker": Worker, "job": Empty},
    )


@pytest.fixture(scope="session")
def load_text(kinds: KindOptions, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str | bytes], LoadedSpec]:
    """Load a text from the current folder, so that the file is named as an operator would name it."""
    folder = tmp_path_factory.mktemp("project")

    def loaded(text: str | bytes) -> LoadedSpec:
        with contextlib.chdir(folder):
            path = Path("envmgr.toml")
            path.write_bytes(text if isinstance(text, bytes) else textwrap.dedent(text).encode())
            return load(path, kinds)

    return loaded


@pytest.fixture(scope="session")
def refused(load_text: Callable[[str | bytes], LoadedSpec]) -> Callable[[str | bytes], SpecError]:
    def error(text: str | bytes) -> SpecError:
        with pytest.raises(SpecError) as caught:
            load_text(text)
        return caught.value

    return error


@pytest.fixture(scope="session")
def problems(refused: Callable[[str | bytes], SpecError]) -> Callable[[str | bytes], list[str]]:
    """Every problem of a text as `line:column path: message (hint)`."""

    def listed(text: str | bytes) -> list[str]:
        found: tuple[Problem, ...] = refused(text).problems
        assert {problem.file for problem in found} <= {"envmgr.toml"}
        return [str(problem).removeprefix("envmgr.toml:") for problem in found]

    return listed
