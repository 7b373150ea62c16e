"""A network of the host that is none of envmgr's: joined, never made, and left behind."""

from __future__ import annotations

import pytest

from envmgr.errors import PreflightError
from tests.fakes.world import HeldNetwork
from tests.house import House

JOINS = '\n[environments.dev.services.worker]\njoins = ["traefik-public"]\n'


@pytest.fixture
def joining(house: House) -> House:
    spec = house.folder / "envmgr.toml"
    spec.write_text(spec.read_text() + JOINS)
    return house


def test_a_network_that_is_not_there_refuses_the_start(joining: House):
    with pytest.raises(PreflightError) as caught:
        joining.up("infra", "dev")
    assert "network traefik-public is not there, and not envmgr's to make" in str(caught.value.problems[0])
    assert caught.value.problems[0].hint == "docker network create traefik-public"
    assert "traefik-public" not in joining.engine.networks


def test_one_that_is_there_is_joined_and_stays_as_it_is(joining: House):
    there = HeldNetwork("10.99.0.0/24", {"Name": "traefik-public"})
    joining.engine.networks["traefik-public"] = there
    joining.up("infra", "dev")
    workers = [one for one in joining.engine.all() if one.service == "worker"]
    assert [name for one in workers for name in one.networks if name == "traefik-public"] == ["traefik-public"]
    assert joining.plan("infra", "dev").steps == ()
    assert joining.engine.networks["traefik-public"] is there
