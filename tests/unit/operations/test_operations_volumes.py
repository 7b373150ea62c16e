"""Which volumes are made before Compose, and who may write to them."""

from __future__ import annotations

import pytest

from envmgr import naming
from envmgr.errors import EngineError
from envmgr.model.observed import ForeignContainer
from tests.house import SPEC, House, fail

REDIS = "play-infra-redis-data"
SHARED = SPEC.replace(
    '[services.worker]\nkind = "job"', '[services.worker]\nkind = "job"\nvolumes = { files = "/files" }'
)


def test_each_new_volume_is_opened_to_the_user_of_its_service(house: House):
    house.write(SHARED)
    house.up()
    opened = {"play-infra-postgres-data": "999:999", REDIS: "999:999", "play-dev-files": "10001:10001"}
    assert house.engine.writers == opened
    assert naming.LABEL_SOURCE in house.engine.volumes[REDIS]
    assert naming.LABEL_SOURCE not in house.engine.volumes["play-dev-files"]


def test_volumes_that_are_there_are_left_alone(house: House):
    house.up()
    house.engine.writers.clear()
    house.up("dev", "stage")
    assert house.engine.writers == {}


def test_opening_that_was_cut_is_done_again(house: House):
    house.up()
    house.engine.writers.clear()
    house.engine.foreign.append(ForeignContainer(naming.volume_opener(REDIS), "", ()))
    house.up()
    assert house.engine.writers == {REDIS: "999:999"}
    assert house.engine.foreign == []


def test_a_volume_that_cannot_be_opened_starts_nothing(house: House):
    house.engine.refusals["create_volume"] = fail("Docker refused: no space left on device")
    with pytest.raises(EngineError, match="no space left"):
        house.up()
    assert house.ups() == []
