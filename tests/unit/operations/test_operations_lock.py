"""`envmgr.lock`: what is held to a digest, what is only hashed, and what a check finds."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from envmgr import layout
from envmgr.cli.main import cli
from envmgr.errors import EngineError, EnvmgrError, SpecError, StaleError, UsageError
from envmgr.model.observed import RegistryImage
from envmgr.model.progress import Caution, Step
from envmgr.operations.image_files import save
from envmgr.operations.image_source import Source
from envmgr.operations.images import effective, pull_images
from envmgr.operations.lock import check_lock, lock
from envmgr.operations.project import open_project
from envmgr.report.lock import write_lock
from envmgr.spec.lock import Lock, LockedImage, lock_text, read_lock
from tests.house import House
from tests.unit.operations.test_operations_images import PLAY, with_recipes, without_images

ONE, TWO, THREE = (f"sha256:{digit * 64}" for digit in "123")
BOTH = ("linux/amd64", "linux/arm64")


@pytest.fixture
def shop(house: House) -> House:
    """The three images are in registries; the engine has pulled one of them, and of the others knows no digest."""
    house.engine.answering |= {"docker.io", "registry.example"}
    house.engine.images["postgres:17"] = replace(
        house.engine.images["postgres:17"], digests=(f"postgres@{ONE}",), platform="linux/amd64"
    )
    house.engine.published = {
        "postgres:17": RegistryImage(ONE, BOTH),
        "redis:8.0": RegistryImage(TWO, BOTH),
        PLAY: RegistryImage(THREE, ("linux/amd64",)),
    }
    return house


def cut_off(house: House) -> None:
    """Leave a host that reaches no registry of servers, and has pulled the application's image before."""
    with_recipes(house)
    without_images(house)
    house.engine.answering.discard("docker.io")
    house.engine.published.clear()
    known = house.engine.images[PLAY]
    house.engine.images[PLAY] = replace(known, digests=(f"registry.example/play@{THREE}",))


def locked(house: House, *names: str, update: bool = False) -> dict[str, tuple[str, str]]:
    return {row.reference: (row.held_to, row.change) for row in lock(house.session(), names, update=update).rows}


def complaints(house: House) -> tuple[str, ...]:
    with pytest.raises(StaleError) as caught:
        check_lock(house.session())
    assert caught.value.exit_code == 7
    return caught.value.details


def test_what_the_engine_runs_is_locked_and_only_the_rest_is_asked_for(shop: House):
    assert locked(shop) == {"postgres:17": (ONE, "new"), "redis:8.0": (TWO, "new"), PLAY: (THREE, "new")}
    assert shop.texts(Step) == [": asking the registry for redis:8.0", f": asking the registry for {PLAY}"]
    assert json.loads((shop.folder / layout.LOCK).read_text()) == {
        "format": 1,
        "builds": {},
        "recipes": {},
        "images": {
            "postgres:17": {"digest": ONE, "platforms": ["linux/amd64"]},
            "redis:8.0": {"digest": TWO, "platforms": list(BOTH)},
            PLAY: {"digest": THREE, "platforms": ["linux/amd64"]},
        },
    }


def test_the_same_lock_is_the_same_bytes_and_asks_nobody(shop: House):
    locked(shop)
    before = (shop.folder / layout.LOCK).read_bytes()
    shop.engine.published.clear()
    result = lock(shop.session(), (), update=False)
    assert not result.has_changed
    assert {row.change for row in result.rows} == {"kept"}
    assert (shop.folder / layout.LOCK).read_bytes() == before


def test_update_asks_anew_for_what_is_named(shop: House):
    locked(shop)
    for name in ("postgres:17", "redis:8.0"):
        shop.engine.published[name] = RegistryImage(THREE, BOTH)
    assert locked(shop, "redis:8.0", update=True) == {
        "postgres:17": (ONE, "kept"),
        "redis:8.0": (THREE, "moved"),
        PLAY: (THREE, "kept"),
    }
    assert locked(shop, update=True)["postgres:17"] == (THREE, "moved")


def test_an_image_that_nobody_uses_is_no_image_to_update(shop: House):
    with pytest.raises(UsageError, match="redis:8 is no image that a registry gives this project"):
        lock(shop.session(), ("redis:8",), update=True)
    assert not (shop.folder / layout.LOCK).exists()


def test_a_registry_that_has_it_not_leaves_the_lock_as_it_was(shop: House):
    locked(shop)
    before = (shop.folder / layout.LOCK).read_bytes()
    del shop.engine.published["redis:8.0"]
    with pytest.raises(EngineError) as caught:
        lock(shop.session(), (), update=True)
    assert caught.value.state == "envmgr.lock was not written."
    assert (shop.folder / layout.LOCK).read_bytes() == before


def test_several_digests_of_one_image_say_nothing_of_its_tag(shop: House):
    known = replace(shop.engine.images["postgres:17"], digests=(f"postgres@{ONE}", f"postgres@{TWO}"))
    shop.engine.images["postgres:17"] = known
    shop.engine.published["postgres:17"] = RegistryImage(TWO, BOTH)
    assert locked(shop)["postgres:17"] == (TWO, "new")


