"""What a plan must not do: networks and volumes that are not what the spec says, and data of another server."""

from __future__ import annotations

from dataclasses import replace

import pytest

from envmgr import naming
from envmgr.errors import Problem
from envmgr.model.observed import Observed
from envmgr.planning.plan import make_plan
from tests.unit.planning.asking import BRIDGE, network_of, question, running, system, volume_of, without

ONE = system(dev=False, prod=True)
BASE, DEV, _ = ONE.stacks
VOLUME = BASE.volumes[0]


def with_network(stack, **fields) -> Observed:
    seen = running(ONE)
    other = network_of(stack, stack.networks[0], **fields)
    return replace(seen, networks=tuple(other if n.name == other.name else n for n in seen.networks))


def with_volume(**fields) -> Observed:
    return replace(running(ONE), volumes=(volume_of(BASE, VOLUME, **fields),))


def refusals(seen: Observed, **fields) -> tuple[Problem, ...]:
    return make_plan(question(ONE, seen, **fields)).refusals


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"subnets": ("10.9.9.0/24",)}, "subnet 10.9.9.0/24 instead of 10.1.1.0/25"),
        ({"subnets": ()}, "subnet none instead of 10.1.1.0/25"),
        ({"is_internal": False}, "internal false instead of true"),
        ({"driver": "macvlan"}, "driver macvlan instead of bridge"),
        ({"options": {}}, "gateway mode nat instead of isolated"),
        ({"options": {}, "is_internal": False}, "internal false instead of true, gateway mode nat instead of isolated"),
    ],
)
def test_a_network_with_another_definition(fields: dict, words: str):
    assert refusals(with_network(DEV, **fields)) == (
        Problem(
            f"network play-dev-data exists with {words}; it cannot change while containers use it",
            path="environments.dev",
            file="envmgr.toml",
            line=7,
            hint="envmgr down dev && envmgr up dev; data stays",
        ),
    )


def test_a_network_of_the_base_goes_with_those_who_run_on_it():
    (refused,) = refusals(with_network(BASE, subnets=("10.9.9.0/24",)))
    assert refused.hint == "envmgr down dev prod infra && envmgr up dev prod infra; data stays"
    (refused,) = refusals(without(with_network(BASE, subnets=("10.9.9.0/24",)), "play-dev-app-1", "play-prod-app-1"))
    assert refused.hint == "envmgr down infra && envmgr up infra; data stays"


def test_a_bridge_to_the_outside_is_held_to_who_may_talk_on_it():
    egress = replace(DEV.networks[0], key="egress", is_internal=False, masquerades=True, allows_neighbours=False)
    stack = replace(DEV, networks=(egress,))
    options = {f"{BRIDGE}enable_icc": "false", f"{BRIDGE}enable_ip_masquerade": "true"}
    wanted = replace(ONE, environments=(stack,))
    for given, words in (
        (options, None),
        ({**options, f"{BRIDGE}enable_icc": "true"}, "neighbours true instead of false"),
        ({f"{BRIDGE}enable_icc": "false", f"{BRIDGE}enable_ip_masquerade": "false"}, "masquerading false instead"),
    ):
        seen = replace(running(ONE), networks=(network_of(stack, egress, is_internal=False, options=given),))
        found = make_plan(question(wanted, seen, selected={"dev": ()})).refusals
        assert [words in problem.message for problem in found] == ([True] if words else [])


def test_a_network_of_somebody_else_is_for_another_check():
    assert refusals(with_network(DEV, labels={}, subnets=("10.9.9.0/24",))) == ()


def test_what_is_not_selected_is_refused_nothing():
    seen = with_network(BASE, subnets=("10.9.9.0/24",))
    assert refusals(seen, selected={"dev": (DEV.services,)}) == ()


# ---- volumes


def test_data_of_another_major_version():
    labels = {naming.LABEL_PROJECT: "play", naming.LABEL_ENVIRONMENT: "infra", naming.LABEL_MAJOR: "7"}
    assert refusals(with_volume(labels=labels)) == (
        Problem(
            "volume play-infra-redis-data was written by version 7, the spec says 8",
            path="infra.redis.version",
            file="envmgr.toml",
            line=7,
            hint='set version back to "7", then: envmgr up infra; the data stays as it is',
        ),
    )


def test_data_of_images_from_elsewhere():
    labels = {naming.LABEL_PROJECT: "play", naming.LABEL_ENVIRONMENT: "infra", naming.LABEL_SOURCE: "recipes"}
    (refused,) = refusals(with_volume(labels=labels), source="registry")
    assert refused.message == "volume play-infra-redis-data was written by images from recipes"
    assert refused.hint == "envmgr up infra --images recipes"
    assert refusals(with_volume(labels=labels), source="recipes") == ()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"driver": "nfs"}, "exists with driver nfs"),
        ({"options": {"type": "tmpfs", "device": "tmpfs"}}, "exists with driver local, device=tmpfs, type=tmpfs"),
        ({"labels": {naming.LABEL_PROJECT: "play", naming.LABEL_ENVIRONMENT: "stage"}}, "belongs to play/stage"),
        ({"labels": {naming.LABEL_PROJECT: "shop"}}, "belongs to shop"),
    ],
)
def test_a_volume_with_another_definition(fields: dict, words: str):
    (refused,) = refusals(with_volume(**fields))
    assert f"volume play-infra-redis-data {words}" in refused.message
    assert refused.hint == "its data stays as it is; look at it with: docker volume inspect play-infra-redis-data"


def test_labels_that_may_change_refuse_nothing():
    labels = {naming.LABEL_PROJECT: "play", naming.LABEL_ENVIRONMENT: "infra", naming.LABEL_MAJOR: "8"}
    assert refusals(with_volume(labels=labels | {naming.LABEL_PROTECT: "true", naming.LABEL_SERVICE: "old"})) == ()
    assert refusals(with_volume(labels={})) == ()
