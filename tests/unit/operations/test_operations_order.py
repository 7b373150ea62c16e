"""The order in which services start."""

from __future__ import annotations

from graphlib import CycleError

import pytest

from envmgr.model.stack import Condition, Dependency, Service, Stack
from envmgr.operations.order import waves
from envmgr.operations.project import Project
from tests.making import service, stack


def after(name: str, *others: str) -> Service:
    return service(name, depends_on=tuple(Dependency(other, Condition.HEALTHY) for other in others))


def names(one: Stack, *chosen: str) -> list[list[str]]:
    services = [one.service(name) for name in chosen] if chosen else one.services
    return [[service.name for service in wave] for wave in waves(one, services)]


SHOP = stack(
    after("front", "api"),
    after("worker", "migrate", "seed"),
    after("api", "migrate"),
    after("seed", "migrate"),
    after("migrate"),
    after("alone"),
)


def test_each_wave_needs_only_those_before_it():
    assert names(SHOP) == [["alone", "migrate"], ["api", "seed"], ["front", "worker"]]


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (("worker",), [["migrate"], ["seed"], ["worker"]]),
        (("alone",), [["alone"]]),
        (("front", "migrate"), [["migrate"], ["api"], ["front"]]),
        (("api", "api"), [["migrate"], ["api"]]),
    ],
)
def test_a_service_brings_what_it_depends_on_and_nothing_else(chosen: tuple[str, ...], expected: list[list[str]]):
    assert names(SHOP, *chosen) == expected


def test_nothing_takes_no_wave():
    assert waves(SHOP, ()) == ()


def test_the_order_in_the_spec_changes_nothing():
    assert names(stack(*reversed(SHOP.services))) == names(SHOP)


def test_the_repositorys_own_environments(chatbot: Project):
    assert [names(one) for one in chatbot.system.environments] == [[["flower", "migrate"], ["app", "worker"]]] * 3
    assert names(chatbot.system.base) == [
        ["alertmanager", "minio", "nginx", "node-exporter", "postgres", "qdrant", "redis"],
        ["postgres-exporter", "prometheus", "redis-exporter"],
        ["grafana"],
    ]


def test_a_circle_is_an_error_and_no_endless_loop():
    with pytest.raises(CycleError):
        waves(stack(after("a", "b"), after("b", "a")), (after("a", "b"),))


def test_a_dependency_that_is_not_there_is_an_error():
    with pytest.raises(KeyError, match="gone"):
        names(stack(after("a", "gone")))
