"""Every key of the spec: its change stands in the plan with its place, `up` applies it, and nothing is left to do."""

from __future__ import annotations

import pytest

from envmgr.model.plan import Action, Plan, Subject
from envmgr.spec.schema import CommonTable, EnvironmentTable, InfraTable, ServiceTable
from tests.house import House, house
from tests.unit.planning.changes import CHANGES, SPEC, Change

__all__ = ["house"]

ELSEWHERE = {
    "infra.mode": "another server altogether: tests of own and managed servers",
    "infra.url": "of a managed server, which has no container",
    "infra.provision": "of a managed server, which has no container",
    "infra.ports": "as infra.port",
    "service.build": "needs a source to build: test_operations_plan.py",
    "service.ports": "as environment.ports",
    "service.joins": "needs a network that is none of envmgr's: test_operations_joins.py",
    "service.routes": "of the door: its files are another service's",
    "service.gpus": "refused by a host without them: test_planning_services.py",
    "service.native": "outside containers: tests of operations_native",
    "environment.reload": "needs a source to build: test_resolve_reload.py",
    "environment.subnet": "a network that changes is refused: test_planning_refusals.py",
    "environment.hosts": "of the door: its files are another service's",
    "environment.infra": "as infra.mode",
    "environment.deploy": "how releases are made: tests of operations_deploy",
}


def recreated(plan: Plan) -> dict[str, set[str]]:
    steps = (step for step in plan.steps if step.subject is Subject.SERVICE and step.action is Action.RECREATE)
    return {step.name: {cause.field for cause in step.causes} for step in steps}


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.key)
def test_a_change_is_planned_with_its_place_applied_and_over(house: House, change: Change):
    house.write(SPEC)
    house.engine.has_image("registry.example/play:2")
    house.up("infra", "dev")
    assert house.plan("infra", "dev") == Plan(("infra", "dev"))
    before = house.ids()
    house.edit(change.old, change.new)
    plan = house.plan("infra", "dev")
    assert recreated(plan) == {name: set(fields) for name, fields in change.recreates.items()}
    assert {s.name for s in plan.steps if s.action is Action.SCALE} == ({change.scales} if change.scales else set())
    if change.place:
        places = {cause.place.path for step in plan.steps for cause in step.causes if cause.place}
        assert change.place in places
    house.up("infra", "dev")
    assert house.plans[-1] == plan
    assert house.plan("infra", "dev") == Plan(("infra", "dev"))
    touched = {name for name, container in house.ids().items() if before.get(name) not in (None, container)}
    assert {name.split("-")[-2] for name in touched} == set(change.recreates)


def test_no_key_of_the_spec_is_forgotten():
    tables = {"infra": InfraTable, "service": ServiceTable, "environment": EnvironmentTable}
    keys = {f"common.{key}" for key in CommonTable.model_fields}
    for name, table in tables.items():
        keys |= {f"{name}.{key}" for key in table.model_fields if key not in CommonTable.model_fields}
    covered = {change.key for change in CHANGES}
    assert keys - covered == set(ELSEWHERE)
