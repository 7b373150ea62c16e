"""After `up` the next plan is empty for every kind of the catalog, as the golden specs and this repository use them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from envmgr.model.observed import EngineHealth, State
from envmgr.operations.project import open_project
from tests.fakes.engine import Behaviour
from tests.fakes.world import HOST, succeed
from tests.house import House, house

__all__ = ["house"]

ROOT = Path(__file__).resolve().parents[3]
STRONG = "k3Vq-7Zt0_wXb9RmPf2a"
SPECS = {"this repository": ROOT / "envmgr.toml"} | {
    path.parent.name: path for path in sorted((ROOT / "tests" / "golden").glob("*/envmgr.toml"))
}


def settle(house: House) -> list[str]:
    """Have everything that a spec needs from outside: images, sources, values; return its targets."""
    house.edges.others = succeed
    house.engine.described = replace(HOST, cpus=64, memory=1 << 40, runtimes=("runc", "nvidia"))
    system = open_project(house.folder / "envmgr.toml").system
    for stack in system.stacks:
        lines = [f"{need.name}={STRONG}" for need in stack.needed if not need.file and need.is_required]
        (house.folder / f".env.{stack.target}").write_text("\n".join(lines))
        (house.folder / f".env.{stack.target}").chmod(0o600)
        for need in stack.needed:
            if need.file:
                (house.folder / need.file).parent.mkdir(parents=True, exist_ok=True)
                (house.folder / need.file).write_text("first line\nsecond line\n")
        for service in stack.services:
            house.engine.has_image(service.image.reference)
            if service.image.build:
                source = house.folder / service.image.build.context
                source.mkdir(parents=True, exist_ok=True)
                (source / service.image.build.dockerfile).write_text("FROM scratch\n")
            if service.is_job:
                house.engine.behaviours[service.name] = Behaviour(State.EXITED, EngineHealth.NONE)
            else:
                house.engine.behaviours[service.name] = Behaviour()
    return [stack.target for stack in system.stacks if stack.services]


@pytest.mark.parametrize("name", SPECS)
def test_up_leaves_nothing_to_do(house: House, name: str):
    folder = SPECS[name].parent
    if (folder / "templates").is_dir() and folder != ROOT:
        (house.folder / "templates").symlink_to(folder / "templates")
    house.write(SPECS[name].read_text())
    targets = settle(house)
    before = house.plan(*targets)
    assert {step.target for step in before.steps} >= set(targets)
    house.up(*targets)
    assert house.plans[-1] == before
    assert house.plan(*targets).steps == ()
    ids = house.ids()
    assert (house.up(*targets).changed, house.ids()) == (0, ids)
