"""Images in a file, listed, built and fetched on their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from envmgr import naming
from envmgr.errors import EngineError, UsageError
from envmgr.operations.image_files import load, save
from envmgr.operations.image_list import build, build_from_packages, images, pull
from tests.house import SERVERS, House
from tests.unit.operations.test_operations_images import PLAY, with_recipes, without_images


def test_what_targets_need_is_written_and_read_back(house: House):
    archive = house.folder / "images.tar"
    written = save(house.session(), archive, ())
    assert set(written.images) == {*SERVERS, PLAY}
    assert written.size == archive.stat().st_size
    without_images(house, *SERVERS)
    assert set(load(house.session(), archive).images) == {*SERVERS, PLAY}
    assert all(house.engine.images[name] for name in SERVERS)


def test_only_what_is_asked_for_is_written(house: House):
    assert save(house.session(), house.folder / "x.tar", ("infra",)).images == SERVERS


def test_an_image_that_is_not_there_is_named_before_anything_is_written(house: House):
    with_recipes(house)
    without_images(house, "redis:8.0")
    with pytest.raises(EngineError, match=r"not on this host: recipes/postgres:17, recipes/redis:8.0") as caught:
        save(house.session(), house.folder / "x.tar", ("infra",))
    assert caught.value.state == "No archive was made."
    assert not (house.folder / "x.tar").exists()


def test_a_file_that_does_not_exist_is_a_mistake_of_the_command(house: House):
    with pytest.raises(UsageError, match=r"nope\.tar does not exist"):
        load(house.session(), Path("nope.tar"))
    assert not house.calls("load_images")


def test_the_list_says_where_each_comes_from_and_what_stands_in(house: House):
    with_recipes(house)
    without_images(house)
    house.engine.has_image("recipes/redis:8.0", labels={naming.LABEL_STAND_IN: "a toy"})
    rows = {row.reference: row for row in images(house.session(), ("infra", "dev"))}
    assert (rows["redis:8.0"].origin, rows["redis:8.0"].runs) == ("packages", "recipes/redis:8.0")
    assert (rows["redis:8.0"].is_there, rows["redis:8.0"].stand_in) == (True, "a toy")
    assert (rows["postgres:17"].is_there, rows["postgres:17"].stand_in) == (False, "")
    assert (rows[PLAY].origin, rows[PLAY].users) == ("registry", ("dev.migrate", "dev.app", "dev.worker"))


def test_fetching_asks_a_registry_for_what_is_missing_only(house: House):
    without_images(house, "redis:8.0")
    house.engine.pullable["redis:8.0"] = house.engine.images["postgres:17"]
    assert pull(house.session(), ()) == ("redis:8.0",)
    assert pull(house.session(), ()) == ()
    without_images(house, "redis:8.0")
    house.engine.pullable.clear()
    with pytest.raises(EngineError, match=r"redis:8\.0 could not be pulled") as caught:
        pull(house.session(), ("infra",))
    assert caught.value.state == "Nothing was started."


def test_recipes_are_built_although_a_registry_could_serve(house: House):
    with_recipes(house)
    assert build_from_packages(house.session(), ("infra",)) == (
        "recipes/debian:1",
        "recipes/postgres:17",
        "recipes/redis:8.0",
    )
    assert build_from_packages(house.session(), ("infra",)) == ()


def test_building_makes_the_projects_own_images_where_their_source_has_changed(house: House):
    (house.folder / "src").mkdir()
    (house.folder / "src" / "Dockerfile").write_text("FROM python:3.13\n")
    house.edit("[infra.postgres]", '[builds.app]\ncontext = "src"\n\n[infra.postgres]')
    house.edit(
        '[services.app]\nkind = "asgi"\nimage = "registry.example/play:1"',
        '[services.app]\nkind = "asgi"\nbuild = "app"',
    )
    assert build(house.session(), ("dev",)) == ("play-app:env-dev",)
    assert build(house.session(), ("dev",)) == ()
    (house.folder / "src" / "Dockerfile").write_text("FROM python:3.14\n")
    assert build(house.session(), ("dev", "stage")) == ("play-app:env-dev", "play-app:env-stage")


def test_a_given_image_of_todays_source_needs_nothing_from_outside(house: House):
    with_recipes(house)
    test_building_makes_the_projects_own_images_where_their_source_has_changed(house)
    folder = house.folder / "images"
    text = (folder / "recipes.toml").read_text()
    python = '[python]\nimage = "recipes/python:1"\nreplaces = "python:3.14"\ncontext = "redis"\n'
    (folder / "recipes.toml").write_text(text + python)
    without_images(house)
    house.up("dev")
    assert "recipes/python:1" not in house.engine.images
    assert "recipes/redis:8.0" in house.engine.images
