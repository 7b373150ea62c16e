"""Images: where they come from, chosen once and kept; pulled or built only when they are not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from envmgr import naming
from envmgr.errors import EngineError, PreflightError, UsageError
from envmgr.model.progress import Note, Output, Step
from envmgr.operations.image_source import Source, choose_source
from tests.house import SERVERS, WEB, House, fail

RECIPES = """\
[debian]
image = "recipes/debian:1"
script = "debian/build.sh"

[postgres]
image = "recipes/postgres:17"
replaces = "postgres:17"
context = "postgres"
needs = ["debian"]

[redis]
image = "recipes/redis:8.0"
replaces = "redis:8.0"
context = "redis"
needs = ["debian"]
"""
PLAY = "registry.example/play:1"


def with_recipes(house: House) -> None:
    folder = house.folder / "images"
    for name in ("debian/build.sh", "postgres/Dockerfile", "redis/Dockerfile"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("FROM scratch\n")
    (folder / "recipes.toml").write_text(RECIPES)
    if "[images]" not in (house.folder / "envmgr.toml").read_text():
        house.edit("[infra.postgres]", '[images]\nrecipes = "images"\n\n[infra.postgres]')


def without_images(house: House, *references: str) -> None:
    for reference in references or SERVERS:
        del house.engine.images[reference]


def choose(house: House, requested: Source | None = None) -> Source:
    session = house.session()
    return choose_source(session, session.observe(), requested)


def volume(house: House, **labels: str) -> None:
    house.engine.volumes["play-infra-redis-data"] = {naming.LABEL_PROJECT: "play"} | {
        {"source": naming.LABEL_SOURCE, "major": naming.LABEL_MAJOR}[key]: value for key, value in labels.items()
    }


# ---- the choice


def test_a_host_that_has_every_image_asks_no_registry(house: House):
    house.engine.refusals["registry_answers"] = fail()
    assert choose(house) is Source.REGISTRY


def test_a_registry_that_answers_is_used(house: House):
    with_recipes(house)
    without_images(house)
    house.engine.answering.add("docker.io")
    assert choose(house) is Source.REGISTRY


def test_recipes_serve_where_no_registry_answers(house: House):
    with_recipes(house)
    without_images(house)
    assert choose(house) is Source.RECIPES
    assert house.texts(Note) == [
        ": no registry answers: images are built from distribution packages, and this host keeps to that"
    ]


def test_an_image_that_no_recipe_makes_needs_its_registry(house: House):
    with_recipes(house)
    without_images(house, *SERVERS, PLAY)
    with pytest.raises(EngineError) as caught:
        choose(house)
    assert caught.value.message == f"no registry answers for {PLAY}, and no recipe builds it"
    assert (caught.value.state, bool(caught.value.help)) == ("Nothing was started.", True)


@pytest.mark.parametrize("requested", [None, Source.RECIPES])
def test_what_wrote_the_volumes_is_kept_to(house: House, requested: Source | None):
    volume(house, source="recipes")
    house.engine.refusals["registry_answers"] = fail()
    assert choose(house, requested) is Source.RECIPES


def test_another_source_than_the_volumes_is_refused(house: House):
    volume(house, source="recipes")
    with pytest.raises(UsageError) as caught:
        choose(house, Source.REGISTRY)
    assert caught.value.message == "--images registry: this host's volumes were written by images from recipes"
    assert caught.value.help.endswith("envmgr destroy infra")


@pytest.mark.parametrize("requested", list(Source))
def test_a_fresh_host_takes_what_is_asked_for(house: House, requested: Source):
    assert choose(house, requested) is requested


def test_a_volume_of_unknown_origin_has_to_be_explained(house: House):
    volume(house)
    with pytest.raises(UsageError) as caught:
        choose(house)
    assert caught.value.message.startswith("volume play-infra-redis-data was not made by envmgr")
    assert caught.value.help == "Say which: --images registry, or --images recipes."
    assert choose(house, Source.RECIPES) is Source.RECIPES


def test_another_major_version_is_refused_with_nothing_started(house: House):
    volume(house, source="registry", major="7")
    with pytest.raises(PreflightError) as caught:
        house.up("infra")
    assert [str(problem) for problem in caught.value.problems] == [
        f"{house.folder}/envmgr.toml:8 infra.redis.version: volume play-infra-redis-data was written by version 7, the "
        'spec says 8 (set version back to "7", then: envmgr up infra; the data stays as it is)'
    ]
    assert house.names() == set()


def test_volumes_of_two_sources_are_refused(house: House):
    house.engine.volumes["play-infra-postgres-data"] = {
        naming.LABEL_PROJECT: "play",
        naming.LABEL_SOURCE: "registry",
    }
    volume(house, source="recipes")
    with pytest.raises(PreflightError) as caught:
        house.up("infra")
    assert caught.value.details == (
        f"{house.folder}/envmgr.toml:8 infra.redis: volume play-infra-redis-data was written by images from recipes "
        "(envmgr up infra --images recipes)",
    )


def test_volumes_carry_what_wrote_them_first(house: House):
    house.up("infra")
    labels = house.engine.volumes["play-infra-redis-data"]
    assert labels == {
        naming.LABEL_COMPOSE_PROJECT: "play-infra",
        naming.LABEL_PROJECT: "play",
        naming.LABEL_ENVIRONMENT: "infra",
        naming.LABEL_SERVICE: "redis",
        naming.LABEL_SOURCE: "registry",
        naming.LABEL_MAJOR: "8",
        naming.LABEL_PROTECT: "true",
    }


# ---- having them


def test_only_what_is_not_there_is_pulled(house: House):
    house.engine.pullable["redis:8.0"] = house.engine.images.pop("redis:8.0")
    house.up("dev")
    assert house.calls("pull") == [("pull", "redis:8.0")]
    assert [one.text for one in house.said if isinstance(one, Output)] == ["Pulling redis:8.0"]
    house.up("dev")
    assert house.calls("pull") == []


def test_recipes_are_built_in_the_order_of_their_needs_and_once(house: House):
    with_recipes(house)
    without_images(house)
    house.up("infra")
    assert [call[0] for call in house.calls("run_image_script", "build", "compose_up")] == [
        *("run_image_script", "build", "build"),
        "compose_up",
    ]
    assert house.container("play-infra-redis-1").image == "recipes/redis:8.0"
    assert house.engine.volumes["play-infra-redis-data"][naming.LABEL_SOURCE] == "recipes"
    house.engine.answering.add("docker.io")
    assert house.up("infra").changed == 0
    assert house.calls("run_image_script", "build", "pull") == []


def test_a_stand_in_says_so_on_its_image(house: House):
    with_recipes(house)
    without_images(house)
    recipes = house.folder / "images" / "recipes.toml"
    recipes.write_text(RECIPES + 'stand_in = "a dictionary"\n')
    house.up("infra")
    (_, postgres), (_, redis) = house.calls("build")
    assert redis.labels[naming.LABEL_STAND_IN] == "a dictionary"
    assert naming.LABEL_STAND_IN not in postgres.labels


def test_a_changed_recipe_is_built_again_with_what_needs_it(house: House):
    with_recipes(house)
    without_images(house)
    house.up("infra")
    (house.folder / "images" / "redis" / "Dockerfile").write_text("FROM debian\n")
    house.up("infra")
    assert [request.tags for _, request in house.calls("build")] == [("recipes/redis:8.0",)]
    (house.folder / "images" / "debian" / "build.sh").write_text("#!/bin/sh\n")
    house.up("infra")
    assert [call[0] for call in house.calls("run_image_script", "build")] == ["run_image_script", "build", "build"]


def test_a_recipe_without_its_files_starts_nothing(house: House):
    with_recipes(house)
    without_images(house)
    (house.folder / "images" / "redis" / "Dockerfile").unlink()
    with pytest.raises(EngineError, match=r"recipes/redis:8\.0 could not be built") as caught:
        house.up("infra")
    assert caught.value.state == "Nothing was started."
    assert house.names() == set()


# ---- the project's own


@pytest.fixture
def built(house: House) -> House:
    house.write(WEB.replace('image = "registry.example/play:1"', 'build = "web"') + '\n[builds.web]\ncontext = "src"\n')
    source = house.folder / "src"
    source.mkdir()
    (source / "Dockerfile").write_text("FROM scratch\n")
    (source / "main.py").write_text("print(1)\n")
    return house


def test_the_projects_image_is_built_once_from_its_source(built: House):
    built.up()
    ((_, request),) = built.calls("build")
    assert (request.tags, request.context) == (("play-web:env-dev",), built.folder / "src")
    assert request.build_args == {"RELEASE": request.labels[naming.LABEL_CONTEXT]}
    assert [text for text in built.texts(Step) if "building" in text] == [": building play-web:env-dev from src"]
    built.up(build=True)
    assert built.calls("build") == []


def test_newer_source_is_built_only_when_asked_for(built: House):
    built.up()
    (built.folder / "src" / "main.py").write_text("print(2)\n")
    built.up()
    assert built.calls("build") == []
    assert built.texts(Note) == [": play-web:env-dev was built from older source; --build makes a new one"]
    built.up(build=True)
    assert len(built.calls("build")) == 1


def test_a_build_without_a_dockerfile_names_its_place_in_the_spec(built: House):
    (built.folder / "src" / "Dockerfile").unlink()
    with pytest.raises(EngineError) as caught:
        built.up()
    assert caught.value.message == "src/Dockerfile does not exist"
    assert (caught.value.state, caught.value.help) == ("Nothing was started.", "Correct builds.web in the spec.")


def test_source_that_cannot_be_read_is_told_with_its_name(built: House, monkeypatch: pytest.MonkeyPatch):
    original = Path.read_bytes

    def refused(path: Path) -> bytes:
        if path.name == "main.py":
            raise PermissionError(13, "Permission denied", str(path))
        return original(path)

    monkeypatch.setattr(Path, "read_bytes", refused)
    with pytest.raises(EngineError) as caught:
        built.up()
    assert caught.value.message.endswith("src/main.py, which an image is built from, cannot be read: Permission denied")
    assert caught.value.state == "Nothing was started."
    assert built.names() == set()