def test_a_digest_of_another_repository_is_not_taken(shop: House):
    shop.engine.images["redis:8.0"] = replace(shop.engine.images["redis:8.0"], digests=(f"mirror.example/redis@{ONE}",))
    assert locked(shop)["redis:8.0"] == (TWO, "new")
    shop.engine.images["redis:8.0"] = replace(
        shop.engine.images["redis:8.0"], digests=(f"docker.io/library/redis@{THREE}",)
    )
    (shop.folder / layout.LOCK).unlink()
    assert locked(shop)["redis:8.0"] == (THREE, "new")


# ---- the check


def test_a_check_without_a_lock(shop: House):
    with pytest.raises(StaleError, match=r"envmgr\.lock does not exist") as caught:
        check_lock(shop.session())
    assert caught.value.help == "envmgr lock"


def test_a_check_of_a_current_lock_changes_nothing(shop: House):
    locked(shop)
    result = check_lock(shop.session())
    assert (result.has_changed, {row.change for row in result.rows}) == (False, {"kept"})


def test_a_check_names_everything_that_is_not_as_locked(shop: House):
    locked(shop)
    shop.engine.published["redis:8.0"] = RegistryImage(THREE, BOTH)
    shop.edit("[infra.postgres]", '[infra.postgres]\nimage = "postgres:18"')
    shop.engine.has_image("postgres:18")
    shop.engine.published["postgres:18"] = RegistryImage(ONE, BOTH)
    assert complaints(shop) == (
        "postgres:18 is not locked",
        f"redis:8.0: its registry has {THREE} now, locked is {TWO}",
        "postgres:17 is locked, and nothing uses it",
    )


def test_a_check_that_cannot_ask_says_so(shop: House):
    locked(shop)
    shop.engine.published.clear()
    with pytest.raises(EngineError, match="could not be asked of its registry"):
        check_lock(shop.session())


# ---- what is made here


def test_recipes_are_locked_by_their_source_and_one_line_says_why(shop: House, capsys: pytest.CaptureFixture[str]):
    cut_off(shop)
    result = lock(shop.session(), (), update=False)
    assert [(row.reference, row.origin) for row in result.rows] == [
        (PLAY, "registry"),
        ("recipes/debian:1", "packages"),
        ("recipes/postgres:17", "packages"),
        ("recipes/redis:8.0", "packages"),
    ]
    write_lock(result, as_json=False)
    said = capsys.readouterr().out.splitlines()
    assert said[-2:] == [
        "no registry serves 2 of the images on this host: recipes make them, and are locked by their source",
        "envmgr.lock written",
    ]
    (shop.folder / "images" / "redis" / "Dockerfile").write_text("FROM other\n")
    shop.engine.published = {PLAY: RegistryImage(THREE, ())}
    assert complaints(shop) == ("recipes/redis:8.0: what it is made from has changed",)


def test_a_host_without_a_registry_keeps_what_another_has_locked(shop: House):
    locked(shop)
    cut_off(shop)
    result = lock(shop.session(), (), update=False)
    assert {row.reference: row.held_to for row in result.rows if row.origin == "registry"} == {
        "postgres:17": ONE,
        "redis:8.0": TWO,
        PLAY: THREE,
    }
    assert result.notes == (
        "no registry serves 2 of the images on this host: recipes make them, and are locked by their source; "
        "digests of 2 of them stay as another host locked them",
    )
    with pytest.raises(UsageError, match="on this host it is built from packages"):
        lock(shop.session(), ("redis:8.0",), update=True)


def test_a_built_image_is_locked_by_its_source(shop: House):
    (shop.folder / "web").mkdir()
    (shop.folder / "web" / "Dockerfile").write_text("FROM scratch\n")
    shop.edit("[variables.SECRET_KEY]", '[builds.web]\ncontext = "web"\n\n[variables.SECRET_KEY]')
    shop.edit('kind = "asgi"\nimage = "registry.example/play:1"', 'kind = "asgi"\nbuild = "web"')
    assert locked(shop)["play-web:env-dev"][1] == "new"
    assert check_lock(shop.session()).notes == ()
    (shop.folder / "web" / "main.py").write_text("changed")
    assert "play-web:env-dev: what it is made from has changed" in complaints(shop)


# ---- what follows from a lock


def test_a_locked_image_is_pulled_and_run_by_its_digest(shop: House):
    locked(shop)
    pinned = f"redis:8.0@{TWO}"
    shop.engine.pullable[pinned] = shop.engine.images["redis:8.0"]
    for name, digest in (("postgres:17", ONE), (PLAY, THREE)):
        shop.engine.images[f"{name}@{digest}"] = shop.engine.images[name]
    session = shop.session()
    assert session.project.system.base.service("redis").image.pinned == pinned
    assert pull_images(session, session.project.system.stacks, Source.REGISTRY) == (pinned,)
    shop.up("dev")
    (container,) = (c for c in shop.engine.all() if c.service == "redis")
    assert container.image == pinned
    assert shop.plan("dev").is_empty


