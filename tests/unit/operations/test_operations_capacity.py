"""`capacity`: what stacks may take, against the host, and what of it is in force."""

from __future__ import annotations

import pytest

from envmgr.errors import UsageError
from envmgr.model.result import Budget, CapacityResult
from envmgr.operations.capacity import capacity
from envmgr.report.capacity import write_capacity
from tests.house import House

_MEGABYTE = 1024**2


def budget(result: CapacityResult, target: str) -> Budget:
    return next(one for one in result.budgets if one.target == target)


def test_limits_add_up_and_jobs_are_left_out(house: House):
    result = capacity(house.session(), ())
    assert [one.target for one in result.budgets] == ["infra", "dev", "stage", "prod"]
    infra, dev = budget(result, "infra"), budget(result, "dev")
    assert (infra.cpus, infra.memory) == (1.0, 128 * _MEGABYTE)
    lasting = [one for one in dev.services if not one.is_job]
    assert {one.service for one in dev.services if one.is_job} >= {"migrate"}
    assert dev.memory == sum(one.memory * one.replicas for one in lasting)
    spent = sum(one.memory for one in result.budgets)
    assert result.memory_left == result.host_memory - spent
    assert result.cpus_left == result.host_cpus - sum(one.cpus for one in result.budgets)


def test_what_is_left_counts_stacks_that_are_not_shown(house: House):
    session = house.session()
    assert capacity(session, ("dev",)).memory_left == capacity(session, ()).memory_left
    assert [one.target for one in capacity(session, ("dev",)).budgets] == ["dev"]
    with pytest.raises(UsageError, match="nowhere is neither"):
        capacity(session, ("nowhere",))


def test_a_container_with_another_limit_is_told(house: House, capsys: pytest.CaptureFixture[str]):
    house.up("dev")
    result = capacity(house.session(), ("dev",))
    assert all(one.is_in_force for one in budget(result, "dev").services)
    house.engine.change(house.container("play-dev-app-1").id, memory_limit=5 * _MEGABYTE)
    changed = capacity(house.session(), ("dev",))
    assert [one.service for one in budget(changed, "dev").services if not one.is_in_force] == ["app"]
    write_capacity(changed, as_json=False)
    said = capsys.readouterr().out
    assert "runs with other limits: envmgr up dev" in said
    assert "left: " in said


def test_more_than_the_host_has_is_said_with_what_comes_of_it(house: House, capsys: pytest.CaptureFixture[str]):
    result = capacity(house.session(), ())
    over = CapacityResult(
        host_cpus=1,
        host_memory=64 * _MEGABYTE,
        budgets=result.budgets,
        cpus_left=-0.5,
        memory_left=-64 * _MEGABYTE,
        unreserved_cpus=1,
        unreserved_memory=0,
    )
    write_capacity(over, as_json=False)
    said = capsys.readouterr().out
    assert "over: 0.5 CPUs beyond the host: shared when all are busy" in said
    assert "over: 64M of memory beyond the host: somebody is killed when all is used" in said
