"""Servers that an environment has for itself, on the fake engine: their order, their passwords, their end."""

from __future__ import annotations

import pytest

from envmgr import naming
from envmgr.errors import PreflightError, SpecError
from envmgr.operations.destroy import what_goes
from tests.house import House

OWN = '[environments.prod.infra.redis]\nmode = "own"\n'


@pytest.fixture
def own(house: House) -> House:
    house.edit("[environments.prod]\nprotected = true\n", f"[environments.prod]\nprotected = true\n{OWN}")
    return house


def test_own_servers_start_and_are_prepared_before_what_uses_them(own: House):
    own.up("prod")
    assert own.ups() == [
        ("play-infra", ("postgres", "redis")),
        ("play-prod", ("redis",)),
        ("play-prod", ("migrate",)),
        ("play-prod", ("app", "worker")),
    ]
    ensured = [grant for verb, grant in own.servers.asked if verb == "ensure"]
    assert ensured == ["postgres prod", "redis prod"]
    assert own.container("play-infra-redis-1").networks.keys().isdisjoint({"play-prod-data"})


def test_their_passwords_are_the_environments(own: House):
    own.up("prod", "dev")
    assert set(own.secrets("prod")) == {"POSTGRES_PASSWORD", "REDIS_ADMIN_PASSWORD", "REDIS_PASSWORD", "SECRET_KEY"}
    assert own.secrets("prod")["REDIS_ADMIN_PASSWORD"] != own.secrets("infra")["REDIS_ADMIN_PASSWORD"]


def test_their_volumes_say_what_wrote_them(own: House):
    own.up("prod")
    labels = own.engine.volumes["play-prod-redis-data"]
    assert (labels[naming.LABEL_MAJOR], labels[naming.LABEL_SOURCE]) == ("8", "registry")
    assert labels[naming.LABEL_PROTECT] == "true"
    own.engine.volumes["play-prod-redis-data"][naming.LABEL_MAJOR] = "7"
    with pytest.raises(PreflightError) as caught:
        own.up("prod")
    (problem,) = caught.value.problems
    assert problem.path == "infra.redis.version"
    assert problem.message == "volume play-prod-redis-data was written by version 7, the spec says 8"
    assert problem.hint == 'set version back to "7", then: envmgr up prod; the data stays as it is'


def test_a_lost_password_of_theirs_is_never_made_anew(own: House):
    own.up("prod")
    path = own.folder / ".env.prod"
    path.write_text("".join(line for line in path.open() if not line.startswith("REDIS_ADMIN")))
    with pytest.raises(SpecError, match="prod already has data: volume play-prod-redis-data"):
        own.up("prod")


def test_destroying_deletes_their_volume_and_asks_only_the_shared_servers(own: House):
    own.up("prod")
    own.servers.asked.clear()
    plan = what_goes(own.session(), own.session().project.system.stack("prod"))
    assert [risk.what for step in plan.steps for risk in step.risks] == [
        "PostgreSQL database prod_play",
        "volume play-prod-redis-data",
    ]
    assert {grant for _, grant in own.servers.asked} == {"postgres prod"}