def test_an_archive_of_locked_images_comes_with_a_warning(shop: House):
    locked(shop)
    for name, digest in (("postgres:17", ONE), ("redis:8.0", TWO), (PLAY, THREE)):
        shop.engine.images[f"{name}@{digest}"] = shop.engine.images[name]
    save(shop.session(), shop.folder / "images.tar", ())
    (text,) = shop.texts(Caution)
    assert "an archive carries no digests" in text
    assert set((shop.folder / "images.tar").read_text().splitlines()) == {"postgres:17", "redis:8.0", PLAY}


def test_a_locked_image_that_was_pulled_by_its_digest_alone_is_carried_by_its_tag(shop: House):
    locked(shop)
    for name, digest in (("postgres:17", ONE), ("redis:8.0", TWO), (PLAY, THREE)):
        shop.engine.images[f"{name}@{digest}"] = shop.engine.images[name]
    del shop.engine.images["redis:8.0"]
    save(shop.session(), shop.folder / "images.tar", ())
    assert "redis:8.0" in (shop.folder / "images.tar").read_text().splitlines()
    assert shop.engine.images["redis:8.0"] is shop.engine.images[f"redis:8.0@{TWO}"]


def test_a_tag_that_has_become_another_image_makes_no_archive(shop: House):
    locked(shop)
    for name, digest in (("postgres:17", ONE), ("redis:8.0", TWO), (PLAY, THREE)):
        shop.engine.images[f"{name}@{digest}"] = shop.engine.images[name]
    shop.engine.images["redis:8.0"] = replace(shop.engine.images["redis:8.0"], id="sha256:other")
    with pytest.raises(EngineError) as caught:
        save(shop.session(), shop.folder / "images.tar", ())
    assert caught.value.help == f"docker tag redis:8.0@{TWO} redis:8.0"
    assert not (shop.folder / "images.tar").exists()


def test_the_programs_that_reach_a_managed_server_are_held_to_their_digest_too(shop: House):
    shop.edit(
        "[environments.dev]\n",
        '[environments.dev.infra.redis]\nmode = "external"\nurl = "redis://app@r.example"\nprovision = true\n',
    )
    (shop.folder / layout.LOCK).write_text(lock_text(Lock({"redis:8.0": LockedImage(TWO)})))
    system = open_project(shop.folder / "envmgr.toml").system
    clients = {grant.probe.client for grant in system.stack("dev").grants if grant.is_external}
    assert clients == {f"redis:8.0@{TWO}"}
    assert locked(shop)["redis:8.0"] == (TWO, "kept")
    session = shop.session()
    pinned = f"redis:8.0@{TWO}"
    assert effective(session, pinned, Source.REGISTRY) == pinned
    cut_off(shop)
    session = shop.session()
    assert effective(session, pinned, Source.RECIPES) == "recipes/redis:8.0"
    assert "redis:8.0" not in pull_images(session, (session.project.system.stack("dev"),), Source.RECIPES)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"format": 2}',
        '{"format": 1, "images": {"a:1": {"digest": "sha256:12", "platforms": []}}, "builds": {}, "recipes": {}}',
        '{"format": 1, "images": {}, "builds": {"x": 1}, "recipes": {}}',
    ],
)
def test_a_file_that_is_no_lock_is_an_error(shop: House, text: str):
    (shop.folder / layout.LOCK).write_text(text)
    with pytest.raises(SpecError, match=r"envmgr\.lock is not a lock") as caught:
        read_lock(shop.folder)
    assert "envmgr lock" in caught.value.help


def test_a_folder_that_cannot_be_written_is_an_error(shop: House):
    (shop.folder / layout.LOCK).symlink_to(shop.folder / "nowhere")
    with pytest.raises(EnvmgrError, match=r"envmgr\.lock cannot be written") as caught:
        lock(shop.session(), (), update=False)
    assert caught.value.state == "envmgr.lock was not written."


@pytest.mark.parametrize(
    ("words", "message"),
    [(("--check", "--update"), "--check looks at everything"), (("redis:8.0",), "named for --update only")],
)
def test_options_that_do_not_go_together(shop: House, words: tuple[str, ...], message: str):
    with pytest.raises(UsageError, match=message):
        cli.main(["-f", str(shop.folder / "envmgr.toml"), "lock", *words], standalone_mode=False)


def test_what_a_machine_reads(shop: House, capsys: pytest.CaptureFixture[str]):
    write_lock(lock(shop.session(), (), update=False), as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert (document["format"], document["path"], document["changed"], document["notes"]) == (
        1,
        "envmgr.lock",
        True,
        [],
    )
    assert document["images"][0] == {
        "reference": "postgres:17",
        "origin": "registry",
        "held_to": ONE,
        "platforms": ["linux/amd64"],
        "change": "new",
    }
